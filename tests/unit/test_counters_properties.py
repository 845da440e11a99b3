"""What holds for any questions in any order, and that memory and Valkey agree on every one of them."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.counters import Limit, Places, Question, Told
from gateway.counters.bucket import CLOCK_S
from gateway.counters.memory import MemoryCounters
from gateway.counters.valkey import ValkeyCounters
from tests.fakes.clock import Time
from tests.servers_valkey import Valkey, valkey

BUCKETS = {"a": (0.5, 3), "b": (2.0, 10), "c": (7.3, 4)}
"""Rate and burst of each bucket, always asked with the same."""
SLOWLY = 1e-5
"""So slow that what passes on the server's clock, which nobody can hold, changes no whole permit."""

UNHURRIED = settings(deadline=None)


class Call(NamedTuple):
    """So long after the one before, costs of some buckets, in this order."""

    pause_s: float
    costs: dict[str, int]


costs = st.dictionaries(st.sampled_from(sorted(BUCKETS)), st.integers(1, 4), min_size=1)
calls = st.lists(st.builds(Call, st.floats(0, 3), costs), max_size=60)


def question(costs: dict[str, int], slower: float = 1.0) -> Question:
    return Question(tuple(Limit(name, BUCKETS[name][0] * slower, BUCKETS[name][1], costs[name]) for name in costs))


@given(calls)
@UNHURRIED
def test_no_bucket_gives_more_than_its_burst_and_what_came_back(calls: list[Call]) -> None:
    time = Time()
    counters, taken = MemoryCounters(time), Counter[str]()
    for call in calls:
        time.now += call.pause_s
        told = counters.ask_now(question(call.costs))
        taken.update(call.costs if told.refused_by is None else {})

        for name, (rate, burst) in BUCKETS.items():
            assert taken[name] <= burst + rate * (time.now - 1_000) + 1e-3
        assert all(0 <= left <= BUCKETS[name][1] for name, left in zip(call.costs, told.left, strict=True))


@given(calls)
@UNHURRIED
def test_who_waits_as_long_as_told_is_served_and_a_moment_earlier_is_not(calls: list[Call]) -> None:
    time = Time()
    counters = MemoryCounters(time)
    for call in calls:
        asked, told = question(call.costs), counters.ask_now(question(call.costs))
        if told.refused_by is None or any(cost > BUCKETS[name][1] for name, cost in call.costs.items()):
            continue
        time.now += told.wait_s - 1e-3
        assert told.wait_s < 1e-3 or counters.ask_now(asked).refused_by is not None
        time.now += 1e-3 + 1e-6
        assert counters.ask_now(asked).refused_by is None


@given(calls)
@UNHURRIED
def test_refusals_leave_no_trace(calls: list[Call]) -> None:
    time = Time()
    every, taken_only = MemoryCounters(time), MemoryCounters(time)
    for call in calls:
        time.now += call.pause_s
        told = every.ask_now(question(call.costs))

        assert told.refused_by is not None or taken_only.ask_now(question(call.costs)) == told


@given(calls)
@UNHURRIED
def test_order_of_limits_changes_nothing(calls: list[Call]) -> None:
    time = Time()
    one, other = MemoryCounters(time), MemoryCounters(time)
    for call in calls:
        time.now += call.pause_s
        forwards = one.ask_now(question(call.costs))
        backwards = other.ask_now(question(dict(reversed(call.costs.items()))))

        assert (forwards.refused_by is None) == (backwards.refused_by is None)
        assert (forwards.wait_s, forwards.left) == (backwards.wait_s, backwards.left[::-1])


@given(st.integers(1, 200), st.integers(1, 5_000), st.sampled_from([0.1, 1_000_000.1, 30_000_000.1]))
@UNHURRIED
def test_bucket_gives_all_of_its_burst_at_once_whatever_the_clock_says(burst: int, in_s: int, now: float) -> None:
    counters = MemoryCounters(lambda: now)
    asked = Question((Limit("a", burst / in_s, burst),))

    assert [counters.ask_now(asked).left for _ in range(burst)] == [(left,) for left in reversed(range(burst))]
    assert counters.ask_now(asked).refused_by == 0


@given(calls, st.lists(st.floats(-1e9, 1e9), min_size=1))
@UNHURRIED
def test_clock_that_jumps_makes_nobody_wait_longer_than_a_bucket_takes_to_fill(
    calls: list[Call], jumps: list[float]
) -> None:
    time = Time()
    counters = MemoryCounters(time)
    for number, call in enumerate(calls):
        time.now += jumps[number % len(jumps)]
        told = counters.ask_now(question(call.costs))

        longest = max(cost / BUCKETS[name][0] for name, cost in call.costs.items())
        assert told.wait_s <= longest + CLOCK_S + 1e-3
        assert all(0 <= left <= BUCKETS[name][1] for name, left in zip(call.costs, told.left, strict=True))


class Step(NamedTuple):
    """A question, a topic that is moved before it, and a bucket that lies as if the clock had been set back since."""

    costs: dict[str, int]
    places: bool
    leaves: bool
    moves: str
    ahead: str


steps = st.lists(
    st.builds(
        Step, costs, st.booleans(), st.booleans(), st.sampled_from(["", "x", "y"]), st.sampled_from(["", *"abc"])
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


@given(steps)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_memory_and_valkey_answer_alike(server: Valkey, steps: list[Step]) -> None:
    server.forget()
    asyncio.run(answer_alike(server, steps))


async def answer_alike(server: Valkey, steps: list[Step]) -> None:
    here, there = MemoryCounters(), ValkeyCounters(server.url, bound_s=5.0)
    try:
        for step in steps:
            held = (Places("p", 2, 600),) if step.places else ()
            asked = Question(question(step.costs, SLOWLY).limits, held, ("x", "y"))
            for counters in (here, there):
                await counters.move([step.moves] if step.moves else [])
                if step.ahead:
                    rate, burst = BUCKETS[step.ahead]
                    await counters.take(step.ahead, rate * SLOWLY, burst * 10, cost=burst * 2)
            told = [here.ask_now(asked), await there.ask(asked)]
            for counters, each in zip((here, there), told, strict=True):
                if each.ticket and step.leaves:
                    counters.leave(held, each.ticket)

            assert comparable(told[0]) == comparable(told[1])
            assert told[0].full_in_s == pytest.approx(told[1].full_in_s, abs=5)
            assert told[0].wait_s == pytest.approx(told[1].wait_s, abs=5)
    finally:
        await there.close()


def comparable(told: Told) -> tuple[object, ...]:
    ever_moved = [generation > 0 for generation in told.generations]  # Which number it has is each place's own matter.
    return told.refused_by, told.left, ever_moved, bool(told.ticket)
