"""Who did what, and who was refused: one row each, only ever added, each bound to the one before by its hash.

A process writes a chain of its own, so that processes need not wait for each other; `gateway.store.audit_seals` seals
all chains together. A row holds no body, no query and no token.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import msgspec
from msgspec import Struct
from sqlalchemy import Column, Index, Integer, String, Table, UniqueConstraint, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Unavailable
from gateway.store.database import Store, metadata
from gateway.store.instant import Instant
from gateway.telemetry.metrics import series
from openapi.common.types import Code

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
    Column("address", String(50)),
    UniqueConstraint("writer", "sequence", name="uq_tb_audit_writer_sequence"),
    Index("ix_tb_audit_at", "at"),
    Index("ix_tb_audit_client_id_at", "client_id", "at"),
)
GENESIS: Final = "0" * 64
"""What the first row of a chain is bound to."""
KEPT: Final = 10_000
"""How many rows wait in memory while the database is away; what comes beyond stands in the log alone."""
REST: Final = timedelta(seconds=1)
"""How long nobody waits for a database that was away."""
UNWRITTEN: Final = "This is in no audit row yet."


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
    address: str | None = None
    """Where a stranger's call came from: the network address that its tries are charged to."""


LATER: Final = "address"
"""What rows did not have at first: it stands last, and one that has it not is hashed as it was then."""
ORDER: Final = (
    *(name for name in Entry.__struct_fields__ if name != LATER),
    *("at", "writer", "sequence", "prev_hash", LATER),
)
"""What a row's hash is made of, in this order for ever."""
LENGTHS: Final = {name: column.type.length or 0 for name, column in TABLE.c.items() if isinstance(column.type, String)}


class Auditor:
    """The chain of this process. Rows that come together are written together, in one transaction.

    What cannot be written is logged, kept, and tried again with the next row; no write is begun until it is written.
    """

    def __init__(self, store: Store) -> None:
        self.reads: Counter[str] = Counter()
        """Answered reads by operation: they are counted, not written."""
        self._store = store
        self._begin_chain()
        self._waiting: list[dict[str, Any]] = []
        self._next: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._again_at: datetime | None = None
        """When the database is tried again; None where the last rows were written."""

    def count_read(self, operation: str) -> None:
        """Count a read."""
        self.reads[operation] += 1

    def figures(self) -> Mapping[str, int]:
        """Return what there is to watch, by the names of metrics."""
        reads = {series("tiebeam_reads_total", operation=place): count for place, count in self.reads.items()}
        away = {"tiebeam_audit_unwritable": int(self._again_at is not None)}
        return reads | away | {"tiebeam_audit_rows_waiting": len(self._waiting)}

    async def ready(self) -> None:
        """Return where the next row can be written, as far as anybody knows; else raise Unavailable.

        To be asked before a write is begun: one that nobody could write down afterwards is not carried out.
        """
        if self._again_at and not self._rests:
            await self._written()
        if self._again_at:
            detail = "What is done here has to be written down, and just now it cannot be. Nothing was done."
            raise Unavailable(Code.audit_unavailable, detail, retry_after_s=2)

    async def record(self, entry: Entry) -> None:
        """Return when the row is there, or is kept until it can be written: what happened, has happened."""
        row = _row(entry) | {"at": self._store.now()}
        if len(self._waiting) >= KEPT:
            log.error("More rows wait than are kept: this one will not be in the audit.", extra={"audit": row})
            return
        self._waiting.append(row)
        if self._again_at:
            log.error(UNWRITTEN, extra={"audit": row})
        if not self._rests:
            await self._written()

    @property
    def _rests(self) -> bool:
        return self._again_at is not None and self._store.now() < self._again_at

    async def _written(self) -> None:
        """Return once what waits was tried; by a task of its own, so that a caller who hangs up takes no rows along."""
        if self._next is None:
            self._next = asyncio.create_task(self._write_waiting(), name="audit")
        await asyncio.shield(self._next)

    async def _write_waiting(self) -> None:
        async with self._turn:
            self._next = None
            if self._rests:  # Those before us have just found out.
                return
            batch, self._waiting = self._waiting, []
            try:
                await self._write(batch)
            except Exception:  # Whatever it was: the rows are kept, and the answers given.
                log.exception("Audit rows could not be written: %d wait.", len(batch) + len(self._waiting))
                self._keep(batch)
            else:
                self._again_at = None

    async def _write(self, batch: list[dict[str, Any]]) -> None:
        async with self._store.begin() as connection:
            if self._again_at:
                batch = await _missing(connection, batch)
            rows = self._bound(batch)
            if rows:
                await connection.execute(insert(TABLE), rows)
        if rows:
            self._sequence, self._hash = rows[-1]["sequence"], rows[-1]["hash"]

    def _bound(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows with their places in the chain."""
        last, rows = self._hash, []
        for sequence, row in enumerate(batch, self._sequence + 1):
            placed = row | {"writer": self._writer, "sequence": sequence, "prev_hash": last}
            last = hash_of(placed[name] for name in ORDER)
            rows.append(placed | {"hash": last})
        return rows

    def _keep(self, batch: list[dict[str, Any]]) -> None:
        self._waiting = batch + self._waiting
        if self._again_at is None:  # Those that came since it was away are in the log.
            for row in self._waiting:
                log.error(UNWRITTEN, extra={"audit": row})
        self._again_at = self._store.now() + REST
        self._begin_chain()

    def _begin_chain(self) -> None:
        """Begin anew: of a transaction that broke off nobody knows whether its rows are there."""
        self._writer, self._sequence, self._hash = uuid4().hex, 0, GENESIS


def hash_of(content: Iterable[object]) -> str:
    """Return what binds a row to everything in it and to the row before; `content` is in ORDER."""
    *first, later = content
    bound = first if later is None else [*first, later]
    return hashlib.sha256(msgspec.json.encode(bound)).hexdigest()


def _row(entry: Entry) -> dict[str, Any]:
    """Return the entry, each text such that both databases take it: one that is refused would hold up all others."""
    values = msgspec.structs.asdict(entry)
    return {name: _taken(value, LENGTHS[name]) if isinstance(value, str) else value for name, value in values.items()}


def _taken(value: str, length: int) -> str:
    return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")[:length]


async def _missing(connection: AsyncConnection, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of the rows that are not there: the transaction that broke off may have been committed."""
    once = {row["id"]: row for row in batch}
    there = set((await connection.execute(select(TABLE.c.id).where(TABLE.c.id.in_(once)))).scalars())
    return [row for one, row in once.items() if one not in there]
