"""What becomes of those who ask while Valkey is silent, gone, forgetful or full, and of those who stop waiting."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from gateway.counters import CountersAway, Limit, Places, Question, Told
from gateway.counters.valkey import BOUND_S, HELD_S, ValkeyCounters
from gateway.secret import Secret
from gateway.telemetry.metrics import COUNTERS_LOST, Metrics
from tests.servers_valkey import Valkey, valkey

SLOW = 1 / 3600
ASKED = Question((Limit("a", SLOW, 1_000_000),), topics=("x",))
ONE_PLACE = Question(places=(Places("desk", 1, 600),))
PATIENT_S = 60.0
"""Where not the time is the question: a busy machine's server may be slower than the bound."""


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


@pytest.fixture
async def counters(server: Valkey) -> AsyncIterator[ValkeyCounters]:
    server.forget()
    found = ValkeyCounters(server.url, bound_s=PATIENT_S)
    yield found
    await found.close()


@asynccontextmanager
async def impatient(server: Valkey, open_s: float = 0.1) -> AsyncIterator[tuple[ValkeyCounters, Metrics]]:
    """Return counters with the real bound, connected."""
    metrics = Metrics()
    found = ValkeyCounters(server.url, metrics, open_s=open_s)
    await eventually(found)
    before = metrics.total(COUNTERS_LOST)
    metrics.count(COUNTERS_LOST, of="before")
    assert metrics.total(COUNTERS_LOST) == before + 1
    yield found, metrics
    await found.close()


async def eventually(counters: ValkeyCounters, question: Question = ASKED) -> Told:
    """Return the first answer: whoever was away needs a moment."""
    for _ in range(500):
        try:
            return await counters.ask(question)
        except CountersAway:
            await asyncio.sleep(0.02)
    raise AssertionError("Nobody counts any more.")


async def outcome(counters: ValkeyCounters, question: Question = ASKED) -> tuple[bool, float]:
    """Return whether somebody counted, and how many seconds it took to be told."""
    began = time.perf_counter()
    try:
        await counters.ask(question)
    except CountersAway:
        return False, time.perf_counter() - began
    return True, time.perf_counter() - began


def usual(outcomes: Sequence[tuple[bool, float]]) -> float:
    """Return how long most of them took at the most: a busy machine holds up a few."""
    return statistics.median(lasted for _, lasted in outcomes)


async def test_nothing_is_answered_without_the_server(counters: ValkeyCounters) -> None:
    assert counters.ask_now(ASKED) is None


async def test_silence_is_waited_for_once_by_those_who_ask_together(server: Valkey) -> None:
    async with impatient(server, open_s=30) as (counters, metrics):
        lost = metrics.total(COUNTERS_LOST)
        server.freeze()
        try:
            together = await asyncio.gather(*[outcome(counters) for _ in range(200)])
            later = [await outcome(counters) for _ in range(200)]
        finally:
            server.thaw()

        assert not any(counted for counted, _ in together + later)
        assert all(lasted >= BOUND_S * 0.9 for _, lasted in together)
        assert usual(later) < BOUND_S / 2
        assert metrics.total(COUNTERS_LOST) == lost + 1


async def test_who_asks_while_others_wait_waits_no_longer_than_they_do(server: Valkey) -> None:
    async with impatient(server) as (counters, _):
        server.freeze()
        try:
            first = asyncio.create_task(outcome(counters))
            await asyncio.sleep(BOUND_S / 2)
            second = asyncio.create_task(outcome(counters))
            lasted = [(await each)[1] for each in (first, second)]
        finally:
            server.thaw()

        assert lasted[1] < lasted[0]


async def test_silent_server_that_answers_again_counts_on_as_if_nothing_had_been(server: Valkey) -> None:
    async with impatient(server) as (counters, _):
        left = (await eventually(counters)).left[0]
        server.freeze()
        counted, lasted = await outcome(counters)
        assert (counted, lasted < 100 * BOUND_S) == (False, True)
        await asyncio.sleep(0.3)
        server.thaw()

        assert (await eventually(counters)).left[0] <= left - 1


async def test_answer_that_lies_there_unread_is_no_silence(server: Valkey) -> None:
    async with impatient(server) as (counters, _):
        asking = asyncio.create_task(outcome(counters))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(4 * BOUND_S)  # noqa: ASYNC251 - a loop that is held up is what is tested.

        assert (await asking)[0]


async def test_places_that_are_granted_too_late_are_given_back(server: Valkey) -> None:
    async with impatient(server, open_s=0.3) as (counters, _):
        await eventually(counters, Question())
        server.freeze()
        assert not (await outcome(counters, ONE_PLACE))[0]
        server.thaw()

        await eventually(counters, Question())
        assert (await eventually(counters, ONE_PLACE)).refused_by is None
    server.forget()


async def test_places_that_are_granted_when_the_connection_was_given_up_are_given_back(server: Valkey) -> None:
    async with impatient(server, open_s=0.05) as (counters, _):
        await eventually(counters, Question())
        server.freeze()
        leaving = asyncio.create_task(outcome(counters, ONE_PLACE))
        await asyncio.sleep(BOUND_S / 4)
        leaving.cancel()
        assert not (await outcome(counters))[0]
        await asyncio.sleep(0.5)  # The silent connection is dropped by now, and another one waits to be taken.
        server.thaw()

        assert (await eventually(counters, ONE_PLACE)).refused_by is None
    server.forget()


async def test_caller_who_stops_waiting_breaks_nobody_and_leaves_no_place(counters: ValkeyCounters) -> None:
    await counters.ask(ASKED)
    others = [asyncio.create_task(counters.ask(ASKED)) for _ in range(5)]
    leaving = asyncio.create_task(counters.ask(ONE_PLACE))
    more = [asyncio.create_task(counters.ask(ASKED)) for _ in range(5)]
    await asyncio.sleep(0)
    leaving.cancel()
    told = await asyncio.gather(*others, *more)

    assert [each.refused_by for each in told] == [None] * 10
    assert (await counters.ask(ONE_PLACE)).refused_by is None


async def test_caller_who_stops_waiting_at_any_moment_leaves_no_place(counters: ValkeyCounters) -> None:
    await counters.ask(ASKED)
    for turns in range(12):
        leaving = asyncio.create_task(counters.ask(ONE_PLACE))
        for _ in range(turns):
            await asyncio.sleep(0.0002 if turns > 6 else 0)
        if not leaving.done():
            leaving.cancel()
        (came,) = await asyncio.gather(leaving, return_exceptions=True)
        if isinstance(came, Told):
            assert came.refused_by is None
            counters.leave(ONE_PLACE.places, came.ticket or "")
        await counters.ask(ASKED)  # Behind it in the queue: by now a late answer has come, and its place is on the way.

    assert (await counters.ask(ONE_PLACE)).refused_by is None


async def test_scripts_that_were_forgotten_are_sent_again(server: Valkey, counters: ValkeyCounters) -> None:
    await asyncio.gather(*[counters.ask(ASKED) for _ in range(3)])
    server.forget()
    told = await asyncio.gather(*[counters.ask(ASKED) for _ in range(300)])

    assert sorted(each.left[0] for each in told) == list(range(1_000_000 - 300, 1_000_000))


async def test_server_that_was_killed_is_missed_at_once_and_found_again(server: Valkey) -> None:
    async with impatient(server) as (counters, metrics):
        lost = metrics.total(COUNTERS_LOST)
        await asyncio.to_thread(server.kill)
        gone = [await outcome(counters) for _ in range(50)]
        await asyncio.to_thread(server.start_again)

        assert usual([each for each in gone if not each[0]]) < BOUND_S / 2
        assert (await eventually(counters)).refused_by is None
        assert metrics.total(COUNTERS_LOST) >= lost + 1


async def test_server_that_is_not_there_is_away() -> None:
    counters = ValkeyCounters(Secret("redis://127.0.0.1:1/0"))

    for ask in (counters.take("a", 1, 1), counters.move(["a"]), counters.ask(ASKED)):
        with pytest.raises(CountersAway):
            await ask
    await counters.close()


async def test_server_that_takes_calls_and_says_nothing_is_waited_for_once(server: Valkey) -> None:
    counters = ValkeyCounters(server.url)
    server.freeze()
    try:
        first, *later = [await outcome(counters) for _ in range(20)]
    finally:
        server.thaw()
        await counters.close()

    assert not any(counted for counted, _ in (first, *later))
    assert usual(later) < BOUND_S / 2


async def test_server_that_answers_and_cannot_write_is_away(server: Valkey) -> None:
    async with impatient(server) as (counters, _):
        server.configure("maxmemory", "1")
        try:
            assert not (await outcome(counters))[0]
            await asyncio.sleep(0.3)
            assert not (await outcome(counters))[0]
        finally:
            server.configure("maxmemory", "0")

        assert (await eventually(counters)).refused_by is None


async def test_places_given_back_while_nobody_answers_are_given_back_afterwards(server: Valkey) -> None:
    async with impatient(server) as (counters, _):
        ticket = (await eventually(counters, ONE_PLACE)).ticket or ""
        server.freeze()
        assert not (await outcome(counters))[0]
        counters.leave(ONE_PLACE.places, ticket)
        server.thaw()

        assert (await eventually(counters, ONE_PLACE)).refused_by is None
    server.forget()


async def test_closing_fails_who_waits_and_who_comes_later(server: Valkey) -> None:
    counters = ValkeyCounters(server.url, bound_s=PATIENT_S)
    await counters.ask(ASKED)
    server.freeze()
    try:
        waiting = asyncio.create_task(outcome(counters))
        await asyncio.sleep(0.01)
        await counters.close()
    finally:
        server.thaw()

    assert not (await waiting)[0]
    assert not (await outcome(counters))[0]
    counters.leave(ONE_PLACE.places, "ticket")
    await counters.close()


async def test_counters_that_nobody_asked_are_closed_without_having_connected() -> None:
    await ValkeyCounters(Secret("redis://127.0.0.1:1/0")).close()


async def test_questions_of_one_turn_leave_together(server: Valkey, counters: ValkeyCounters) -> None:
    await counters.ask(ASKED)
    before = server.commands("evalsha")
    await asyncio.gather(*[counters.ask(ASKED) for _ in range(100)])

    assert server.commands("evalsha") == before + 1


async def asked_in_turns(server: Valkey, counters: ValkeyCounters, wait_s: float) -> int:
    """Return how many batches three questions were that were asked while the server stood still for so long."""
    await counters.ask(ASKED)
    before = server.commands("evalsha")
    server.freeze()
    try:
        asking = []
        for _ in range(3):
            asking.append(asyncio.create_task(counters.ask(ASKED)))
            await asyncio.sleep(wait_s)
    finally:
        server.thaw()
    await asyncio.gather(*asking)
    return server.commands("evalsha") - before


async def test_questions_wait_for_the_answer_to_those_before_and_leave_together(
    server: Valkey, counters: ValkeyCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.counters.valkey.HELD_S", PATIENT_S / 2)

    assert await asked_in_turns(server, counters, 0.001) == 2


async def test_questions_leave_though_those_before_are_not_answered_in_a_moment(
    server: Valkey, counters: ValkeyCounters
) -> None:
    assert await asked_in_turns(server, counters, HELD_S * 10) == 3


async def test_generation_never_comes_again_where_the_server_has_lost_its_keys(
    server: Valkey, counters: ValkeyCounters
) -> None:
    seen = set()
    for _ in range(3):
        await counters.move(["x"])
        seen.add((await counters.ask(Question(topics=("x",)))).generations)
        server.forget()

    assert len(seen) == 3


async def test_what_is_asked_together_draws_on_one_bucket_as_if_one_after_the_other(counters: ValkeyCounters) -> None:
    ours = Limit("ours", SLOW, 10)
    one, other = (Question((ours, Limit(name, SLOW, 10))) for name in ("one's own", "the other's own"))

    told = await asyncio.gather(*[counters.ask(question) for question in (one, other, one, other)])
    after = await counters.ask(one)

    assert sorted(each.left[0] for each in told) == [6, 7, 8, 9]
    assert sorted(each.left[1] for each in told) == [8, 8, 9, 9]
    assert after.left == (5, 7)


async def test_generation_that_begins_with_a_question_is_told_to_it(counters: ValkeyCounters) -> None:
    before = await counters.ask(ASKED)

    told, _ = await asyncio.gather(counters.ask(ASKED), counters.move(ASKED.topics))

    assert told.generations > before.generations
    assert (await counters.ask(ASKED)).generations == told.generations


async def test_place_that_is_given_back_in_the_same_turn_is_free_for_who_asks(counters: ValkeyCounters) -> None:
    held = await counters.ask(ONE_PLACE)
    asked = asyncio.create_task(counters.ask(ONE_PLACE))
    await asyncio.sleep(0)

    counters.leave(ONE_PLACE.places, held.ticket or "")

    assert (await asked).refused_by is None
