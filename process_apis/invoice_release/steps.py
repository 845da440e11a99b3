"""What the steps of a release do beside the writes, up to the pivot: look, judge, and keep the request.

Every step may run twice: what is there already is met.
"""

import hashlib
from datetime import date
from decimal import Decimal

import msgspec
from msgspec import json

from gateway.errors import Refused
from gateway.store import processes
from gateway.store.database import Store
from openapi.common.types import Code, Money
from openapi.system.erp.v1 import NewInvoice
from process_apis.invoice_release import approvals, documents, reading, rules
from process_apis.invoice_release.fence import facts_on, refuse_held
from process_apis.invoice_release.noting import CLEARED, noting
from process_apis.invoice_release.order import ReleaseOrder
from process_apis.invoice_release.trailing import usual_of
from process_apis.invoice_release.usual import ReleaseSettings, unusual, work_on
from process_apis.ledger import periods
from process_apis.ledger.entities import Entities, LegalEntity
from process_apis.ledger.hold_observing import observe_holds
from process_apis.ledger.mappings import Mappings
from process_apis.ledger.requests import (
    InvoiceRequest,
    RequestState,
    find_request,
    move_request,
)
from system_apis.ports import Erp, Landscape


async def request_of(store: Store, request_id: str) -> InvoiceRequest:
    """Return the request as it stands."""
    async with store.begin() as connection:
        return await find_request(connection, request_id)


@noting
async def check_completeness(store: Store, request_id: str, mappings: Mappings, order: ReleaseOrder) -> int:
    """Return how many days lack time that is approved; raises Refused with each, unless that is allowed."""
    async with store.begin() as connection:
        missing = await reading.missing_time(connection, order, mappings)
        unread = await reading.unread_time(connection, order)
        await move_request(connection, store, request_id, missing=json.encode([*missing, *unread]).decode())
    if not order.allow_incomplete:
        rules.of_completeness(missing, unread, order.psa)
    return len(missing) + len(unread)


@noting
async def check_contract(
    store: Store, request_id: str, erp: Erp, entities: Entities, settings: ReleaseSettings, order: ReleaseOrder
) -> None:
    """Return where contract, purchase order, currency and number of lines allow the invoice, and it is as usual."""
    request, entity = await request_of(store, request_id), entities[order.legal_entity]
    async with store.begin() as connection:
        contract = await reading.contract_of(connection, order.contract)
        invoiced = await reading.invoiced_of(connection, order.contract, but=request_id)
        facts = await facts_on(connection, request_id)
        usual = await usual_of(connection, order, settings, entity, store.now(), but=request_id)
    net, lines = Decimal(request.net), reading.lines_on(request)
    rules.refuse(
        [
            *rules.of_contract(contract, request.contract_version),
            *rules.of_purchase_order(contract, invoiced=invoiced, net=net, on=order.through),
            *rules.of_facts(facts, contract, entity),
            *rules.of_lines(len(lines), erp.capabilities.max_invoice_lines),
            *unusual(work_on(facts), len(lines), usual, settings, contract.currency),
        ]
    )


@noting
async def check_customer(store: Store, _request_id: str, erp: Erp, order: ReleaseOrder) -> str:
    """Return the ERP's id of who pays; raises Refused where it has none, or invoices them no more."""
    return await customer_to_invoice(store, erp, order)


async def customer_to_invoice(store: Store, erp: Erp, order: ReleaseOrder) -> str:
    """Return the ERP's id of who pays, once the ERP has said that they may be invoiced."""
    customer_id = await reading.external_id(store, order.customer, order.erp)
    if customer_id is None:
        raise Refused(Code.customer_not_found, "The ERP does not know who pays. Onboard the customer first.")
    rules.refuse(rules.of_customer(await erp.get_customer(customer_id)))
    return customer_id


@noting
async def decide_accounting_date(
    store: Store, request_id: str, erp: Erp, entities: Entities, order: ReleaseOrder
) -> date:
    """Return the day that the books show: the last day that is billed, or what the entity's policy makes of it."""
    day = await booked_on(store, erp, entities[order.legal_entity], order)
    async with store.begin() as connection:
        await move_request(connection, store, request_id, accounting_date=day)
    return day


async def booked_on(store: Store, erp: Erp, entity: LegalEntity, order: ReleaseOrder) -> date:
    """Return the day that the books show; an invoice is not dated into the future."""
    now = entity.today(store.now())
    return await periods.accounting_date_in(erp, entity, min(order.through, now), today=now)


async def observe(store: Store, landscape: Landscape, order: ReleaseOrder) -> None:
    """Return once what the PSA shows of the project is known here: its flag is read just before the pivot."""
    await observe_holds(store, landscape, [order.project])


@noting
async def validate(store: Store, request_id: str, order: ReleaseOrder, customer_id: str) -> NewInvoice:
    """Return the invoice as the ERP will be sent it, kept on the request; raises Held."""
    request = await request_of(store, request_id)
    async with store.begin() as connection:
        await refuse_held(connection, request, await facts_on(connection, request_id))
        contract = await reading.contract_of(connection, order.contract)
        lines, day = reading.lines_on(request), request.accounting_date
        new = documents.invoice_of(order, contract, lines, customer_id=customer_id, accounting_date=day)
        payload = json.encode(new)
        await move_request(
            connection,
            store,
            request_id,
            state=RequestState.validated.value,
            payload=payload.decode(),
            snapshot_sha256=hashlib.sha256(payload).hexdigest(),
            **CLEARED,
        )
        await approvals.ask_no_more(connection, store, request)
        await processes.put_at_risk(
            connection, request.process_id, Money(amount=request.gross, currency=request.currency)
        )
    return msgspec.json.decode(payload, type=NewInvoice)
