"""Whether the database is there and fits this release, for who asks every few seconds as long as the process lives."""

import asyncio
from typing import Final

from sqlalchemy import func, select, table

from gateway.durable import migrate
from gateway.store.database import create_engine
from gateway.store.migrate import VERSION_TABLE

VERSIONS: Final = table(VERSION_TABLE)


class Readiness:
    """The database, as probes ask for it.

    All of it is looked at until it fits, and again after it was away; in between, a short question is enough: nobody
    takes tables away while it is there.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._fits = False
        self._look: asyncio.Future[list[str]] | None = None

    async def holds(self) -> bool:
        """Tell whether the database answers and has what this release needs; raises what keeps it from answering."""
        fits, self._fits = self._fits, False
        self._fits = await self._answers() if fits else not await self._pending()
        return self._fits

    async def _answers(self) -> bool:
        """Ask on a connection of its own: calls may have all the others."""
        engine = create_engine(self._url)
        try:
            async with engine.connect() as connection:
                return bool(await connection.scalar(select(func.count()).select_from(VERSIONS)))
        finally:
            await engine.dispose()

    async def _pending(self) -> list[str]:
        """Return what the database lacks; who asks meanwhile waits for the same look, since nothing ends its thread."""
        if self._look is None or self._look.done():
            self._look = asyncio.ensure_future(asyncio.to_thread(migrate.pending, self._url))
            self._look.add_done_callback(_taken)
        return await asyncio.shield(self._look)


def _taken(look: asyncio.Future[list[str]]) -> None:
    """Take what came of it, for whoever asked may have gone."""
    if not look.cancelled():
        look.exception()
