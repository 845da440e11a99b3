"""What is counted in memory with every call, written down every few seconds, and once more at the end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

EVERY_S: Final = 2.0
"""What a process counts, others and the reports see so much later."""
WITHIN_S: Final = 5.0
"""A process that ends waits no longer for its database."""


class Flushing:
    """Flushes while the process serves. What cannot be written stays counted, and is tried with the next turn."""

    def __init__(
        self,
        *flushes: Callable[[], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._flushes, self._sleep = flushes, sleep
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self._failed = False

    async def start(self) -> None:
        """Begin; to be called in the process that serves."""
        self._task = asyncio.create_task(self._again_and_again(), name="flushing")

    async def close(self) -> None:
        """Return when everything was written down, or the log says that it was not."""
        self._ending.set()
        try:
            async with asyncio.timeout(WITHIN_S):
                if self._task:
                    await self._task
                await self._flush()
        except TimeoutError:
            log.error("What was counted last could not be written down in time: it is lost.")  # noqa: TRY400 — nothing more is known.

    async def _again_and_again(self) -> None:
        while not self._ending.is_set():
            pause = asyncio.ensure_future(self._sleep(EVERY_S))
            ended = asyncio.ensure_future(self._ending.wait())
            await asyncio.wait((pause, ended), return_when=asyncio.FIRST_COMPLETED)
            for one in (pause, ended):
                one.cancel()
            if not self._ending.is_set():
                await self._flush()

    async def _flush(self) -> None:
        """Flush each; the first failure of a row of them is told, the others only repeat it."""
        try:
            for flush in self._flushes:
                await flush()
        except (SQLAlchemyError, OSError) as error:
            if not self._failed:
                log.warning("What was counted cannot be written down; it is kept, and tried again.", exc_info=error)
            self._failed = True
        else:
            self._failed = False
