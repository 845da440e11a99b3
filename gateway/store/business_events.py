"""What happened in the business, in the shape of CloudEvents 1.0: only ever added, each bound to the one before.

A process of the operating system writes a chain of its own. Append last in a transaction: the chain's head is locked
from then on until the transaction ends.
"""

import hashlib
from datetime import datetime
from typing import Any, Final, Self

import msgspec
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Column, Index, Integer, Row, String, Table, Text, UniqueConstraint, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import Caller
from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant
from gateway.store.pages import Listed, Window, page
from gateway.store.visible import matching
from gateway.trace import current_correlation_id

GENESIS: Final = "0" * 64
"""What the first event of a chain is bound to."""
SOURCE: Final = "/tiebeam"

tb_event_writer = Table(
    "tb_event_writer",
    metadata,
    Column("writer", String(32), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)
tb_business_event = Table(
    "tb_business_event",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("type", String(120), nullable=False),
    Column("source", String(200), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("time", Instant(), nullable=False),
    Column("recorded_at", Instant(), nullable=False),
    Column("correlation_id", String(128)),
    Column("causation_id", String(64)),
    Column("actor", String(200), nullable=False),
    Column("legal_entity", String(40)),
    Column("customer", String(40)),
    Column("project", String(40)),
    Column("data", Text, nullable=False),
    Column("writer", String(32), nullable=False),
    Column("writer_sequence", Integer, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("subject", "sequence", name="uq_tb_business_event_subject_sequence"),
    UniqueConstraint("writer", "writer_sequence", name="uq_tb_business_event_writer_sequence"),
    Index("ix_tb_business_event_type", "type"),
    Index("ix_tb_business_event_project", "project"),
)


class UndeclaredEvent(Exception):
    """Code tells of something that is no event type of the product."""


class NewEvent(Struct, frozen=True, kw_only=True):
    """What happened, to what. `type` is `tiebeam.<process>.<fact>.v1`, `subject` a canonical id."""

    type: str
    subject: str
    data: dict[str, Any]
    actor: str = "tiebeam"
    time: datetime | UnsetType = UNSET
    """When it happened; left out, now."""
    causation_id: str | None = None
    legal_entity: str | None = None
    customer: str | None = None
    project: str | None = None


class BusinessEvent(Struct, frozen=True, kw_only=True):
    """An event as it was written."""

    id: str
    type: str
    source: str
    subject: str
    sequence: int
    """Counts the events of the subject."""
    time: datetime
    recorded_at: datetime
    correlation_id: str | None
    causation_id: str | None
    actor: str
    legal_entity: str | None
    customer: str | None
    project: str | None
    data: str
    """As JSON."""
    writer: str
    writer_sequence: int
    prev_hash: str
    hash: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the event that a row holds."""
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


async def append(connection: AsyncConnection, store: Store, new: NewEvent) -> None:
    """Write the event down, in the caller's transaction: it is there if and only if what it tells of is.

    Raises UndeclaredEvent for a type that the store was not told of: nobody would answer for it.
    """
    if store.event_types is not None and new.type not in store.event_types:
        raise UndeclaredEvent(f"{new.type} is not among the event types. Declare it, and say who answers for it.")
    now = store.now()
    last = await _locked_head(connection, store.writer)
    counted = select(func.coalesce(func.max(tb_business_event.c.sequence), 0))
    sequence = (await connection.execute(counted.where(tb_business_event.c.subject == new.subject))).scalar_one()
    row = msgspec.structs.asdict(new) | {
        "id": new_id("evt", now),
        "source": SOURCE,
        "sequence": sequence + 1,
        "time": now if new.time is UNSET else new.time,
        "recorded_at": now,
        "correlation_id": current_correlation_id.get(),
        "data": msgspec.json.encode(new.data, order="deterministic").decode(),
        "writer": store.writer,
        "writer_sequence": last.sequence + 1,
        "prev_hash": last.hash,
    }
    row["hash"] = hash_of(row)
    await connection.execute(insert(tb_business_event).values(row))
    moving = update(tb_event_writer).where(tb_event_writer.c.writer == store.writer)
    await connection.execute(moving.values(sequence=last.sequence + 1, hash=row["hash"]))


async def _locked_head(connection: AsyncConnection, writer: str) -> Row[Any]:
    first = insert_into(connection, tb_event_writer).values(writer=writer, sequence=0, hash=GENESIS)
    await connection.execute(first.on_conflict_do_nothing())
    head = select(tb_event_writer).where(tb_event_writer.c.writer == writer).with_for_update()
    return (await connection.execute(head)).one()


def hash_of(row: dict[str, Any]) -> str:
    """Return what binds an event to everything in it and to the one before."""
    content = [row[name] for name in BusinessEvent.__struct_fields__ if name != "hash"]
    plain = [value.timestamp() if isinstance(value, datetime) else value for value in content]
    return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()


async def list_all(
    store: Store,
    caller: Caller,
    window: Window,
    *,
    subject: str | None = None,
    type: str | None = None,  # noqa: A002 - the name of the filter
) -> Listed[BusinessEvent]:
    """Return the events that the caller may see, the newest first."""
    wanted = matching(tb_business_event, subject=subject, type=type)
    async with store.begin() as connection:
        return await page(connection, tb_business_event, caller, wanted, window, BusinessEvent.of)


async def broken_events(store: Store) -> list[str]:
    """Return the ids of the events that are not as they were written, or do not follow on the one before."""
    columns = tb_business_event.c
    async with store.begin() as connection:
        rows = (
            await connection.execute(select(tb_business_event).order_by(columns.writer, columns.writer_sequence))
        ).all()
    broken, writer, last, expected = [], "", GENESIS, 1
    for row in rows:
        event = BusinessEvent.of(row)
        if event.writer != writer:
            writer, last, expected = event.writer, GENESIS, 1
        whole = event.hash == hash_of(msgspec.structs.asdict(event))
        if not whole or event.prev_hash != last or event.writer_sequence != expected:
            broken.append(event.id)
        last, expected = event.hash, event.writer_sequence + 1
    return broken
