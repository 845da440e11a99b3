"""Tells every process that something which stands for all calls has moved, sooner or later."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateway.counters import Counters, CountersAway

log = logging.getLogger(__name__)

AGAIN_S: Final = 1.0
"""While the shared counters are away, it is tried so often."""


class News:
    """Moves topics. Whoever tells has committed before: a process that hears of it reads the database."""

    def __init__(self, counters: Counters, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._counters, self._sleep = counters, sleep
        self._untold: set[str] = set()
        self._telling: asyncio.Task[None] | None = None

    @property
    def untold(self) -> frozenset[str]:
        """Return the topics that other processes have not heard of yet."""
        return frozenset(self._untold)

    def figures(self) -> Mapping[str, int]:
        """Return what there is to watch, by the names of metrics."""
        return {"tiebeam_news_untold": len(self._untold)}

    async def tell(self, *topics: str) -> bool:
        """Return True where all processes know with their next request; False where it is still tried."""
        try:
            await self._counters.move(topics)
        except CountersAway:
            moved = ", ".join(topics)
            log.warning("The shared counters are away: other processes hear later that %s moved.", moved)
            self._untold.update(topics)
            if self._telling is None or self._telling.done():
                self._telling = asyncio.create_task(self._until_told())
            return False
        return True

    async def close(self) -> None:
        """Give up what could not be told; processes that start read it anyway."""
        if self._telling:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)

    async def _until_told(self) -> None:
        while self._untold:
            await self._sleep(AGAIN_S)
            topics = sorted(self._untold)
            try:
                await self._counters.move(topics)
            except CountersAway:
                continue
            self._untold.difference_update(topics)
