"""What another system said last of an object, and when: what a status shows while that system is away."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Struct, json
from sqlalchemy import Column, String, Table, Text, select

from gateway.errors import Unavailable
from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant

T = TypeVar("T")

tb_observation = Table(
    "tb_observation",
    metadata,
    Column("connection", String(40), primary_key=True),
    Column("object_type", String(40), primary_key=True),
    Column("external_id", String(200), primary_key=True),
    Column("document", Text, nullable=False),
    Column("as_of", Instant(), nullable=False),
)


class Subject(Struct, frozen=True, kw_only=True):
    """Which object of which connection. An external id means something in its connection only."""

    connection: str
    object_type: str
    external_id: str


class Observed(Struct, Generic[T], frozen=True, kw_only=True):
    """What was said of an object; stale where the system could not be asked just now."""

    value: T
    as_of: datetime
    stale: bool = False


async def observe(
    store: Store,
    subject: Subject,
    into: type[T],
    fetch: Callable[[], Awaitable[T]],
    *,
    max_age_s: float = 0.0,
) -> Observed[T]:
    """Return what the system says of the object, or said at most `max_age_s` ago; while it is away, what it said last.

    Raises Unavailable where it is away and was never asked; what else `fetch` raises goes through. Rows are not
    somebody's: ask for what the caller may see only.
    """
    known = await last(store, subject, into)
    if known and (store.now() - known.as_of).total_seconds() <= max_age_s:
        return known
    try:
        value = await fetch()
    except Unavailable:
        if known is None:
            raise
        return Observed(value=known.value, as_of=known.as_of, stale=True)
    return await keep(store, subject, value)


async def keep(store: Store, subject: Subject, value: T) -> Observed[T]:
    """Write down what was said just now."""
    now = store.now()
    said = {"document": json.encode(value).decode(), "as_of": now}
    async with store.begin() as connection:
        keeping = insert_into(connection, tb_observation).values(
            connection=subject.connection,
            object_type=subject.object_type,
            external_id=subject.external_id,
            **said,
        )
        key = ("connection", "object_type", "external_id")
        await connection.execute(keeping.on_conflict_do_update(index_elements=key, set_=said))
    return Observed(value=value, as_of=now)


async def last(store: Store, subject: Subject, into: type[T]) -> Observed[T] | None:
    """Return what was said last, or None."""
    columns = tb_observation.c
    asked = select(tb_observation).where(
        columns.connection == subject.connection,
        columns.object_type == subject.object_type,
        columns.external_id == subject.external_id,
    )
    async with store.begin() as connection:
        row = (await connection.execute(asked)).one_or_none()
    return Observed(value=json.decode(row.document, type=into), as_of=row.as_of) if row else None
