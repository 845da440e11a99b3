"""Contracts, their lines and funding splits: the gateway's copy is the record. Schedules lie beside them.

Amounts stand as exact decimal text, in the contract's currency.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Integer,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant
from openapi.decimals import text_of
from process_apis.ledger.money import PLACES, split, total
from process_apis.ledger.rows import replace_rows

SIGNED: Final = "signed"
ACTIVE: Final = "active"
CANCELLED: Final = "cancelled"

tb_contract = Table(
    "tb_contract",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("business_key", String(64), nullable=False),
    Column("number", String(200), nullable=False),
    Column("title", String(200), nullable=False),
    Column("legal_entity", String(20), nullable=False),
    Column("customer", String(40), ForeignKey("tb_customer.id"), nullable=False),
    Column("project", String(40), ForeignKey("tb_project.id"), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("state", String(20), nullable=False),
    Column("contract_version", Integer, nullable=False),
    Column("sow_version", Integer, nullable=False),
    Column("signed_at", Instant(), nullable=False),
    Column("document_sha256", String(64), nullable=False),
    Column("payment_terms", String(40), nullable=False),
    Column("po_number", String(200)),
    Column("po_limit", String(24)),
    Column("po_valid_to", Date),
    Column("created_at", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
    UniqueConstraint("business_key", name="uq_tb_contract_business_key"),
)
tb_contract_line = Table(
    "tb_contract_line",
    metadata,
    Column("contract_id", String(40), ForeignKey("tb_contract.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("description", String(200), nullable=False),
    Column("billing_method", String(30), nullable=False),
    Column("value", String(24)),
    Column("cap", String(24)),
    Column("rates", Text, nullable=False),
    Column("tax_category", String(40), nullable=False),
    Column("item", String(40), nullable=False),
)
tb_funding_split = Table(
    "tb_funding_split",
    metadata,
    Column("contract_id", String(40), ForeignKey("tb_contract.id"), primary_key=True),
    Column("account", String(200), primary_key=True),
    Column("percent", String(10), nullable=False),
    Column("amount", String(24), nullable=False),
)


class Rate(Struct, frozen=True, kw_only=True):
    """The price of one unit."""

    role: str
    unit: str
    rate: str


class ContractLine(Struct, frozen=True, kw_only=True):
    """What is sold, and how it is billed."""

    number: int
    description: str
    billing_method: str
    value: str | None
    cap: str | None
    rates: list[Rate]
    tax_category: str
    item: str


class FundingSplit(Struct, frozen=True, kw_only=True):
    """Who pays which part, by the CRM's account."""

    account: str
    percent: str


class Contract(Struct, frozen=True, kw_only=True):
    """A signed contract."""

    business_key: str
    number: str
    title: str
    legal_entity: str
    customer: str
    project: str
    currency: str
    sow_version: int
    signed_at: datetime
    document_sha256: str
    payment_terms: str
    po_number: str | None
    po_limit: str | None
    po_valid_to: date | None
    lines: list[ContractLine]
    splits: list[FundingSplit]


async def record_contract(store: Store, contract: Contract) -> str:
    """Return the id of the contract, recorded as signed, its lines and splits in place of what was there before."""
    now = store.now()
    parts = ("lines", "splits")
    values = {name: getattr(contract, name) for name in Contract.__struct_fields__ if name not in parts}
    values |= {"state": SIGNED, "contract_version": 1, "updated_at": now}
    async with store.begin() as connection:
        new = insert_into(connection, tb_contract).values(**values, id=new_id("con", now), created_at=now)
        meeting = new.on_conflict_do_update(index_elements=["business_key"], set_=values)
        contract_id = str((await connection.execute(meeting.returning(tb_contract.c.id))).scalar_one())
        await replace_rows(connection, tb_contract_line, {"contract_id": contract_id}, _lines(contract))
        await replace_rows(connection, tb_funding_split, {"contract_id": contract_id}, _splits(contract))
    return contract_id


class SignedContract(Contract, frozen=True, kw_only=True):
    """A contract as it stands here."""

    id: str
    state: str
    contract_version: int

    def line(self, number: int) -> ContractLine:
        """Return the line with the number; one that there is none of is a KeyError."""
        return {line.number: line for line in self.lines}[number]


async def find_contracts(connection: AsyncConnection, *wanted: ColumnElement[bool]) -> list[SignedContract]:
    """Return the contracts for which all conditions on `tb_contract` hold, with lines and splits, the oldest first."""
    rows = (await connection.execute(select(tb_contract).where(*wanted).order_by(tb_contract.c.id))).all()
    ids = [row.id for row in rows]
    lines, splits = await _parts(connection, tb_contract_line, ids), await _parts(connection, tb_funding_split, ids)
    names = [name for name in SignedContract.__struct_fields__ if name not in {"lines", "splits"}]
    return [
        SignedContract(
            **{name: getattr(row, name) for name in names},
            lines=[_line(part) for part in lines if part.contract_id == row.id],
            splits=[
                FundingSplit(account=part.account, percent=part.percent)
                for part in splits
                if part.contract_id == row.id
            ],
        )
        for row in rows
    ]


async def _parts(connection: AsyncConnection, table: Table, contracts: list[str]) -> Sequence[Row[Any]]:
    asked = select(table).where(table.c.contract_id.in_(contracts)).order_by(*table.primary_key.columns)
    return (await connection.execute(asked)).all()


def _line(row: Row[Any]) -> ContractLine:
    values = {name: getattr(row, name) for name in ContractLine.__struct_fields__}
    return ContractLine(**values | {"rates": msgspec.json.decode(row.rates, type=list[Rate])})


async def move_contract(store: Store, contract_id: str, state: str) -> None:
    """Record where the contract is."""
    moving = update(tb_contract).where(tb_contract.c.id == contract_id)
    async with store.begin() as connection:
        await connection.execute(moving.values(state=state, updated_at=store.now()))


def _lines(contract: Contract) -> Iterator[dict[str, Any]]:
    for line in contract.lines:
        row = {name: getattr(line, name) for name in ContractLine.__struct_fields__}
        yield row | {"rates": msgspec.json.encode(line.rates).decode()}


def _splits(contract: Contract) -> Iterator[dict[str, Any]]:
    """Yield each payer with its part of the fixed value; the parts sum to it, to the cent."""
    fixed = total(Decimal(line.value) for line in contract.lines if line.value)
    places = PLACES[contract.currency]
    amounts = split(fixed, [Decimal(one.percent) for one in contract.splits], places)
    for one, amount in zip(contract.splits, amounts, strict=True):
        yield {"account": one.account, "percent": one.percent, "amount": text_of(amount, places)}
