"""How many calls a vendor gets from us: so many a second and so many at once, a share of both kept for who waits.

The rate is counted in `gateway.counters`, hence shared by all processes. Calls under way are not: a process that dies
would take its places with it. So the cap is divided, the interactive share for the web process, the rest for the
worker, and their sum is never above it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from enum import StrEnum
from math import ceil, floor
from typing import NamedTuple

from gateway.correlation import Urgency, current_urgency
from gateway.counters import Counters, CountersAway
from gateway.counters.memory import MemoryCounters
from gateway.egress.terms import Quota
from gateway.errors import Unavailable
from openapi.common.types import Code


class Part(StrEnum):
    """Which part of a cap this process has."""

    web = "web"
    worker = "worker"
    whole = "whole"
    """Nobody else calls: a check, a test, one process that is both."""


class Places(NamedTuple):
    """How many calls this process may have under way."""

    all: int
    background: int
    """So many of them may be background work."""


def places_of(quota: Quota, part: Part) -> Places:
    """Return the part of the cap, at least one place in each process."""
    interactive = max(1, floor(quota.concurrency * quota.interactive_share))
    rest = quota.concurrency - interactive
    parts = {Part.web: interactive, Part.worker: rest, Part.whole: quota.concurrency}
    return Places(parts[part], min(parts[part], rest))


class Limiter:
    """The limits of one scope in this process."""

    def __init__(
        self,
        scope: str,
        quota: Quota,
        part: Part,
        counters: Counters,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._bucket, self._quota, self._part = f"upstream:{scope}", quota, part
        self._counters, self._alone = counters, MemoryCounters(clock)
        self._clock, self._sleep = clock, sleep
        self._quiet_until = 0.0
        places = places_of(quota, part)
        self._places, self._background = asyncio.Semaphore(places.all), asyncio.Semaphore(places.background)

    def be_quiet(self, seconds: float) -> None:
        """Let nobody call for so long: the vendor said so to one of us, and means all."""
        self._quiet_until = max(self._quiet_until, self._clock() + seconds)

    async def turn(self, left_s: Callable[[], float]) -> None:
        """Return when the rate allows a call; raises Unavailable where that is not within the time that is left."""
        while wait_s := max(self._quiet_until - self._clock(), 0.0) or await self._take():
            if wait_s >= left_s():
                raise Unavailable(Code.upstream_rate_limited, "Its quota is used up.", retry_after_s=ceil(wait_s))
            await self._sleep(wait_s)

    @asynccontextmanager
    async def place(self, left_s: Callable[[], float]) -> AsyncIterator[None]:
        """Hold one of the places for calls under way; raises Unavailable where none gets free in time."""
        allowed = _held(self._background, left_s) if self._is_background else nullcontext()
        async with allowed, _held(self._places, left_s):
            yield

    @property
    def _is_background(self) -> bool:
        usual = Urgency.background if self._part is Part.worker else Urgency.interactive
        return (current_urgency.get() or usual) is Urgency.background

    async def _take(self) -> float:
        """Return 0.0 where a call was counted, otherwise how long to wait."""
        try:
            return await self._draw(self._counters)
        except CountersAway as error:
            if self._quota.when_unavailable == "refuse":
                raise Unavailable(Code.limits_unavailable, "Nobody can count just now.", retry_after_s=5) from error
            return await self._draw(self._alone)

    async def _draw(self, counters: Counters) -> float:
        """Return the same; background work sees a smaller bucket, and so leaves the rest to who waits."""
        share = self._quota.interactive_share if self._is_background else 0.0
        burst = max(1.0, self._quota.burst * (1 - share))
        return await counters.take(self._bucket, self._quota.rate, burst)


@asynccontextmanager
async def _held(places: asyncio.Semaphore, left_s: Callable[[], float]) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(left_s()):
            await places.acquire()
    except TimeoutError as error:
        raise Unavailable(
            Code.upstream_rate_limited, "As many calls as it takes are under way.", retry_after_s=1
        ) from error
    try:
        yield
    finally:
        places.release()
