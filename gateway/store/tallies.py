"""Counts that grow with every call: kept in memory by key, and added to the rows of a table now and then.

A table of tallies has what is counted for its primary key, then `count`, `first_seen` and `last_seen`, and perhaps
columns that say something of one occurrence. Every process adds to the same rows. The clock is asked for the first
occurrence alone; the last one was seen up to one flush earlier than its row says.

Each flush leaves a mark in the transaction of its counts: where nobody knows whether that was committed, the same flush
is made again, and finds its mark or adds its counts.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import BigInteger, Column, String, Table, case, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant

Key = tuple[str, ...]
MOST: Final = 10_000
"""Keys that are counted and not written yet; what comes beyond them is only counted as such."""
MARK_KEPT: Final = timedelta(days=30)
"""So long after its last flush a writer may come back with the same one."""
tb_flush = Table(
    "tb_flush",
    metadata,
    Column("writer", String(32), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("written_at", Instant(), nullable=False),
)
_OWN: Final = ("count", "first_seen", "last_seen")


class Seen:
    """How often something was seen since the last flush, and when; `last` is told when it is written."""

    __slots__ = ("count", "first", "last", "noted")

    def __init__(self, now: datetime, noted: Key) -> None:
        self.count, self.first, self.last, self.noted = 1, now, now, noted


class Tallies:
    """Counts occurrences of keys for a table. Counting returns at once; `flush` writes down."""

    def __init__(self, store: Store, table: Table, *, most: int = MOST) -> None:
        self._store, self._table, self._most, self._now = store, table, most, store.now
        self._key = tuple(column.name for column in table.primary_key.columns)
        self._noted = tuple(column.name for column in table.columns if column.name not in {*self._key, *_OWN})
        self._seen: dict[Key, Seen] = {}
        self._writing: dict[Key, Seen] = {}
        self._writer, self._sequence = uuid4().hex, 0
        self._turn = asyncio.Lock()
        self.beyond = 0
        """Occurrences that were not counted, because too many keys were not written yet."""

    def count(self, key: Key, noted: Key = ()) -> None:
        """Add one to the key, its values in the order of the table; `noted` fills the further columns."""
        seen = self._seen.get(key)
        if seen is None:
            self._begin(key, noted)
        else:
            seen.count += 1

    def unwritten(self) -> dict[Key, Seen]:
        """Return what was counted and may not stand in the table yet, by key."""
        both = dict(self._writing)
        for key, seen in self._seen.items():
            both[key] = _sum(both[key], seen) if key in both else seen
        return both

    async def flush(self) -> None:
        """Return when everything counted before stands in the table; where that fails, it is counted still."""
        async with self._turn:
            if self._writing:  # Nobody knows whether the try before was committed.
                await self._write()
            now = self._now()
            for seen in self._seen.values():
                seen.last = now if seen.count > 1 else seen.last
            self._writing, self._seen = self._seen, {}
            if self._writing:
                self._sequence += 1
                await self._write()

    def _begin(self, key: Key, noted: Key) -> None:
        if len(self._seen) + len(self._writing) >= self._most and key not in self._writing:
            self.beyond += 1
        else:
            self._seen[key] = Seen(self._now(), noted)

    async def _write(self) -> None:
        """Return when the rows have what is being written, once, however often it is tried."""
        async with self._store.begin() as connection:
            if await self._marked(connection):
                await self._add(connection)
        self._writing = {}

    async def _marked(self, connection: AsyncConnection) -> bool:
        """Mark this flush as made; tell False where it is marked already."""
        marking = insert_into(connection, tb_flush).values(
            writer=self._writer, sequence=self._sequence, written_at=self._now()
        )
        new = marking.excluded
        made = marking.on_conflict_do_update(
            index_elements=["writer"],
            set_={"sequence": new.sequence, "written_at": new.written_at},
            where=tb_flush.c.sequence < new.sequence,
        )
        return await connection.scalar(made.returning(tb_flush.c.writer)) is not None

    async def _add(self, connection: AsyncConnection) -> None:
        """Add to the rows, in one order everywhere, so that processes do not wait for each other in a ring."""
        rows = [self._row(key, self._writing[key]) for key in sorted(self._writing)]
        columns = self._table.c
        adding = insert_into(connection, self._table)
        new = adding.excluded
        changed: dict[str, Any] = {name: new[name] for name in self._noted}
        changed["count"] = columns["count"] + new["count"]
        changed["first_seen"] = case((new.first_seen < columns.first_seen, new.first_seen), else_=columns.first_seen)
        changed["last_seen"] = case((new.last_seen > columns.last_seen, new.last_seen), else_=columns.last_seen)
        await connection.execute(adding.on_conflict_do_update(index_elements=self._key, set_=changed), rows)

    def _row(self, key: Key, seen: Seen) -> dict[str, object]:
        own = {"count": seen.count, "first_seen": seen.first, "last_seen": seen.last}
        return dict(zip(self._key, key, strict=True)) | own | dict(zip(self._noted, seen.noted, strict=True))


def _sum(one: Seen, other: Seen) -> Seen:
    both = Seen(min(one.first, other.first), other.noted)
    both.count, both.last = one.count + other.count, max(one.last, other.last)
    return both


async def forget_marks(connection: AsyncConnection, now: datetime) -> None:
    """Take away the marks of processes that ended long ago."""
    await connection.execute(delete(tb_flush).where(tb_flush.c.written_at < now - MARK_KEPT))
