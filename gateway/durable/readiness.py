"""Whether the database is there and fits this release, for who asks every few seconds as long as the process lives."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Select, func, literal, select, table

from gateway.durable import migrate
from gateway.store.database import create_engine
from gateway.store.migrate import VERSION_TABLE

ANYTHING: Final = select(literal(1))
VERSIONS: Final = select(func.count()).select_from(table(VERSION_TABLE))
GIVEN_UP_S: Final = 60.0
"""A look that takes longer met a database that went away under it; nothing else ends it for hours."""


class Readiness:
    """The database, as probes ask for it.

    All of it is looked at until it fits, and again after it was away; in between, a short question is enough: nobody
    takes tables away while it is there.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._clock = url, clock
        self._fits = False
        self._look: asyncio.Future[list[str]] | None = None
        self._looks_until = 0.0

    async def holds(self) -> bool:
        """Tell whether the database answers and has what this release needs; raises what keeps it from answering."""
        fits, self._fits = self._fits, False
        answer = await self._asked(VERSIONS if fits else ANYTHING)
        self._fits = bool(answer) if fits else not await self._pending()
        return self._fits

    async def _asked(self, question: Select[Any]) -> int:
        """Ask on a connection of its own: calls may have all the others."""
        engine = create_engine(self._url)
        try:
            async with engine.connect() as connection:
                return int(await connection.scalar(question) or 0)
        finally:
            await engine.dispose()

    async def _pending(self) -> list[str]:
        """Return what the database lacks; who asks meanwhile waits for the same look, since nothing ends its thread."""
        if self._look is None or self._look.done() or self._clock() >= self._looks_until:
            self._look = asyncio.ensure_future(asyncio.to_thread(migrate.pending, self._url))
            self._look.add_done_callback(_taken)
            self._looks_until = self._clock() + GIVEN_UP_S
        return await asyncio.shield(self._look)


def _taken(look: asyncio.Future[list[str]]) -> None:
    """Take what came of it, for whoever asked may have gone."""
    if not look.cancelled():
        look.exception()
