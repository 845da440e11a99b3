"""What is counted in memory with every call, written down every few seconds, and once more at the end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

log = logging.getLogger(__name__)

EVERY_S: Final = 2.0
"""What a process counts, others and the reports see so much later."""
WITHIN_S: Final = 5.0
"""A process that ends waits no longer for its database."""


class Flushing:
    """Flushes while the process serves. What cannot be written stays counted, and is tried with the next turn."""

    def __init__(
        self, flush: Callable[[], Awaitable[None]], *, every_s: float = EVERY_S, within_s: float = WITHIN_S
    ) -> None:
        self._flush, self._every_s, self._within_s = flush, every_s, within_s
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failed = False

    async def start(self) -> None:
        """Begin; to be called in the process that serves."""
        self._task = asyncio.create_task(self._until_the_end(), name="flushing")

    async def close(self) -> None:
        """Return when everything was written down, or the log says that it was not."""
        self._ending.set()
        try:
            async with asyncio.timeout(self._within_s):
                await (self._task or self._flushed())
        except TimeoutError:
            self._failed = True
        if self._failed:
            log.error("What was counted last could not be written down, and is lost.")

    async def _until_the_end(self) -> None:
        """Flush whenever it is time. A write under way is not broken off: nobody would know whether it was done."""
        ended = False
        while not ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), self._every_s)
            ended = self._ending.is_set()
            await self._flushed()

    async def _flushed(self) -> None:
        """Flush, and tell of the first failure of several in a row."""
        try:
            await self._flush()
        except Exception as error:  # Whatever it is, the next turn comes; the end tells.
            if not self._failed:
                log.warning("What was counted cannot be written down just now; it is kept.", exc_info=error)
            self._failed = True
        else:
            self._failed = False
