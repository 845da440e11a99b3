"""The inbox: objects of other systems that have news, until somebody has read them. A row is never the truth.

A change has one row, however often and from wherever it is told: polling, an event, a sweep. Who works it off claims
rows under a batch's name, which a replay finds again, and settles them. A watermark is how far the changes of a
connection have been read; it moves in the transaction that keeps what was read.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar

from msgspec import Struct
from sqlalchemy import Column, Date, Index, Integer, Select, String, Table, delete, exists, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant

T = TypeVar("T")
AGAIN: Final = "again"
"""In the place of a version: that the object is to be looked at, whether it has changed or not."""
_AT_ONCE: Final = 400
"""SQLite takes some 32,000 values in a statement, older ones 999."""

tb_inbox = Table(
    "tb_inbox",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("connection", String(40), nullable=False),
    Column("object_type", String(40), nullable=False),
    Column("external_id", String(200), nullable=False),
    Column("within", String(200)),
    Column("day", Date),
    Column("batch", String(80), index=True),
    Column("tries", Integer, nullable=False),
    Column("received_at", Instant(), nullable=False),
    Column("settled_at", Instant()),
    Index(
        "ix_tb_inbox_waiting",
        "connection",
        "object_type",
        "received_at",
        "id",
        sqlite_where=text("batch IS NULL"),
        postgresql_where=text("batch IS NULL"),
    ),
    Index("ix_tb_inbox_external_id", "connection", "external_id"),
    Index("ix_tb_inbox_settled", "settled_at"),
)
tb_watermark = Table(
    "tb_watermark",
    metadata,
    Column("connection", String(40), primary_key=True),
    Column("object_type", String(40), primary_key=True),
    Column("moment", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
)


class Source(Struct, frozen=True, kw_only=True):
    """What kind of objects of which connection."""

    connection: str
    object_type: str


class Change(Struct, frozen=True, kw_only=True):
    """That an object has news. The same version told twice is one change."""

    external_id: str
    version: str
    within: str | None = None
    """What the object is part of, as its system says, such as a project; None where nobody has said."""
    day: date | None = None
    """The day that the object is about, where somebody has said."""


async def put(connection: AsyncConnection, store: Store, source: Source, changes: Iterable[Change]) -> int:
    """Return how many of the changes are new here; the others were told before, and are not kept again."""
    now = store.now()
    rows = {_id(source, change): _row(now, source, change) for change in changes}
    new = 0
    for some in _parts(list(rows.values())):
        inserting = insert_into(connection, tb_inbox).on_conflict_do_nothing().returning(tb_inbox.c.id)
        new += len((await connection.execute(inserting, some)).all())
    return new


async def put_again(connection: AsyncConnection, store: Store, source: Source, external_ids: Collection[str]) -> int:
    """Return how many objects wait to be looked at anew that did not yet; one that is being worked off is left."""
    now = store.now()
    rows = [_row(now, source, Change(external_id=one, version=AGAIN)) for one in sorted(set(external_ids))]
    anew = {"batch": None, "settled_at": None, "received_at": now, "tries": tb_inbox.c.tries + 1}
    queued = 0
    for some in _parts(rows):
        meeting = insert_into(connection, tb_inbox).on_conflict_do_update(
            index_elements=["id"], set_=anew, where=tb_inbox.c.settled_at.is_not(None)
        )
        queued += len((await connection.execute(meeting.returning(tb_inbox.c.id), some)).all())
    return queued


async def claim(connection: AsyncConnection, source: Source, batch: str, size: int) -> list[str]:
    """Return the ids of the objects of the batch, each once: claimed now, the oldest first, or claimed before."""
    claimed = await claimed_ids(connection, batch)
    if not claimed:
        oldest = _waiting(source).order_by(tb_inbox.c.received_at, tb_inbox.c.id).limit(size)
        taking = update(tb_inbox).where(tb_inbox.c.id.in_(oldest.with_for_update(skip_locked=True)))
        await connection.execute(taking.values(batch=batch))
        claimed = await claimed_ids(connection, batch)
    return claimed


async def claimed_ids(connection: AsyncConnection, batch: str) -> list[str]:
    """Return the ids of the objects of the batch, each once, the oldest first."""
    first = func.min(tb_inbox.c.received_at)
    asked = select(tb_inbox.c.external_id).where(tb_inbox.c.batch == batch).group_by(tb_inbox.c.external_id)
    return list((await connection.execute(asked.order_by(first, tb_inbox.c.external_id))).scalars())


async def settle(connection: AsyncConnection, store: Store, batch: str) -> None:
    """Record that the batch is worked off. What has news since has rows of its own."""
    await connection.execute(update(tb_inbox).where(tb_inbox.c.batch == batch).values(settled_at=store.now()))


async def release(connection: AsyncConnection, source: Source, *, but: str) -> int:
    """Return how many rows are free again whose batch nobody will work off: all that do not begin with `but`."""
    left = update(tb_inbox).where(
        tb_inbox.c.connection == source.connection,
        tb_inbox.c.object_type == source.object_type,
        tb_inbox.c.batch.is_not(None),
        tb_inbox.c.settled_at.is_(None),
        ~tb_inbox.c.batch.startswith(but, autoescape=True),
    )
    return (await connection.execute(left.values(batch=None))).rowcount


async def waits(connection: AsyncConnection, source: Source) -> bool:
    """Tell whether anything waits."""
    return bool((await connection.execute(select(exists(_waiting(source))))).scalar_one())


async def unsettled(connection: AsyncConnection, source: Source, *wanted: ColumnElement[bool]) -> int:
    """Return how many objects wait, or are being worked off, of those for which all conditions on `tb_inbox` hold."""
    asked = select(func.count(tb_inbox.c.external_id.distinct())).where(
        tb_inbox.c.connection == source.connection,
        tb_inbox.c.object_type == source.object_type,
        tb_inbox.c.settled_at.is_(None),
        *wanted,
    )
    return int((await connection.execute(asked)).scalar_one())


async def waiting_ids(connection: AsyncConnection, source: Source, external_ids: Collection[str]) -> set[str]:
    """Return those of the objects that wait, or are being worked off."""
    found: set[str] = set()
    for some in _parts(sorted(set(external_ids))):
        asked = select(tb_inbox.c.external_id).where(
            tb_inbox.c.connection == source.connection,
            tb_inbox.c.object_type == source.object_type,
            tb_inbox.c.external_id.in_(some),
            tb_inbox.c.settled_at.is_(None),
        )
        found.update((await connection.execute(asked)).scalars())
    return found


async def prune(connection: AsyncConnection, store: Store, older_than: timedelta) -> None:
    """Forget what was worked off so long ago that nobody will tell of it again."""
    await connection.execute(delete(tb_inbox).where(tb_inbox.c.settled_at < store.now() - older_than))


async def read_watermark(connection: AsyncConnection, source: Source) -> datetime | None:
    """Return how far changes have been read; None where none ever were."""
    mark = tb_watermark.c
    asked = select(mark.moment).where(mark.connection == source.connection, mark.object_type == source.object_type)
    moment: datetime | None = (await connection.execute(asked)).scalar_one_or_none()
    return moment


async def move_watermark(connection: AsyncConnection, store: Store, source: Source, moment: datetime) -> None:
    """Record how far changes have been read. It never goes back."""
    values = {"moment": moment, "updated_at": store.now()}
    first = insert_into(connection, tb_watermark).values(
        connection=source.connection, object_type=source.object_type, **values
    )
    later = tb_watermark.c.moment < moment
    place = ["connection", "object_type"]
    await connection.execute(first.on_conflict_do_update(index_elements=place, set_=values, where=later))


def _waiting(source: Source) -> Select[Any]:
    return select(tb_inbox.c.id).where(
        tb_inbox.c.connection == source.connection,
        tb_inbox.c.object_type == source.object_type,
        tb_inbox.c.batch.is_(None),
    )


def _row(now: datetime, source: Source, change: Change) -> dict[str, object]:
    return {
        "id": _id(source, change),
        "connection": source.connection,
        "object_type": source.object_type,
        "external_id": change.external_id,
        "within": change.within,
        "day": change.day,
        "batch": None,
        "tries": 1,
        "received_at": now,
        "settled_at": None,
    }


def _id(source: Source, change: Change) -> str:
    parts = (source.connection, source.object_type, change.external_id, change.version)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _parts(rows: Sequence[T]) -> Iterable[Sequence[T]]:
    return (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))
