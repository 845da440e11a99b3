"""What was decided about a parked or running process: by whom, when, with which corrections. Only ever added."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from msgspec import Struct, json
from sqlalchemy import Column, ForeignKey, Index, Integer, Row, String, Table, Text, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.instant import Instant
from gateway.store.processes import Process

tb_decision = Table(
    "tb_decision",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("process_id", String(40), ForeignKey("tb_process_instance.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("step", String(120)),
    Column("corrections", Text, nullable=False),
    Column("decided_by", String(200), nullable=False),
    Column("correlation_id", String(128)),
    Column("decided_at", Instant(), nullable=False),
    Index("ix_tb_decision_process_id", "process_id", "attempt"),
)


class DecisionKind(StrEnum):
    """What was decided."""

    resume = "resume"
    cancel = "cancel"


class Decision(Struct, frozen=True, kw_only=True):
    """One decision."""

    id: str
    process_id: str
    attempt: int
    kind: DecisionKind
    step: str | None
    """Where the process was when it was decided."""
    corrections: str
    """As JSON."""
    decided_by: str
    correlation_id: str | None
    decided_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the decision that a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        return cls(**(values | {"kind": DecisionKind(row.kind)}))


class Verdict(Struct, frozen=True, kw_only=True):
    """A decision before it is written down."""

    kind: DecisionKind
    decided_by: str
    correlation_id: str | None = None
    corrections: Mapping[str, Any] = {}


async def append(connection: AsyncConnection, store: Store, process: Process, verdict: Verdict) -> None:
    """Write the decision down."""
    now = store.now()
    row = {
        "id": new_id("dec", now),
        "process_id": process.id,
        "attempt": process.attempt,
        "kind": verdict.kind.value,
        "step": process.current_step,
        "corrections": json.encode(verdict.corrections).decode(),
        "decided_by": verdict.decided_by,
        "correlation_id": verdict.correlation_id,
        "decided_at": now,
    }
    await connection.execute(insert(tb_decision).values(row))


async def list_all(connection: AsyncConnection, process: Process) -> list[Decision]:
    """Return what was decided about the present attempt, the oldest first."""
    asked = (
        select(tb_decision)
        .where(tb_decision.c.process_id == process.id, tb_decision.c.attempt == process.attempt)
        .order_by(tb_decision.c.id)
    )
    return [Decision.of(row) for row in await connection.execute(asked)]


async def merged(connection: AsyncConnection, process: Process) -> dict[str, Any]:
    """Return all corrections together: what was decided later counts, what it leaves out stays as decided before."""
    together: dict[str, Any] = {}
    for decision in await list_all(connection, process):
        together |= json.decode(decision.corrections)
    return together
