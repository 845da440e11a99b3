"""Facts: what delivered work cost and what it brings. Written once; a change is a reversal and a new fact.

The words of a fact never change: no function here updates an amount. What does change is where it stands, on three
axes: approval is its time entry's, `posting` tells of the ERP's books, `billing` of invoices. Whether a fact is held is
no state of its own: it follows from the holds that are in force.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct, structs
from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.instant import Instant
from openapi.common.types import Code
from process_apis.ledger.keys import LONGEST, business_key

tb_fact = Table(
    "tb_fact",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("business_key", String(64), nullable=False),
    Column("kind", String(30), nullable=False),
    Column("source_type", String(20), nullable=False),
    Column("source_instance", String(40), nullable=False),
    Column("source_id", String(200), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("pair_id", String(64), nullable=False),
    Column("adjustment", String(20), nullable=False),
    Column("reverses", String(40), ForeignKey("tb_fact.id")),
    Column("legal_entity", String(20), nullable=False),
    Column("customer", String(40), nullable=False),
    Column("project", String(40), nullable=False),
    Column("erp", String(40), nullable=False),
    Column("erp_project_id", String(200), nullable=False),
    Column("contract", String(40), ForeignKey("tb_contract.id"), nullable=False),
    Column("contract_version", Integer, nullable=False),
    Column("contract_line", Integer, nullable=False),
    Column("split_percent", String(10)),
    Column("resource", String(200)),
    Column("resource_name", String(200)),
    Column("role", String(40)),
    Column("task_name", String(200)),
    Column("item", String(40), nullable=False),
    Column("description", Text, nullable=False),
    Column("work_date", Date, nullable=False),
    Column("accounting_date", Date, nullable=False),
    Column("minutes", Integer),
    Column("quantity", String(24), nullable=False),
    Column("unit", String(10), nullable=False),
    Column("rate", String(24), nullable=False),
    Column("net", String(24), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("contract_net", String(24), nullable=False),
    Column("contract_currency", String(3), nullable=False),
    Column("functional_net", String(24), nullable=False),
    Column("functional_currency", String(3), nullable=False),
    Column("fx_rate", String(24), nullable=False),
    Column("tax_category", String(40)),
    Column("tax_code", String(80)),
    Column("tax_percent", String(12)),
    Column("debit_account", String(40), nullable=False),
    Column("credit_account", String(40), nullable=False),
    Column("revenue_account", String(40)),
    Column("mapping_digest", String(64), nullable=False),
    Column("posting", String(20), nullable=False),
    Column("billing", String(20), nullable=False),
    Column("erp_ref", String(200)),
    Column("erp_number", String(200)),
    Column("posted_at", Instant()),
    Column("code", String(80)),
    Column("detail", Text),
    Column("created_at", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
    UniqueConstraint("business_key", name="uq_tb_fact_business_key"),
    UniqueConstraint("reverses", name="uq_tb_fact_reverses"),
    Index("ix_tb_fact_source", "source_instance", "source_id"),
    Index("ix_tb_fact_contract", "contract", "billing"),
    Index("ix_tb_fact_project", "project", "work_date"),
)


class Kind(StrEnum):
    """What a fact tells."""

    cost = "cost"
    sale = "unbilled_sale"
    release = "unbilled_sale_release"
    """That a sale was invoiced: it leaves accrued income."""
    fee = "fee"
    """A milestone or a part of a fixed price: it is not posted before its invoice."""


class SourceType(StrEnum):
    """Where a fact comes from."""

    time_entry = "time_entry"
    milestone = "milestone"


class Adjustment(StrEnum):
    """How a fact relates to those before it."""

    original = "original"
    reversal = "reversal"
    correction = "correction"


class Posting(StrEnum):
    """Where a fact is on its way into the ERP's books."""

    pending = "pending"
    posting = "posting"
    in_doubt = "in_doubt"
    posted = "posted"
    skipped = "skipped"
    failed = "failed"
    reversed = "reversed"


class Billing(StrEnum):
    """Where a fact is on its way to an invoice."""

    unbilled = "unbilled"
    """Not posted yet."""
    ready = "ready"
    on_request = "on_request"
    billed = "billed"
    reversed = "reversed"
    """Taken back by a reversal before it was billed."""
    cap_failed = "cap_failed"
    """It does not fit under the agreed cap."""
    non_billable = "non_billable"


class Fact(Struct, frozen=True, kw_only=True):
    """One fact. Amounts are decimal text in the currency beside them, signed: a reversal is negative."""

    id: str
    business_key: str
    kind: Kind
    source_type: SourceType
    source_instance: str
    """The PSA's connection; of a milestone the gateway itself."""
    source_id: str
    revision: int
    pair_id: str
    """Cost and sale of one source and revision share it."""
    adjustment: Adjustment
    reverses: str | None
    """The id of the fact that it takes back, 1:1."""
    legal_entity: str
    customer: str
    """Who pays; where a contract is funded by several, the one that pays this part."""
    project: str
    erp: str
    erp_project_id: str
    contract: str
    contract_version: int
    contract_line: int
    split_percent: str | None
    resource: str | None
    resource_name: str | None
    role: str | None
    task_name: str | None
    item: str
    description: str
    """As the customer may read it."""
    work_date: date
    accounting_date: date
    minutes: int | None
    quantity: str
    unit: str
    rate: str
    net: str
    currency: str
    contract_net: str
    contract_currency: str
    functional_net: str
    functional_currency: str
    fx_rate: str
    tax_category: str | None
    tax_code: str | None
    tax_percent: str | None
    debit_account: str
    credit_account: str
    revenue_account: str | None
    """Of its invoice line."""
    mapping_digest: str
    """Of the mappings by which accounts, item, tax and role were found."""
    posting: Posting
    billing: Billing
    erp_ref: str | None = None
    erp_number: str | None = None
    posted_at: datetime | None = None
    code: Code | None = None
    """Why it could not be posted."""
    detail: str | None = None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the fact that a row holds."""
        said = row._asdict()  # Each column asked of the row itself takes three times as long.
        values = {name: said[name] for name in cls.__struct_fields__}
        typed = {
            "kind": Kind(values["kind"]),
            "source_type": SourceType(values["source_type"]),
            "adjustment": Adjustment(values["adjustment"]),
            "posting": Posting(values["posting"]),
            "billing": Billing(values["billing"]),
            "code": Code(values["code"]) if values["code"] else None,
        }
        return cls(**(values | typed))


_REVERSAL: Final = "_rev"
STANDS: Final = ("posting", "billing", "erp_ref", "erp_number", "posted_at", "code", "detail")
"""All that may change of a fact."""


def time_fact_key(psa: str, entry: str, revision: int, kind: Kind, part: str | None = None) -> str:
    """Return the business key of a fact of time; `part` is the account of the payer, where several pay."""
    word = "cost" if kind is Kind.cost else "sale"
    return business_key("tb", psa, entry, f"r{revision}", word, *([part] if part else []))


def reversal_key(fact: Fact) -> str:
    """Return the business key of what takes a fact back: 1:1, so it is the fact's own with `_rev`."""
    if len(fact.business_key) + len(_REVERSAL) <= LONGEST:
        return fact.business_key + _REVERSAL
    return business_key("tb", fact.source_instance, fact.business_key, "rev")


def reversal_of(fact: Fact, new_id: str, accounting_date: date) -> Fact:
    """Return what takes the fact back, at the original's rate and accounts."""
    return structs.replace(
        fact,
        id=new_id,
        business_key=reversal_key(fact),
        adjustment=Adjustment.reversal,
        reverses=fact.id,
        accounting_date=accounting_date,
        **{name: _negated(getattr(fact, name)) for name in ("quantity", "net", "contract_net", "functional_net")},
        minutes=None if fact.minutes is None else -fact.minutes,
        posting=Posting.skipped if fact.posting is Posting.skipped else Posting.posting,
        billing=Billing.non_billable,
        erp_ref=None,
        erp_number=None,
        posted_at=None,
        code=None,
        detail=None,
    )


def _negated(text: str) -> str:
    return text if Decimal(text) == 0 else text[1:] if text.startswith("-") else f"-{text}"


def fact_id(store: Store) -> str:
    """Return the id of a fact to be."""
    return new_id("fct", store.now())


async def write_facts(connection: AsyncConnection, store: Store, facts: Sequence[Fact]) -> None:
    """Write facts that are not there yet: whoever writes has looked by key, in this transaction."""
    now = store.now()
    rows = [structs.asdict(fact) | {"created_at": now, "updated_at": now} for fact in facts]
    if rows:
        await connection.execute(insert(tb_fact), rows)


async def find_facts(connection: AsyncConnection, *wanted: ColumnElement[bool]) -> list[Fact]:
    """Return the facts for which all conditions on `tb_fact` hold, the oldest first."""
    said = (tb_fact.c[name] for name in Fact.__struct_fields__)
    rows = await connection.execute(select(*said).where(*wanted).order_by(tb_fact.c.id))
    return [Fact.of(row) for row in rows]


async def by_key(connection: AsyncConnection, keys: Collection[str]) -> dict[str, Fact]:
    """Return those of the facts that there are, by their business keys."""
    return {fact.business_key: fact for fact in await find_facts(connection, tb_fact.c.business_key.in_(sorted(keys)))}


async def by_id(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Fact]:
    """Return those of the facts that there are, by their ids."""
    return {fact.id: fact for fact in await find_facts(connection, tb_fact.c.id.in_(sorted(ids)))}


async def move_facts(
    connection: AsyncConnection, store: Store, wanted: ColumnElement[bool], **stands: object
) -> list[str]:
    """Return the ids of the facts that were moved: those for which the condition holds. Only STANDS can change."""
    strange = sorted(set(stands) - set(STANDS))
    if strange:
        raise TypeError(f"A fact never changes its {', '.join(strange)}: write a reversal and a new one.")
    moving = update(tb_fact).where(wanted).values(**stands, updated_at=store.now()).returning(tb_fact.c.id)
    return sorted((await connection.execute(moving)).scalars())


async def redate_facts(connection: AsyncConnection, store: Store, ids: Collection[str], on: date) -> None:
    """Date facts anew that the ERP has refused for their day; what is in its books, or may be, keeps its own."""
    refused = (tb_fact.c.posting == Posting.failed.value) & tb_fact.c.erp_ref.is_(None)
    stands = {"posting": Posting.pending.value, "code": None, "detail": None, "updated_at": store.now()}
    moving = update(tb_fact).where(tb_fact.c.id.in_(sorted(ids)), refused)
    await connection.execute(moving.values(**stands, accounting_date=on))
