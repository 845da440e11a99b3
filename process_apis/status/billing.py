"""What was invoiced, and what was not, down to the time entries: in words that a customer may read."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct, json
from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import Caller
from gateway.store.database import Store
from gateway.store.observations import Observed
from openapi.common.types import Money, Outcome
from openapi.decimals import text_of
from openapi.process.status.v1 import (
    BilledEntry,
    BilledInvoice,
    BilledLine,
    BillingObject,
    BillingStatus,
    InvoicePayment,
    RequestState,
    StatusCustomer,
)
from process_apis.ledger.customers import names_of
from process_apis.ledger.facts import Billing, Fact, Kind, SourceType, find_facts, tb_fact
from process_apis.ledger.holds import holds_in_force, scopes_of
from process_apis.ledger.money import MINUTES_AN_HOUR, money, total
from process_apis.ledger.requests import LIVE, InvoiceRequest, RequestLine, tb_invoice_request, tb_invoice_request_fact
from process_apis.status import reading
from process_apis.status.systems import InvoiceSaying, Systems

MOST: Final = 100
COSTS: Final = "finance:read"
NOT_ON_ONE: Final = (Billing.unbilled.value, Billing.ready.value, Billing.cap_failed.value)
HOURS: Final = Decimal("0.0001")


class Asked(Struct, frozen=True, kw_only=True):
    """What is asked for; one of the first three."""

    project: str | None
    invoice: str | None
    entry: str | None
    connection: str | None


class Part(Struct, frozen=True, kw_only=True):
    """One invoice's worth: a request, or None for what is on none; its facts by line."""

    request: InvoiceRequest | None
    lines: Mapping[int, Sequence[Fact]]
    holds: list[str]

    @property
    def facts(self) -> list[Fact]:
        """Return all its facts."""
        return [fact for facts in self.lines.values() for fact in facts]


async def statuses(store: Store, systems: Systems, caller: Caller, asked: Asked, *, fresh: bool) -> list[BillingStatus]:
    """Return what is on no invoice yet, then the invoices, the newest first."""
    async with store.begin() as connection:
        parts = await _parts(connection, caller, asked)
        costs = await _costs(connection, caller, parts)
    customers = {part.facts[0].customer if part.request is None else part.request.customer for part in parts}
    names = await names_of(store, sorted(customers))
    words = await asyncio.gather(*(_word(systems, part.request, fresh=fresh) for part in parts))
    return [_status(store, part, names, word, costs) for part, word in zip(parts, words, strict=True)]


async def _parts(connection: AsyncConnection, caller: Caller, asked: Asked) -> list[Part]:
    requests = await reading.requests_seen(connection, caller, _requests(asked), MOST)
    on = await reading.on_lines(connection, [request.id for request in requests])
    parts = [(request, on[request.id]) for request in requests]
    return [
        Part(request=request, lines=lines, holds=await _holds(connection, lines))
        for request, lines in [*await _on_none(connection, caller, asked), *parts]
    ]


async def _on_none(
    connection: AsyncConnection, caller: Caller, asked: Asked
) -> list[tuple[InvoiceRequest | None, Mapping[int, Sequence[Fact]]]]:
    """Return what is on no request, for each payer and currency, by the contract's lines."""
    if asked.invoice is not None:
        return []
    free = tb_fact.c.billing.in_(NOT_ON_ONE)
    facts = await reading.facts_seen(connection, caller, _facts(asked), free)
    groups: dict[tuple[str, str, str], dict[int, list[Fact]]] = {}
    for fact in facts:
        group = groups.setdefault((fact.project, fact.customer, fact.currency), {})
        group.setdefault(fact.contract_line, []).append(fact)
    return [(None, lines) for lines in groups.values()]


def _requests(asked: Asked) -> ColumnElement[bool]:
    """Return the condition for requests that are not over: of the others, the facts are free again."""
    columns, on = tb_invoice_request.c, tb_invoice_request_fact.c
    live = columns.state.in_([state.value for state in LIVE])
    if asked.project is not None:
        return and_(live, columns.project == asked.project)
    if asked.invoice is not None:
        return and_(live, columns.invoice_number == asked.invoice)
    entries = select(on.request_id).join(tb_fact, tb_fact.c.id == on.fact_id).where(_facts(asked))
    return and_(live, columns.id.in_(entries))


def _facts(asked: Asked) -> ColumnElement[bool]:
    columns = tb_fact.c
    if asked.project is not None:
        return columns.project == asked.project
    return and_(columns.source_instance == asked.connection, columns.source_id == asked.entry)


async def _holds(connection: AsyncConnection, lines: Mapping[int, Sequence[Fact]]) -> list[str]:
    scopes = scopes_of([fact for facts in lines.values() for fact in facts])
    return [hold.id for hold in await holds_in_force(connection, scopes)]


async def _costs(connection: AsyncConnection, caller: Caller, parts: Sequence[Part]) -> dict[str, Decimal]:
    """Return what each pair of facts cost, for those who may know; for everybody else nothing is even read."""
    if caller.is_limited or not caller.has(COSTS):
        return {}
    pairs = sorted({fact.pair_id for part in parts for fact in part.facts})
    found: dict[str, Decimal] = {}
    for fact in await find_facts(connection, tb_fact.c.pair_id.in_(pairs), tb_fact.c.kind == Kind.cost.value):
        found[fact.pair_id] = found.get(fact.pair_id, Decimal(0)) + Decimal(fact.net)
    return found


async def _word(systems: Systems, request: InvoiceRequest | None, *, fresh: bool) -> Observed[InvoiceSaying] | None:
    if request is None or request.invoice_id is None:
        return None
    return await systems.invoice_of(request.erp, request.invoice_id, fresh=fresh)


def _status(
    store: Store,
    part: Part,
    names: Mapping[str, str],
    word: Observed[InvoiceSaying] | None,
    costs: Mapping[str, Decimal],
) -> BillingStatus:
    request, facts = part.request, part.facts
    owner = request or facts[0]
    words = _descriptions(request)
    invoice = _invoice(request, word) if request and request.invoice_id else None
    return BillingStatus(
        object=BillingObject.billing_status,
        request_id=request.id if request else None,
        business_key=request.business_key if request else None,
        state=RequestState(request.state) if request else None,
        outcome=request.outcome if request else Outcome.none,
        legal_entity=owner.legal_entity,
        project=owner.project,
        customer=StatusCustomer(id=owner.customer, name=names[owner.customer]),
        invoice=invoice,
        lines=[_line(number, lines, words.get(number), costs) for number, lines in sorted(part.lines.items())],
        holds=part.holds,
        as_of=word.as_of if word else store.now(),
        stale=bool(invoice and invoice.stale),
    )


def _invoice(request: InvoiceRequest, word: Observed[InvoiceSaying] | None) -> BilledInvoice:
    said = word.value if word else None

    def amount(text: str) -> Money:
        return Money(amount=text, currency=request.currency)

    return BilledInvoice(
        connection=request.erp,
        id=request.invoice_id or "",
        number=(said.number if said else None) or request.invoice_number,
        state=said.state if said else None,
        invoice_date=request.invoice_date,
        due_date=request.due_date,
        net=amount(request.erp_net or request.net),
        tax=amount(request.erp_tax or request.tax),
        gross=amount(request.erp_gross or request.gross),
        balance=said.balance if said else None,
        payments=[InvoicePayment(date=one.on, amount=one.amount) for one in said.payments] if said else [],
        as_of=word.as_of if word else None,
        stale=word.stale if word else True,
    )


def _line(number: int, facts: Sequence[Fact], words: str | None, costs: Mapping[str, Decimal]) -> BilledLine:
    net = money(total(Decimal(fact.net) for fact in facts), facts[0].currency)
    entries = [_entry(fact, costs) for fact in facts]
    return BilledLine(number=number, description=words or _description(facts), net=net, entries=entries)


def _descriptions(request: InvoiceRequest | None) -> dict[int, str]:
    """Return what the invoice says on each of its lines."""
    lines = json.decode(request.lines, type=list[RequestLine]) if request else []
    return {line.number: line.description for line in lines}


def _description(facts: Sequence[Fact]) -> str:
    """Return the one description, or what sort of work it is."""
    said = {fact.description for fact in facts}
    return said.pop() if len(said) == 1 else facts[0].item


def _entry(fact: Fact, costs: Mapping[str, Decimal]) -> BilledEntry:
    cost = costs.get(fact.pair_id)
    return BilledEntry(
        connection=fact.source_instance,
        id=fact.source_id,
        fact=fact.id,
        work_date=fact.work_date,
        hours=_hours(fact),
        person=fact.resource_name,
        description=fact.description,
        net=money(Decimal(fact.net), fact.currency),
        cost=None if cost is None else money(cost, fact.currency),
    )


def _hours(fact: Fact) -> str | None:
    if fact.source_type is not SourceType.time_entry:
        return None
    hours = Decimal(fact.quantity) if fact.minutes is None else Decimal(fact.minutes) / MINUTES_AN_HOUR
    return text_of(hours.quantize(HOURS))
