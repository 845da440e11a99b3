"""A store that tells when something of certain tables was written: who keeps answers made of them must know.

Not triggers, which differ by database and reach nobody outside it; and not each writer by itself: one would be
forgotten. What a transaction wrote is told after its commit, so that nobody keeps the old rows under the new name.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.store.completed import completed
from gateway.store.database import Clock, Store, utc_now
from gateway.telemetry.metrics import Metrics

WRITTEN: Final = "tiebeam.written"
"""Key of a connection's own notes: whether its transaction wrote something that is watched."""

Changed = Callable[[], Awaitable[object]]


class WatchedStore(Store):
    """Calls `changed` after each transaction that wrote to one of the tables."""

    def __init__(
        self,
        engine: AsyncEngine,
        tables: frozenset[str],
        changed: Changed,
        clock: Clock = utc_now,
        *,
        event_types: frozenset[str] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        super().__init__(engine, clock, event_types, metrics)
        self._tables, self._changed = tables, changed
        event.listen(engine.sync_engine, "after_execute", self._note)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction: see `Store.begin`."""
        async with super().begin() as connection:
            notes = connection.info
            notes.pop(WRITTEN, None)  # Of one that was rolled back: the connection is an old one.
            yield connection
            written = notes.pop(WRITTEN, False)
        if written:
            await completed(self._told())

    def _note(self, connection: Connection, statement: Any, *_: object) -> None:  # noqa: ANN401 - any statement
        if getattr(statement, "is_dml", False) and statement.table.name in self._tables:
            connection.info[WRITTEN] = True

    async def _told(self) -> None:
        await self._changed()
