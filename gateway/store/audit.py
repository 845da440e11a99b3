"""Who did what, and who was refused: one row each, only ever added, each bound to the one before by its hash.

A process writes a chain of its own, so that processes need not wait for each other. A row holds no body, no query and
no token.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from datetime import datetime
from typing import Final
from uuid import uuid4

import msgspec
from msgspec import Struct
from sqlalchemy import Column, Index, Integer, String, Table, UniqueConstraint, insert, select
from sqlalchemy.exc import SQLAlchemyError

from gateway.store.database import Store, metadata
from gateway.store.instant import Instant

log = logging.getLogger(__name__)

TABLE: Final = Table(
    "tb_audit",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", Instant(), nullable=False),
    Column("client_id", String(200)),
    Column("actor", String(200)),
    Column("operation", String(200), nullable=False),
    Column("method", String(20), nullable=False),
    Column("path", String(8192), nullable=False),
    Column("status", Integer, nullable=False),
    Column("code", String(80)),
    Column("outcome", String(10), nullable=False),
    Column("correlation_id", String(128), nullable=False),
    Column("writer", String(32), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("writer", "sequence", name="uq_tb_audit_writer_sequence"),
    Index("ix_tb_audit_at", "at"),
)
GENESIS: Final = "0" * 64
"""What the first row of a chain is bound to."""


class Entry(Struct, frozen=True, kw_only=True):
    """What is written down. `id` is the decision's, as a refusal's `instance` names it."""

    id: str
    client_id: str | None
    actor: str | None
    operation: str
    method: str
    path: str
    status: int
    code: str | None
    outcome: str
    correlation_id: str


class Auditor:
    """The chain of this process. Rows that come together are written together, in one transaction."""

    def __init__(self, store: Store) -> None:
        self.reads: Counter[str] = Counter()
        """Answered reads by operation: they are counted, not written."""
        self._store, self._writer = store, uuid4().hex
        self._sequence, self._hash = 0, GENESIS
        self._waiting: list[Entry] = []
        self._turn = asyncio.Lock()

    def count_read(self, operation: str) -> None:
        """Count a read."""
        self.reads[operation] += 1

    async def record(self, entry: Entry) -> None:
        """Return when the row is there. Where it cannot be written that is logged: what happened, has happened."""
        self._waiting.append(entry)
        async with self._turn:
            batch, self._waiting = self._waiting, []
            if batch:
                await self._write(batch)

    async def _write(self, batch: list[Entry]) -> None:
        at, last = self._store.now(), self._hash
        rows = []
        for sequence, entry in enumerate(batch, self._sequence + 1):
            row = msgspec.structs.asdict(entry) | {"at": at, "writer": self._writer, "sequence": sequence}
            row |= {"prev_hash": last, "hash": hash_of(entry, at, self._writer, sequence, last)}
            last = row["hash"]
            rows.append(row)
        try:
            async with self._store.begin() as connection:
                await connection.execute(insert(TABLE), rows)
        except SQLAlchemyError:
            log.exception("Audit rows could not be written: %s", ", ".join(entry.id for entry in batch))
            return
        self._sequence, self._hash = self._sequence + len(batch), last


def hash_of(entry: Entry, at: datetime, writer: str, sequence: int, prev_hash: str) -> str:
    """Return what binds a row to everything in it and to the row before."""
    content = [*msgspec.structs.astuple(entry), at, writer, sequence, prev_hash]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


async def broken_rows(store: Store) -> list[str]:
    """Return the ids of the rows that are not as they were written, or do not follow on the one before."""
    async with store.begin() as connection:
        rows = (await connection.execute(select(TABLE).order_by(TABLE.c.writer, TABLE.c.sequence))).mappings().all()
    broken, writer, last, expected = [], "", GENESIS, 1
    for row in rows:
        if row["writer"] != writer:
            writer, last, expected = row["writer"], GENESIS, 1
        entry = Entry(**{name: row[name] for name in Entry.__struct_fields__})
        own = hash_of(entry, row["at"], writer, row["sequence"], row["prev_hash"])
        if own != row["hash"] or row["prev_hash"] != last or row["sequence"] != expected:
            broken.append(entry.id)
        last, expected = row["hash"], row["sequence"] + 1
    return broken
