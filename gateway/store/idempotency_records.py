"""Which idempotency key is taken by which call, and the answer that is kept for its repetitions."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Column, Index, Integer, LargeBinary, RowMapping, String, Table, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant

TABLE: Final = Table(
    "tb_idempotency_record",
    metadata,
    Column("issuer", String(500), primary_key=True),
    Column("client_id", String(200), primary_key=True),
    Column("operation", String(200), primary_key=True),
    Column("idempotency_key", String(128), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("holder", String(32)),  # The call in flight; null once it has ended.
    Column("leased_until", Instant()),
    Column("status", Integer),  # Of the kept answer; null while there is none.
    Column("headers", LargeBinary),
    Column("body", LargeBinary),
    Column("expires_at", Instant(), nullable=False),
    Index("ix_tb_idempotency_record_expires_at", "expires_at"),
)


class RecordKey(Struct, frozen=True, kw_only=True):
    """Whose key it is, and for what: two clients, or two operations, may use the same text."""

    issuer: str
    """Who vouches for the client: another issuer's of that name is another client."""
    client_id: str
    operation: str
    idempotency_key: str


class Kept(Struct, frozen=True, kw_only=True):
    """An answer as it was first given."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Record(Struct, frozen=True, kw_only=True):
    """What is known of a key that somebody used before."""

    fingerprint: str
    kept: Kept | None
    """None while the call is in flight."""


class IdempotencyRecords:
    """The table. Each method is one transaction; the database's row decides between calls that race."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def take(
        self, key: RecordKey, fingerprint: str, holder: str, *, lease_s: float, keep_s: float
    ) -> Record | None:
        """Return None where the key is ours now: new, expired, or left behind by an equal call; else its record."""
        now = self._store.now()
        lease: dict[str, Any] = {"holder": holder, "leased_until": now + timedelta(seconds=lease_s)}
        fresh: dict[str, Any] = {"fingerprint": fingerprint, "status": None, "headers": None, "body": None}
        fresh |= {"expires_at": now + timedelta(seconds=keep_s)}
        async with self._store.begin() as connection:
            if await _insert(connection, key, lease | fresh):
                await connection.execute(
                    delete(TABLE).where(TABLE.c.expires_at <= now)
                )  # Mostly none: a look at an index.
                return None
            left = (TABLE.c.status.is_(None)) & (TABLE.c.fingerprint == fingerprint)
            left &= or_(TABLE.c.leased_until.is_(None), TABLE.c.leased_until <= now)
            ours = or_(TABLE.c.expires_at <= now, left)
            taken = await connection.execute(update(TABLE).where(_is(key), ours).values(**lease, **fresh))
            if taken.rowcount:
                return None
            row = (await connection.execute(select(TABLE).where(_is(key)))).mappings().one_or_none()
        return _record(row) if row else await self.take(key, fingerprint, holder, lease_s=lease_s, keep_s=keep_s)

    async def renew(self, key: RecordKey, holder: str, *, lease_s: float) -> None:
        """Keep the key for the call in flight."""
        await self._change(key, holder, {"leased_until": self._store.now() + timedelta(seconds=lease_s)})

    async def keep(self, key: RecordKey, holder: str, kept: Kept) -> None:
        """Keep the answer; of no effect where the lease was lost and another call took over."""
        answer = {"status": kept.status, "headers": msgspec.json.encode(kept.headers), "body": kept.body}
        await self._change(key, holder, {"holder": None, "leased_until": None, **answer})

    async def leave(self, key: RecordKey, holder: str) -> None:
        """End the call without an answer to keep: the same request may try again at once, another one may not."""
        await self._change(key, holder, {"holder": None, "leased_until": None})

    async def release(self, key: RecordKey, holder: str) -> None:
        """Forget the key: nothing happened under it."""
        async with self._store.begin() as connection:
            await connection.execute(delete(TABLE).where(_is(key), TABLE.c.holder == holder))

    async def _change(self, key: RecordKey, holder: str, values: Mapping[str, Any]) -> None:
        async with self._store.begin() as connection:
            await connection.execute(update(TABLE).where(_is(key), TABLE.c.holder == holder).values(**values))


async def _insert(connection: AsyncConnection, key: RecordKey, values: Mapping[str, Any]) -> bool:
    """Tell whether the row is new."""
    statement = insert_into(connection, TABLE).values(**msgspec.structs.asdict(key), **values)
    inserted = await connection.execute(statement.on_conflict_do_nothing().returning(TABLE.c.operation))
    return inserted.one_or_none() is not None  # The number of rows is not known of every driver's INSERT.


def _is(key: RecordKey) -> ColumnElement[bool]:
    return (
        (TABLE.c.issuer == key.issuer)
        & (TABLE.c.client_id == key.client_id)
        & (TABLE.c.operation == key.operation)
        & (TABLE.c.idempotency_key == key.idempotency_key)
    )


def _record(row: RowMapping) -> Record:
    kept = None
    if row["status"] is not None:
        headers = msgspec.json.decode(row["headers"], type=tuple[tuple[str, str], ...])
        kept = Kept(status=row["status"], headers=headers, body=row["body"])
    return Record(fingerprint=row["fingerprint"], kept=kept)
