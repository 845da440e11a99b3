"""Rate and concurrency towards a vendor: who waits for whom, and what is kept for people."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.correlation import Urgency, belonging
from gateway.counters import CountersAway
from gateway.counters.memory import MemoryCounters
from gateway.deadline import FOREVER, deadline
from gateway.egress.limits import FLOOR, Limiter, Part, places_of
from gateway.egress.upstreams import Upstreams
from gateway.errors import Unavailable
from openapi.common.types import Code
from tests.egress_world import BOOKS, QUOTA, Time, terms, tools, upstreams
from tests.scripted_server import ScriptedServer, scripted_server

SLOW = structs.replace(QUOTA, rate=1, burst=4)


class Away(MemoryCounters):
    """Counters whose server is gone."""

    async def take(self, *_: object, **__: object) -> float:
        raise CountersAway


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        yield server


def limiter(time: Time, part: Part = Part.whole, counters: MemoryCounters | None = None) -> Limiter:
    return Limiter(BOOKS, SLOW, part, counters or MemoryCounters(time), time, time.sleep)


def plenty() -> float:
    return FOREVER


async def test_call_above_the_rate_waits_for_its_turn() -> None:
    time = Time()
    limits = limiter(time)

    for _ in range(6):
        await limits.turn(plenty)

    assert time.passed == pytest.approx(2 / (1 - FLOOR))


async def test_call_whose_turn_comes_too_late_is_told_when() -> None:
    time = Time()
    limits = limiter(time)
    for _ in range(4):
        await limits.turn(plenty)

    with pytest.raises(Unavailable) as raised:
        await limits.turn(lambda: 0.5)

    assert (raised.value.code, raised.value.retry_after_s) == (Code.upstream_rate_limited, 2)


async def test_background_leaves_its_share_of_the_burst_to_who_waits() -> None:
    time = Time()
    limits = limiter(time)

    with belonging(urgency=Urgency.background):
        for _ in range(2):
            await limits.turn(plenty)
        with pytest.raises(Unavailable):
            await limits.turn(lambda: 0.5)
    for _ in range(2):
        await limits.turn(plenty)

    assert time.passed == 0


async def test_web_and_worker_share_one_rate() -> None:
    time = Time()
    counters = MemoryCounters(time)
    web, worker = limiter(time, Part.web, counters), limiter(time, Part.worker, counters)
    for _ in range(2):
        await worker.turn(plenty)  # Background without being told: nobody waits for a worker.

    with pytest.raises(Unavailable):
        await worker.turn(lambda: 0.5)
    for _ in range(2):
        await web.turn(plenty)

    assert time.passed == 0


async def test_web_process_that_never_pauses_leaves_background_its_floor() -> None:
    time, lasts_s, tries_a_second = Time(), 100, 200
    busy = structs.replace(QUOTA, rate=10, burst=100)
    counters = MemoryCounters(time)
    web, worker = (Limiter(BOOKS, busy, part, counters, time, time.sleep) for part in (Part.web, Part.worker))
    taken, begun = Counter[Limiter](), list[float]()

    for _ in range(lasts_s * tries_a_second):
        for limits in (web, web, worker):
            with suppress(Unavailable):
                await limits.turn(lambda: 0.0)
                taken[limits] += 1
                begun += [time.passed] if limits is worker else []
        assert taken.total() <= 100 + 10 * time.passed + 0.001
        time.passed += 1 / tries_a_second

    assert taken[worker] >= 0.98 * FLOOR * 10 * lasts_s
    lasting = [at for at in begun if at > 20]  # By then the web process has used its burst up, too.
    assert max(after - before for before, after in pairwise(lasting)) <= 1.1 / (FLOOR * 10)
    assert taken.total() >= 0.98 * (100 + 10 * lasts_s)


async def test_background_that_has_the_vendor_for_itself_gets_the_whole_rate() -> None:
    time = Time()
    worker = limiter(time, Part.worker)
    for _ in range(102):
        await worker.turn(plenty)

    assert time.passed == pytest.approx(100)


async def test_counters_that_are_away_let_each_process_count_alone_or_stop_it_as_the_row_says() -> None:
    time = Time()
    alone = structs.replace(SLOW, when_unavailable="count_alone")
    counting = Limiter(BOOKS, alone, Part.whole, Away(time), time, time.sleep)
    for _ in range(5):
        await counting.turn(plenty)

    with pytest.raises(Unavailable) as raised:
        await limiter(time, counters=Away(time)).turn(plenty)

    assert time.passed == pytest.approx(1 / (1 - FLOOR))
    assert raised.value.code is Code.limits_unavailable


@given(concurrency=st.integers(2, 1_000), share=st.floats(0.1, 0.9))
def test_places_of_web_and_worker_are_the_whole_and_nobody_has_none(concurrency: int, share: float) -> None:
    quota = structs.replace(QUOTA, concurrency=concurrency, interactive_share=share)

    web, worker = places_of(quota, Part.web), places_of(quota, Part.worker)

    assert web.all + worker.all == places_of(quota, Part.whole).all == concurrency
    assert min(web + worker) >= 1


async def held(egress: Upstreams, server: ScriptedServer, urgencies: Sequence[Urgency]) -> list[asyncio.Task[object]]:
    """Return calls under way, each of its urgency, after as many as may have arrived."""

    async def call(urgency: Urgency) -> object:
        with belonging(urgency=urgency):
            return await egress.http(BOOKS).call("GET", server.url, operation="find", write=False)

    server.then(*[server.hang] * len(urgencies))
    calls = [asyncio.ensure_future(call(urgency)) for urgency in urgencies]
    await server.arrived(4)
    return calls


async def test_no_more_calls_than_the_cap_are_under_way(server: ScriptedServer) -> None:
    async with upstreams(concurrency=4) as egress:
        calls = await held(egress, server, [Urgency.interactive] * 12)
        server.release()
        await asyncio.gather(*calls)

    assert server.most_under_way == 4
    assert len(server.received) == 12


async def test_background_leaves_its_share_of_the_places_to_who_waits(server: ScriptedServer) -> None:
    async with upstreams(concurrency=4) as egress:
        calls = await held(egress, server, [Urgency.background] * 6 + [Urgency.interactive] * 2)
        interactive = [call for call in calls[6:] if not call.done()]
        server.release()
        await asyncio.gather(*calls)

    assert len(interactive) == 2  # They were among the first four, although six had come before them.
    assert server.most_under_way == 4


async def test_call_that_gets_no_place_in_time_was_not_sent(server: ScriptedServer) -> None:
    async with upstreams(concurrency=4) as egress:
        calls = await held(egress, server, [Urgency.interactive] * 4)

        with pytest.raises(Unavailable) as raised, deadline(0.05):
            await egress.http(BOOKS).call("POST", server.url, operation="create", write=True)

        server.release()
        await asyncio.gather(*calls)
    assert raised.value.code is Code.upstream_rate_limited
    assert len(server.received) == 4


async def test_connections_of_one_scope_share_its_limits(server: ScriptedServer) -> None:
    time = Time()
    one = terms(rate=1, burst=2, scope="account")
    egress = Upstreams({"books": one, "delivery": one}, part=Part.whole, with_tools=tools(time))

    for connection in ("books", "delivery", "books"):
        await egress.http(connection).call("GET", server.url, operation="find", write=False)

    assert time.passed == pytest.approx(1 / (1 - FLOOR))
    await egress.close()
