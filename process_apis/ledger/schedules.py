"""Billing schedules: which part of a contract's line is billed when. The gateway's copy is the record."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Self

from msgspec import Struct
from sqlalchemy import Column, Date, ForeignKey, Integer, Row, String, Table, Text, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.database import Store, metadata
from gateway.store.instant import Instant
from process_apis.ledger.facts import Billing, Kind, tb_fact
from process_apis.ledger.money import total
from process_apis.ledger.rows import replace_rows

PLANNED: Final = "planned"
READY: Final = "ready"
"""Its fee is a fact, and waits for an invoice, or is on a request."""
INVOICED: Final = "invoiced"
CANCELLED: Final = "cancelled"

tb_schedule_line = Table(
    "tb_schedule_line",
    metadata,
    Column("contract_id", String(40), ForeignKey("tb_contract.id"), primary_key=True),
    Column("line_number", Integer, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("due_on", Date, nullable=False),
    Column("amount", String(24), nullable=False),
    Column("milestone", String(200)),
    Column("state", String(20), nullable=False),
    Column("achieved_on", Date),
    Column("evidence", Text),
    Column("approved_by", String(200)),
    Column("approved_at", Instant()),
)


class ScheduleLine(Struct, frozen=True, kw_only=True):
    """A part of a line's value, and when it is billed."""

    line_number: int
    place: int
    due_on: date
    amount: str
    milestone: str | None


class SchedulePart(ScheduleLine, frozen=True, kw_only=True):
    """A part as it stands here."""

    contract_id: str
    state: str
    achieved_on: date | None
    evidence: str | None
    approved_by: str | None
    approved_at: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the part that a row holds."""
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})

    @property
    def id(self) -> str:
        """Return how the milestone is named everywhere, also as the scope of a hold."""
        return f"{self.contract_id}-{self.line_number}-{self.place}"


async def find_parts(
    connection: AsyncConnection, *wanted: ColumnElement[bool], limit: int | None = None
) -> list[SchedulePart]:
    """Return the parts for which all conditions on `tb_schedule_line` hold, the earliest first."""
    columns = tb_schedule_line.c
    order = (columns.due_on, columns.contract_id, columns.line_number, columns.place)
    rows = await connection.execute(select(tb_schedule_line).where(*wanted).order_by(*order).limit(limit))
    return [SchedulePart.of(row) for row in rows]


async def move_part(connection: AsyncConnection, part: SchedulePart, state: str, **said: object) -> bool:
    """Tell whether the part was moved on from the state in which it was read, with what was said of it."""
    columns = tb_schedule_line.c
    moving = update(tb_schedule_line).where(
        columns.contract_id == part.contract_id,
        columns.line_number == part.line_number,
        columns.place == part.place,
        columns.state == part.state,
    )
    return (await connection.execute(moving.values(state=state, **said))).rowcount == 1


async def mark_invoiced(connection: AsyncConnection, contract_id: str, part_ids: Sequence[str]) -> None:
    """Record that those parts of the contract are invoiced: each once everybody who pays for it is."""
    mine = tb_schedule_line.c.contract_id == contract_id
    # Locked first: of two payers whose invoices are recorded at once, the second one sees the first.
    await connection.execute(select(tb_schedule_line.c.place).where(mine).with_for_update())
    facts = tb_fact.c
    is_open = facts.billing.not_in([Billing.billed.value, Billing.reversed.value])
    waiting = select(facts.source_id).where(facts.source_id.in_(part_ids), facts.kind == Kind.fee.value, is_open)
    done = set(part_ids) - set((await connection.execute(waiting)).scalars())
    for part in await find_parts(connection, mine):
        if part.id in done:
            await move_part(connection, part, INVOICED)


async def record_schedule(store: Store, contract_id: str, parts: list[ScheduleLine]) -> int:
    """Return how many parts are planned, recorded in place of what was there before."""
    rows = [
        {name: getattr(part, name) for name in ScheduleLine.__struct_fields__} | {"state": PLANNED} for part in parts
    ]
    async with store.begin() as connection:
        await replace_rows(connection, tb_schedule_line, {"contract_id": contract_id}, iter(rows))
    return len(rows)


def total_of(parts: list[ScheduleLine]) -> Decimal:
    """Return what the parts sum to."""
    return total(Decimal(part.amount) for part in parts)


async def scheduled_total(store: Store, contract_id: str) -> Decimal:
    """Return the sum of what is planned, as the database has it."""
    amounts = select(tb_schedule_line.c.amount).where(
        tb_schedule_line.c.contract_id == contract_id, tb_schedule_line.c.state == PLANNED
    )
    async with store.begin() as connection:
        return total(Decimal(amount) for amount in (await connection.execute(amounts)).scalars())


async def cancel_schedule(store: Store, contract_id: str) -> None:
    """Record that nothing of the schedule will be billed."""
    cancelling = update(tb_schedule_line).where(tb_schedule_line.c.contract_id == contract_id)
    async with store.begin() as connection:
        await connection.execute(cancelling.values(state=CANCELLED))
