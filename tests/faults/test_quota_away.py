"""Valkey killed, frozen and flushed under load: who asks gets an answer or CountersAway, and an outage costs once.

Sampled, unless TIEBEAM_CAMPAIGN=full.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Final, NamedTuple

import pytest

from gateway.counters import CountersAway, Limit, Places, Question
from gateway.counters.valkey import BOUND_S, ValkeyCounters
from gateway.telemetry.metrics import COUNTERS_LOST, Metrics
from tests.servers_valkey import Valkey, valkey

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
pytestmark = pytest.mark.campaign
ROUNDS: Final = 20 if FULL else 1
SEED: Final = 20_261_125
CALLERS: Final = 32
PAUSE_S: Final = 0.01
BACK_S: Final = 10.0
"""When somebody has to count again at the latest, on a busy machine."""
AT_ONCE_S: Final = 0.005
"""Who waited no longer than this for a no has lost nothing; a loop that is late itself is not the counters'."""


class Outcome(NamedTuple):
    """What one call was told, and when."""

    counted: bool
    began: float
    ended: float

    @property
    def lasted(self) -> float:
        return self.ended - self.began


class Load:
    """Callers who ask again and again, and what they are told."""

    def __init__(self, counters: ValkeyCounters) -> None:
        self._counters = counters
        self._question = Question((Limit("a", 1e6, 1e6), Limit("b", 1e6, 1e6)), (Places("desk", 1_000, 5),), ("x", "y"))
        self.outcomes: list[Outcome] = []
        self.late_s = 0.0
        self._counted = asyncio.Event()

    async def ask_on(self) -> None:
        while True:
            began, ticket = time.perf_counter(), ""
            with suppress(CountersAway):
                ticket = (await self._counters.ask(self._question)).ticket or ""
            self.outcomes.append(Outcome(counted=bool(ticket), began=began, ended=time.perf_counter()))
            if ticket:
                self._counted.set()
                self._counters.leave(self._question.places, ticket)
            await asyncio.sleep(PAUSE_S)

    async def watch_the_loop(self) -> None:
        """Note by how much the event loop itself was late: nobody can be told anything then."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            self.late_s = max(self.late_s, time.perf_counter() - began - 0.001)

    async def counts(self) -> None:
        """Return when somebody is counted again."""
        self._counted.clear()
        async with asyncio.timeout(BACK_S):
            await self._counted.wait()


@asynccontextmanager
async def under_load(server: Valkey, metrics: Metrics) -> AsyncIterator[Load]:
    """Give callers who are being counted; raises what any of them raised."""
    counters = ValkeyCounters(server.url, metrics)
    load = Load(counters)
    tasks = [asyncio.create_task(load.ask_on()) for _ in range(CALLERS)]
    tasks.append(asyncio.create_task(load.watch_the_loop()))
    try:
        await load.counts()
        yield load
        assert [task for task in tasks if task.done()] == []
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await counters.close()


async def freeze(server: Valkey, chance: Random) -> None:
    server.freeze()
    await asyncio.sleep(chance.uniform(0.1, 1.5))
    server.thaw()


async def kill(server: Valkey, chance: Random) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(chance.uniform(0.0, 0.5))
    await asyncio.to_thread(server.start_again)


async def freeze_and_kill(server: Valkey, chance: Random) -> None:
    server.freeze()
    await asyncio.sleep(chance.uniform(0.0, 0.2))
    await kill(server, chance)


async def flush(server: Valkey, chance: Random) -> None:
    for _ in range(5):
        await asyncio.to_thread(server.forget)
        await asyncio.sleep(chance.uniform(0.0, 0.05))


@pytest.mark.parametrize("strike", [freeze, kill, freeze_and_kill, flush])
async def test_outage_costs_its_bound_once_and_nobody_an_exception(
    strike: Callable[[Valkey, Random], Awaitable[None]],
) -> None:
    chance, metrics = Random(SEED), Metrics()  # noqa: S311 - it is to come again
    with valkey() as server:
        async with under_load(server, metrics) as load:
            before = metrics.total(COUNTERS_LOST)
            for _ in range(ROUNDS):
                await asyncio.sleep(chance.uniform(0.1, 0.5))
                await strike(server, chance)
                await load.counts()
            lost = metrics.total(COUNTERS_LOST) - before

    late_s = 2 * load.late_s
    waited = [one for one in load.outcomes if not one.counted and one.lasted > AT_ONCE_S + late_s]
    assert [one for one in waited if one.lasted > BOUND_S + 0.01 + late_s] == []
    assert len(waited) <= CALLERS * (before + lost)
    assert lost >= (0 if strike is flush else ROUNDS)
