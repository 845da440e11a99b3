"""What becomes of a request that ends without an invoice: its facts are free again, and it says why."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.durable import StepState, list_steps
from gateway.errors import Refused
from gateway.store import business_events
from gateway.store.business_events import NewEvent
from gateway.store.database import Store
from gateway.writes import Writes
from openapi.common.types import Code, Outcome
from process_apis.invoice_release import approvals, documents, reading
from process_apis.invoice_release.order import ReleaseOrder
from process_apis.invoice_release.steps import request_of
from process_apis.ledger.facts import Billing, move_facts, tb_fact
from process_apis.ledger.hold_requests import resolve_holds
from process_apis.ledger.requests import (
    InvoiceRequest,
    RequestState,
    find_request,
    move_request,
    take_off_request,
)
from system_apis.ports import Landscape

ENDS: Final[Mapping[Code, RequestState]] = {
    Code.billing_hold_active: RequestState.held,
    Code.billing_not_billable: RequestState.nothing_to_bill,
}
"""How a request ends by why it was refused; a code without a row is `rejected`, none at all `cancelled`."""

ENDED: Final = (*ENDS.values(), RequestState.rejected, RequestState.cancelled)


async def close_request(store: Store, request_id: str) -> None:
    """Record how the request ended, and let others take its facts. Repeating it changes nothing."""
    said = await _said(store, await request_of(store, request_id))
    async with store.begin() as connection:
        await close_within(connection, store, request_id, said)


async def close_within(connection: AsyncConnection, store: Store, request_id: str, said: Mapping[str, object]) -> None:
    """Close the request in the caller's transaction; holds that met it are told that they have stopped it."""
    if (await find_request(connection, request_id)).state in ENDED:
        return
    free = await take_off_request(connection, request_id)
    on_it = tb_fact.c.id.in_(free) & (tb_fact.c.billing == Billing.on_request.value)
    await move_facts(connection, store, on_it, billing=Billing.ready.value)
    await move_request(connection, store, request_id, outcome=Outcome.none.value, **said)
    await resolve_holds(connection, store, request_id)
    request = await find_request(connection, request_id)
    await approvals.ask(connection, store, request)
    if request.state is RequestState.nothing_to_bill:
        await approvals.ask_no_more(connection, store, request)
    await business_events.append(connection, store, told(request))


async def _said(store: Store, request: InvoiceRequest) -> dict[str, object]:
    """Return the end, by what the request or its refused step says."""
    code, detail = request.code, request.detail
    if code is None:
        steps = (await list_steps(store, INSTALLATION, [request.process_id]))[request.process_id]
        refused = [step for step in steps if step.state is StepState.refused and step.code is not None]
        code, detail = (refused[0].code, refused[0].detail) if refused else (None, None)
    state = ENDS.get(code, RequestState.rejected) if code else RequestState.cancelled
    return {"state": state.value, "code": code.value if code else None, "detail": detail}


def event_type(state: RequestState) -> str:
    """Return the type of the event that says what became of a request."""
    return f"tiebeam.invoice_release.{state}.v1"


EVENT_TYPES: Final = frozenset(map(event_type, RequestState))
"""What is told of requests, besides where their processes are."""


def told(request: InvoiceRequest) -> NewEvent:
    """Return the event that says what became of a request: a CRM shows it beside its contract."""
    shown = ("business_key", "net", "tax", "gross", "currency", "invoice_number", "balance", "code")
    data = {name: getattr(request, name) for name in shown}
    return NewEvent(
        type=event_type(request.state),
        subject=request.id,
        causation_id=request.process_id,
        legal_entity=request.legal_entity,
        customer=request.customer,
        project=request.project,
        data=data | {"contract": request.contract, "attempt": request.attempt, "through": request.through.isoformat()},
    )


async def tell_why_not(
    store: Store, writes: Writes, landscape: Landscape, order: ReleaseOrder, request_id: str
) -> None:
    """Show in the PSA why there is no invoice, where that is news to the people there."""
    request, psa = await request_of(store, request_id), landscape.psa(order.psa)
    project_id = await reading.external_id(store, order.project, order.psa)
    quiet = request.state in {RequestState.nothing_to_bill, RequestState.cancelled}
    if quiet or project_id is None or not psa.capabilities.billing_notes:
        return
    note = documents.refused_note(order, request)
    try:
        await writes.bound(psa).once(
            operation="write_billing_note",
            key=note.business_key,
            payload=note,
            look=partial(psa.find_billing_note, project_id, note.business_key),
            act=partial(psa.write_billing_note, project_id, note),
        )
    except Refused:
        # The request and its event say it too: a note that the PSA does not take keeps nobody from releasing anew.
        return
