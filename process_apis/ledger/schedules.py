"""Billing schedules: which part of a contract's line is billed when. The gateway's copy is the record."""

from datetime import date
from decimal import Decimal
from typing import Final

from msgspec import Struct
from sqlalchemy import Column, Date, ForeignKey, Integer, String, Table, select, update

from gateway.store.database import Store, metadata
from process_apis.ledger.money import total
from process_apis.ledger.rows import replace_rows

PLANNED: Final = "planned"
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
)


class ScheduleLine(Struct, frozen=True, kw_only=True):
    """A part of a line's value, and when it is billed."""

    line_number: int
    place: int
    due_on: date
    amount: str
    milestone: str | None


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
