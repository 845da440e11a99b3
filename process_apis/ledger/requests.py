"""Invoice requests: what is to be invoiced, from its selection to the ERP's document. Each attempt is a row of its own.

A fact is on at most one live request: the database sees to it. `submitted` is the line that holds race for: it is set
in one transaction with the look at the holds, under the locks of their scopes.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct, structs
from sqlalchemy import (
    Boolean,
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
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.database import Store, metadata
from gateway.store.instant import Instant
from openapi.common.types import Code, Outcome
from process_apis.ledger.facts import Fact

tb_invoice_request = Table(
    "tb_invoice_request",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("business_key", String(64), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("process_id", String(40), ForeignKey("tb_process_instance.id"), nullable=False, index=True),
    Column("legal_entity", String(20), nullable=False),
    Column("customer", String(40), nullable=False),
    Column("project", String(40), nullable=False),
    Column("contract", String(40), ForeignKey("tb_contract.id"), nullable=False),
    Column("contract_version", Integer, nullable=False),
    Column("erp", String(40), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("period_start", Date),
    Column("through", Date, nullable=False),
    Column("accounting_date", Date, nullable=False),
    Column("lines", Text, nullable=False),
    Column("taxes", Text, nullable=False),
    Column("net", String(24), nullable=False),
    Column("tax", String(24), nullable=False),
    Column("gross", String(24), nullable=False),
    Column("watermark", Text, nullable=False),
    Column("snapshot_sha256", String(64), nullable=False),
    Column("payload", Text),
    Column("excluded", Text, nullable=False),
    Column("missing", Text, nullable=False),
    Column("violations", Text, nullable=False),
    Column("holds", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("invoice_id", String(200)),
    Column("invoice_number", String(200)),
    Column("invoice_date", Date),
    Column("due_date", Date),
    Column("erp_net", String(24)),
    Column("erp_tax", String(24)),
    Column("erp_gross", String(24)),
    Column("balance", String(24)),
    Column("code", String(80)),
    Column("detail", Text),
    Column("approval", Text),
    Column("requested_by", String(200), nullable=False),
    Column("submitted_at", Instant()),
    Column("posted_at", Instant()),
    Column("created_at", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
    UniqueConstraint("business_key", "attempt", name="uq_tb_invoice_request_attempt"),
    Index("ix_tb_invoice_request_contract", "contract", "state"),
    Index("ix_tb_invoice_request_number", "invoice_number"),
    Index("ix_tb_invoice_request_state", "state", "legal_entity", "code"),
    Index(
        "ix_tb_invoice_request_mismatch",
        "legal_entity",
        sqlite_where=text("erp_gross != gross"),
        postgresql_where=text("erp_gross != gross"),
    ),
)
tb_invoice_request_fact = Table(
    "tb_invoice_request_fact",
    metadata,
    Column("request_id", String(40), ForeignKey("tb_invoice_request.id"), primary_key=True),
    Column("fact_id", String(40), ForeignKey("tb_fact.id"), primary_key=True),
    Column("line", Integer, nullable=False),
    Column("live", Boolean, nullable=False),
    Index("ix_tb_invoice_request_fact_fact", "fact_id"),
    Index(
        "uq_tb_invoice_request_fact_live",
        "fact_id",
        unique=True,
        postgresql_where=text("live"),
        sqlite_where=text("live"),
    ),
)


class RequestState(StrEnum):
    """Where a request is."""

    draft = "draft"
    validated = "validated"
    held = "held"
    """A hold stopped it. Its facts are free again; it is released anew once the hold is lifted."""
    rejected = "rejected"
    cancelled = "cancelled"
    nothing_to_bill = "nothing_to_bill"
    submitted = "submitted"
    in_doubt = "in_doubt"
    accepted = "accepted"
    """The ERP has it, as a draft."""
    posted = "posted"


OPEN: Final = (RequestState.draft, RequestState.validated)
"""Still before the ERP: a hold stops it."""
IN_FLIGHT: Final = (RequestState.submitted, RequestState.in_doubt, RequestState.accepted)
"""A hold comes too late for it, unless it turns out that the ERP has nothing of it."""
LIVE: Final = (*OPEN, *IN_FLIGHT, RequestState.posted)
"""The facts of these are on a request."""


class RequestLine(Struct, frozen=True, kw_only=True):
    """One line of an invoice; its net is the exact sum of its facts'."""

    key: str
    """Its business key, in the ERP too."""
    number: int
    """Counts from 1; the facts that are on it say this number."""
    contract_line: int
    description: str
    role: str | None
    quantity: str
    unit: str
    rate: str
    net: Decimal
    account: str
    tax_code: str
    tax_percent: Decimal
    erp_project_id: str
    facts: int


class InvoiceRequest(Struct, frozen=True, kw_only=True):
    """One attempt to invoice what a contract brought, to one payer.

    JSON: `lines` of RequestLine, `taxes` of TaxGroup, `watermark`, the ERP's `payload`, and what explains it:
    `excluded` facts, `missing` time, `violations` and `holds`, in the words of the release's contract.
    """

    id: str
    business_key: str
    attempt: int
    process_id: str
    legal_entity: str
    customer: str
    project: str
    contract: str
    contract_version: int
    erp: str
    currency: str
    period_start: date | None
    through: date
    accounting_date: date
    lines: str
    taxes: str
    net: str
    tax: str
    gross: str
    watermark: str
    """The hold sequence of each scope, as it was when the facts were selected."""
    snapshot_sha256: str
    state: RequestState
    outcome: Outcome
    requested_by: str
    payload: str | None = None
    """What the ERP is sent, once the request is validated."""
    excluded: str = "[]"
    missing: str = "[]"
    violations: str = "[]"
    holds: str = "[]"
    invoice_id: str | None = None
    invoice_number: str | None = None
    invoice_date: date | None = None
    due_date: date | None = None
    erp_net: str | None = None
    erp_tax: str | None = None
    erp_gross: str | None = None
    balance: str | None = None
    code: Code | None = None
    detail: str | None = None
    approval: str | None = None
    """Who has approved that it is unusual, as JSON."""
    submitted_at: datetime | None = None
    posted_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the request that a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        typed = {
            "state": RequestState(row.state),
            "outcome": Outcome(row.outcome),
            "code": Code(row.code) if row.code else None,
        }
        return cls(**(values | typed))


async def find_requests(connection: AsyncConnection, *wanted: ColumnElement[bool]) -> list[InvoiceRequest]:
    """Return the requests for which all conditions on `tb_invoice_request` hold, the oldest first."""
    rows = await connection.execute(select(tb_invoice_request).where(*wanted).order_by(tb_invoice_request.c.id))
    return [InvoiceRequest.of(row) for row in rows]


async def find_request(connection: AsyncConnection, request_id: str) -> InvoiceRequest:
    """Return the request with the id, which is there."""
    return (await find_requests(connection, tb_invoice_request.c.id == request_id))[0]


async def facts_of(connection: AsyncConnection, request_ids: Collection[str]) -> dict[str, list[str]]:
    """Return the ids of the facts of each request, whether live or not, in the order of its lines."""
    columns = tb_invoice_request_fact.c
    asked = select(columns.request_id, columns.fact_id).where(columns.request_id.in_(sorted(request_ids)))
    found: dict[str, list[str]] = {request_id: [] for request_id in request_ids}
    for row in await connection.execute(asked.order_by(columns.line, columns.fact_id)):
        found[row.request_id].append(row.fact_id)
    return found


async def open_request(connection: AsyncConnection, request: InvoiceRequest) -> None:
    """Write a request that is not there yet: whoever writes has looked by key and attempt, in this transaction."""
    await connection.execute(insert(tb_invoice_request).values(**structs.asdict(request)))


async def invoices_of(connection: AsyncConnection, fact_ids: Collection[str]) -> dict[str, InvoiceRequest]:
    """Return the live request that each of the facts is on, by the fact's id."""
    columns = tb_invoice_request_fact.c
    asked = select(columns.fact_id, columns.request_id).where(columns.fact_id.in_(sorted(fact_ids)), columns.live)
    on = {row.fact_id: row.request_id for row in await connection.execute(asked)} if fact_ids else {}
    found = await find_requests(connection, tb_invoice_request.c.id.in_(sorted(set(on.values())))) if on else []
    requests = {request.id: request for request in found}
    return {fact_id: requests[request_id] for fact_id, request_id in on.items()}


async def put_on_request(connection: AsyncConnection, request_id: str, lines: Sequence[Sequence[Fact]]) -> None:
    """Put the facts on the request's lines; one that is on another live request is an IntegrityError."""
    rows = [
        {"request_id": request_id, "fact_id": fact.id, "line": number, "live": True}
        for number, facts in enumerate(lines, 1)
        for fact in facts
    ]
    if rows:
        await connection.execute(insert(tb_invoice_request_fact), rows)


async def take_off_request(connection: AsyncConnection, request_id: str) -> list[str]:
    """Return the facts that were on the request: another one may take them now."""
    columns = tb_invoice_request_fact.c
    freeing = update(tb_invoice_request_fact).where(columns.request_id == request_id, columns.live)
    return sorted((await connection.execute(freeing.values(live=False).returning(columns.fact_id))).scalars())


async def move_request(connection: AsyncConnection, store: Store, request_id: str, **values: object) -> None:
    """Record where a request is and what the ERP made of it."""
    moving = update(tb_invoice_request).where(tb_invoice_request.c.id == request_id)
    await connection.execute(moving.values(**values, updated_at=store.now()))
