"""How many calls a vendor gets from us: so many a second and so many at once, a share of both kept for who waits.

The rate is counted in `gateway.counters`, hence shared by all processes. Calls under way are not: a process that dies
would take its places with it. So the cap is divided, the interactive share for the web process, the rest for the
worker, and their sum is never above it.

Neither starves the other. Background work sees a smaller bucket, so it leaves a share to who waits; a web process that
never pauses would keep the bucket below what background work sees, so each process has two rates of its own besides:
calls that somebody waits for keep to the rate less FLOOR, and background work sees the whole bucket as often as FLOOR
allows. What the vendor takes is counted in the shared bucket alone, in any case.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from math import ceil, floor
from typing import Final, NamedTuple

from gateway.correlation import Urgency, current_urgency
from gateway.counters import Counters, CountersAway
from gateway.counters.bucket import SLACK_S
from gateway.counters.memory import MemoryCounters
from gateway.egress.terms import Quota
from gateway.errors import Unavailable
from openapi.common.types import Code

FLOOR: Final = 0.1
"""The part of a rate that background work gets however many people wait, once these have used a burst up.

It is kept in each process: of several web processes, each keeps to the rate less this, and background work competes.
"""


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


class OwnRate:
    """How often something may happen in this process: asked before a call is counted, drawn on when it was."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._step, self._burst, self._clock = 1 / rate, burst, clock
        self._full_at = clock()

    def wait_s(self) -> float:
        """Return 0.0 where it may happen now, otherwise how long to wait."""
        left_s = self._full_at - (self._burst - 1) * self._step - self._clock()
        return left_s if left_s > SLACK_S else 0.0

    def draw(self) -> None:
        """Note that it happened."""
        self._full_at = max(self._full_at, self._clock()) + self._step


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
        self._rest = OwnRate(quota.rate * (1 - FLOOR), quota.burst, clock)
        self._floor = OwnRate(quota.rate * FLOOR, 1, clock)
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

    def place(self, left_s: Callable[[], float]) -> "Held":
        """Return what holds a place for a call under way; entered, it raises Unavailable where none gets free."""
        return Held((self._background, self._places) if self._is_background else (self._places,), left_s)

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
        """Return the same."""
        if self._is_background:
            return await self._draw_behind(counters)
        own, quota = self._rest, self._quota
        wait_s = own.wait_s() or await counters.take(self._bucket, quota.rate, quota.burst)
        if not wait_s:
            own.draw()
        return wait_s

    async def _draw_behind(self, counters: Counters) -> float:
        """Return the same for background work, of the smaller bucket, or of the whole one where the floor is due."""
        own, quota = self._floor, self._quota
        if due_s := own.wait_s():
            reserve = min(quota.burst * quota.interactive_share, quota.burst - 1.0)
            return min(due_s, await counters.take(self._bucket, quota.rate, quota.burst, reserve=reserve))
        wait_s = await counters.take(self._bucket, quota.rate, quota.burst)
        if not wait_s:
            own.draw()
        return wait_s


class Held:
    """Places of this process, each held for the length of the block."""

    def __init__(self, places: Sequence[asyncio.Semaphore], left_s: Callable[[], float]) -> None:
        self._places, self._left_s = places, left_s
        self._held: list[asyncio.Semaphore] = []

    async def __aenter__(self) -> None:
        """Return once all are held; raises Unavailable where one does not get free in time."""
        try:
            for places in self._places:
                await self._acquired(places)
                self._held.append(places)
        except BaseException:
            self._release()
            raise

    async def __aexit__(self, *_: object) -> None:
        """Give them back."""
        self._release()

    async def _acquired(self, places: asyncio.Semaphore) -> None:
        if not places.locked():
            await places.acquire()  # At once: nothing needs to watch the time.
            return
        try:
            async with asyncio.timeout(self._left_s()):
                await places.acquire()
        except TimeoutError as error:
            raise Unavailable(
                Code.upstream_rate_limited, "As many calls as it takes are under way.", retry_after_s=1
            ) from error

    def _release(self) -> None:
        for places in self._held:
            places.release()
