"""The named steps of a process as people see them: how far, how often, in which system, why not."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Self, TypeVar

from msgspec import Struct, convert
from sqlalchemy import Column, ForeignKey, Integer, Row, String, Table, Text, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.caller import Caller
from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant
from gateway.store.processes import tb_process_instance
from gateway.store.visible import seen_by
from openapi.common.types import Code

T = TypeVar("T")

tb_process_step = Table(
    "tb_process_step",
    metadata,
    Column("process_id", String(40), ForeignKey("tb_process_instance.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("name", String(120), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("system", String(40)),
    Column("external_id", String(200)),
    Column("code", String(80)),
    Column("detail", Text),
    Column("value", Text),
    Column("started_at", Instant()),
    Column("ended_at", Instant()),
)


class StepState(StrEnum):
    """Where a step is. `refused`, `skipped` and `pending` promise that it has no effect in the other system."""

    pending = "pending"
    running = "running"
    done = "done"
    skipped = "skipped"
    refused = "refused"
    in_doubt = "in_doubt"
    undone = "undone"


class StepKey(Struct, frozen=True, kw_only=True):
    """Which step of which attempt; one process has one step of a name."""

    process_id: str
    attempt: int
    name: str


class ProcessStep(Struct, frozen=True, kw_only=True):
    """One step."""

    name: str
    position: int
    state: StepState
    tries: int
    system: str | None
    external_id: str | None
    code: Code | None
    detail: str | None
    value: str | None
    """What it returned, as JSON, until it is undone."""
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the step that a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        return cls(**(values | {"state": StepState(row.state), "code": Code(row.code) if row.code else None}))

    def shown_as(self, shape: type[T]) -> T:
        """Return as much of the step as a contract's type has fields for."""
        return convert(self, shape, from_attributes=True)


async def list_all(store: Store, caller: Caller, process_ids: Sequence[str]) -> dict[str, list[ProcessStep]]:
    """Return the steps of the newest attempt of each process that the caller may see, in their order."""
    asked = (
        select(tb_process_step)
        .join(tb_process_instance, tb_process_instance.c.id == tb_process_step.c.process_id)
        .where(
            tb_process_instance.c.id.in_(process_ids),
            tb_process_step.c.attempt == tb_process_instance.c.attempt,
            seen_by(caller, tb_process_instance),
        )
        .order_by(tb_process_step.c.position)
    )
    found: dict[str, list[ProcessStep]] = {process_id: [] for process_id in process_ids}
    async with store.begin() as connection:
        for row in await connection.execute(asked):
            found[row.process_id].append(ProcessStep.of(row))
    return found


async def system_of(connection: AsyncConnection, process_id: str, name: str) -> str | None:
    """Return the system that the step of a process asks, or None where it asks none, or has not been begun."""
    columns = tb_process_step.c
    asked = select(columns.system).where(columns.process_id == process_id, columns.name == name)
    newest = asked.order_by(columns.attempt.desc()).limit(1)
    return (await connection.execute(newest)).scalar_one_or_none()


async def get(connection: AsyncConnection, key: StepKey) -> ProcessStep:
    """Return the step, which has a row."""
    return ProcessStep.of((await connection.execute(select(tb_process_step).where(_of(key)))).one())


async def any_in_doubt(connection: AsyncConnection, process_id: str, attempt: int) -> bool:
    """Tell whether a step of the attempt was left without anybody knowing what came of it."""
    columns = tb_process_step.c
    mine = (columns.process_id == process_id, columns.attempt == attempt)
    asked = select(columns.name).where(*mine, columns.state == StepState.in_doubt.value).limit(1)
    return (await connection.execute(asked)).first() is not None


async def put(connection: AsyncConnection, key: StepKey, position: int, system: str | None = None) -> None:
    """Make sure that the step has a row."""
    statement = insert_into(connection, tb_process_step).values(
        process_id=key.process_id,
        attempt=key.attempt,
        name=key.name,
        position=position,
        system=system,
        state=StepState.pending.value,
        tries=0,
    )
    await connection.execute(statement.on_conflict_do_nothing())


async def change(connection: AsyncConnection, key: StepKey, **values: object) -> None:
    """Change the step's row."""
    await connection.execute(update(tb_process_step).where(_of(key)).values(**values))


def _of(key: StepKey) -> ColumnElement[bool]:
    columns = tb_process_step.c
    return and_(columns.process_id == key.process_id, columns.attempt == key.attempt, columns.name == key.name)
