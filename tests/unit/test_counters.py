"""What a question is answered, the same in memory, beside a file and in a real Valkey."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.counters import NEVER, Counters, Limit, Places, Question, peek_at
from gateway.counters.local import LocalCounters
from gateway.counters.memory import MemoryCounters
from gateway.counters.valkey import ValkeyCounters
from tests.servers_valkey import Valkey, valkey

SLOW = 1 / 3600
"""One permit an hour: none comes back while a test runs on real clocks."""
PATIENT_S = 60.0
"""What is answered is the question here, and not how soon a busy machine does it."""
DESK = Places("desk", most=2, lease_s=600)
HOUR = pytest.approx(3600, abs=5)


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


@pytest.fixture(params=["memory", "local", "valkey"])
async def counters(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Counters]:
    if request.param == "valkey":
        running: Valkey = request.getfixturevalue("server")
        running.forget()
        found: Counters = ValkeyCounters(running.url, bound_s=PATIENT_S)
    else:
        found = MemoryCounters() if request.param == "memory" else LocalCounters(tmp_path / "counters.sqlite")
    yield found
    await found.close()


def limits(**bursts: int) -> Question:
    """Return a question for one permit of each bucket, of which none comes back meanwhile."""
    return Question(tuple(Limit(name, SLOW, burst) for name, burst in bursts.items()))


async def test_bucket_gives_what_it_holds_and_then_says_when(counters: Counters) -> None:
    told = [await counters.ask(limits(a=3)) for _ in range(4)]

    assert [each.left for each in told] == [(2,), (1,), (0,), (0,)]
    assert [each.refused_by for each in told] == [None, None, None, 0]
    assert told[3].wait_s == HOUR
    assert told[3].full_in_s == (pytest.approx(3 * 3600, abs=5),)


async def test_refusal_of_one_takes_from_none(counters: Counters) -> None:
    await counters.ask(limits(a=1))
    refused = [await counters.ask(limits(b=5, a=1, c=5)) for _ in range(3)]
    told = await counters.ask(limits(b=5, c=5))

    assert [(each.refused_by, each.left) for each in refused] == [(1, (5, 0, 5))] * 3
    assert told.left == (4, 4)


async def test_refusal_does_not_lengthen_the_wait(counters: Counters) -> None:
    await counters.ask(limits(a=1))
    waits = [(await counters.ask(limits(a=1))).wait_s for _ in range(50)]

    assert waits == [HOUR] * 50
    assert waits == sorted(waits, reverse=True)


async def test_longest_wait_is_the_one_that_is_told(counters: Counters) -> None:
    question = Question((Limit("quick", 1, 1), Limit("slow", SLOW, 1)))
    await counters.ask(question)
    told = await counters.ask(question)

    assert (told.refused_by, told.wait_s) == (1, HOUR)


async def test_cost_is_taken_at_once_or_not_at_all(counters: Counters) -> None:
    await counters.ask(Question((Limit("a", SLOW, 3, cost=2),)))
    refused = await counters.ask(Question((Limit("a", SLOW, 3, cost=2),)))

    assert (refused.refused_by, refused.left, refused.wait_s) == (0, (1,), HOUR)
    assert (await counters.ask(limits(a=3))).refused_by is None


async def test_cost_beyond_the_bucket_is_never_met(counters: Counters) -> None:
    assert (await counters.ask(Question((Limit("a", SLOW, 3, cost=4),)))).refused_by == 0
    assert (await counters.ask(Question((Limit("a", SLOW, 3, cost=3),)))).refused_by is None


async def test_permits_come_back(counters: Counters) -> None:
    question = Question((Limit("a", 10, 1),))
    while (told := await counters.ask(question)).refused_by is None:
        pass  # A machine that stands still between two questions lets a permit come back meanwhile.
    await asyncio.sleep(told.wait_s + 0.002)

    assert 0 < told.wait_s <= 0.1
    assert (await counters.ask(question)).refused_by is None


async def test_place_is_held_until_it_is_given_back(counters: Counters) -> None:
    question = Question(places=(DESK,))
    first, second = await counters.ask(question), await counters.ask(question)
    refused = await counters.ask(question)
    assert first.ticket
    counters.leave(question.places, first.ticket)

    assert first.ticket != second.ticket
    assert (refused.refused_by, refused.ticket, refused.wait_s) == (0, None, 1.0)
    assert (await counters.ask(question)).refused_by is None
    assert (await counters.ask(question)).refused_by == 0


async def test_place_whose_lease_is_over_is_free(counters: Counters) -> None:
    dying, lasting = (Question(places=(Places("desk", most=1, lease_s=lease_s),)) for lease_s in (0.05, 600))
    dead = await counters.ask(dying)
    await asyncio.sleep(0.06)
    alive = await counters.ask(lasting)
    assert dead.ticket
    assert alive.ticket
    counters.leave(dying.places, dead.ticket)

    assert (await counters.ask(lasting)).refused_by == 0


async def test_call_without_a_place_takes_no_permit_and_no_other_place(counters: Counters) -> None:
    await counters.ask(Question(places=(Places("full", 1, 600),)))
    told = await counters.ask(Question((Limit("a", SLOW, 3),), (DESK, Places("full", 1, 600))))
    after = await counters.ask(Question((Limit("a", SLOW, 3),), (Places("desk", 1, 600),)))

    assert (told.refused_by, told.left) == (2, (3,))
    assert (after.refused_by, after.left) == (None, (2,))


async def test_refusing_limit_holds_no_place(counters: Counters) -> None:
    question = Question((Limit("a", SLOW, 1),), (DESK,))
    await counters.ask(question)
    refused = await counters.ask(question)

    assert (refused.refused_by, refused.ticket) == (0, None)
    assert (await counters.ask(Question(places=(DESK,)))).refused_by is None


async def test_generations_come_with_the_answer_and_with_a_refusal(counters: Counters) -> None:
    question = Question((Limit("a", SLOW, 1),), topics=("x", "y", "z"))
    never = await counters.ask(question)
    await counters.move(["x"])
    once = await counters.ask(question)
    await counters.move(["x", "y"])
    twice = await counters.ask(question)

    assert (never.refused_by, never.generations) == (None, (0, 0, 0))
    assert (once.refused_by, once.generations[1:]) == (0, (0, 0))
    assert 0 < once.generations[0] < twice.generations[0]
    assert (twice.generations[1] > 0, twice.generations[2]) == (True, 0)


async def test_peek_tells_what_a_call_would_be_told_and_takes_nothing(counters: Counters) -> None:
    question = Question((Limit("a", SLOW, 2),), (DESK,), ("x",))
    peeks = [await counters.ask(peek_at(question)) for _ in range(3)]
    await counters.ask(question)
    await counters.ask(question)
    used_up = await counters.ask(peek_at(question))

    assert [(peek.refused_by, peek.left, peek.ticket) for peek in peeks] == [(2, (2,), None)] * 3
    assert peek_at(question).places[-1] == NEVER
    assert (used_up.refused_by, used_up.left, used_up.wait_s) == (0, (0,), HOUR)


async def written_before_the_clock_was_set_back(counters: Counters, name: str) -> None:
    """Have a caller's and a vendor's bucket full again in a hundred hours: larger ones of the name are used up."""
    assert (await counters.ask(Question((Limit(name, SLOW, 100, cost=100),)))).refused_by is None
    await counters.take(name, SLOW, 100, cost=100)  # Refused where both are one bucket.


async def test_bucket_that_lies_further_ahead_than_it_holds_is_full(counters: Counters) -> None:
    await written_before_the_clock_was_set_back(counters, "a")
    peeked = await counters.ask(peek_at(limits(a=3)))
    told = [await counters.ask(limits(a=3)) for _ in range(4)]

    assert (peeked.left, peeked.full_in_s) == ((3,), (0.0,))
    assert [each.left for each in told] == [(2,), (1,), (0,), (0,)]
    assert (told[3].refused_by, told[3].wait_s) == (0, HOUR)
    assert told[3].full_in_s == (pytest.approx(3 * 3600, abs=5),)


async def test_refusal_by_another_tells_such_a_bucket_as_full(counters: Counters) -> None:
    await written_before_the_clock_was_set_back(counters, "a")
    await counters.ask(limits(b=1))
    told = await counters.ask(limits(a=3, b=1))

    assert (told.refused_by, told.left, told.wait_s) == (1, (3, 0), HOUR)


async def test_cost_beyond_such_a_bucket_is_never_met(counters: Counters) -> None:
    await written_before_the_clock_was_set_back(counters, "a")

    assert (await counters.ask(Question((Limit("a", SLOW, 3, cost=4),)))).refused_by == 0
    assert await counters.take("a", SLOW, 3, cost=4) == HOUR


async def test_vendors_bucket_that_lies_further_ahead_than_it_holds_is_full(counters: Counters) -> None:
    await written_before_the_clock_was_set_back(counters, "a")
    waits = [await counters.take("a", SLOW, 2) for _ in range(3)]

    assert waits == [0.0, 0.0, HOUR]


async def test_who_leaves_a_reserve_sees_a_smaller_bucket_and_takes_it_for_full_no_sooner(counters: Counters) -> None:
    taken = [await counters.take("a", SLOW, 100, cost=100)]
    wait_s = await counters.take("a", SLOW, 100, reserve=98)
    fresh = [await counters.take("b", SLOW, 3, reserve=1) for _ in range(3)]

    assert taken == [0.0]
    assert wait_s == pytest.approx(99 * 3600, abs=5)
    assert fresh == [0.0, 0.0, HOUR]
    assert await counters.take("b", SLOW, 3) == 0.0


async def test_question_about_nothing_is_answered(counters: Counters) -> None:
    told = await counters.ask(Question())

    assert told == (None, 0.0, (), (), (), None)


async def test_take_is_a_question_with_one_limit(counters: Counters) -> None:
    taken = [await counters.take("vendor", SLOW, 2), await counters.take("vendor", SLOW, 2, cost=1)]
    wait_s = await counters.take("vendor", SLOW, 2, cost=2)

    assert taken == [0.0, 0.0]
    assert wait_s == pytest.approx(2 * 3600, abs=5)
    assert await counters.take("other", SLOW, 2, cost=3) > 0
    assert await counters.take("other", SLOW, 2, cost=2) == 0.0


async def test_same_question_may_be_asked_anywhere(tmp_path: Path) -> None:
    question = Question((Limit("a", SLOW, 1),), (DESK,), ("x",))
    here, there = MemoryCounters(), LocalCounters(tmp_path / "counters.sqlite")

    assert [(await each.ask(question)).refused_by for each in (here, there, here, there)] == [None, None, 0, 0]
    await there.close()
