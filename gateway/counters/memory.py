"""Counters of one process alone: for tests, and for tools that run beside nothing else."""

import time
from collections.abc import Callable, Sequence

from gateway.counters import Draw, bucket


class MemoryCounters:
    """Counters that no other process sees."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._tats: dict[str, float] = {}
        self._generations: dict[str, int] = {}

    async def take(self, name: str, rate: float, burst: float, cost: float = 1.0) -> float:
        """Return 0.0 where the permits were taken, otherwise how long to wait."""
        return (await self.draw(name, rate, burst, cost)).wait_s

    async def draw(self, name: str, rate: float, burst: float, cost: float = 1.0) -> Draw:
        """Return what became of one take."""
        self._tats[name], draw = bucket.take(self._tats.get(name, 0.0), self._clock(), rate, burst, cost)
        return draw

    async def generations(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the present generation of each name."""
        return tuple(self._generations.get(name, 0) for name in names)

    async def move(self, names: Sequence[str]) -> None:
        """Begin each name's next generation."""
        for name in names:
            self._generations[name] = self._generations.get(name, 0) + 1

    async def close(self) -> None:
        """Do nothing: there is nothing to give back."""
