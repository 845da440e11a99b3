"""What the steps of a release do after the pivot: compare, record, and keep what was posted. Nothing is undone."""

from collections.abc import Sequence

from msgspec import Struct, json
from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.durable import Batch, corrections, process_id
from gateway.errors import Refused
from gateway.store import business_events
from gateway.store.database import Store
from openapi.common.types import Code, Outcome
from openapi.process.invoice_release.v1 import ReleaseDecision
from openapi.system.erp.v1 import (
    BillableTransaction,
    Invoice,
    InvoiceState,
    NewBillableTransaction,
    NewInvoice,
)
from openapi.system.psa.v1 import NewBillingNote, NewEntryFeedback, TimeFeedback
from process_apis.invoice_release import closing, comparison, documents, reading
from process_apis.invoice_release.fence import facts_on
from process_apis.invoice_release.noting import CLEARED, noting
from process_apis.invoice_release.order import ReleaseOrder
from process_apis.invoice_release.redating import date_anew
from process_apis.invoice_release.steps import request_of
from process_apis.ledger.entities import Entities
from process_apis.ledger.facts import (
    Billing,
    Fact,
    Posting,
    SourceType,
    by_key,
    fact_id,
    move_facts,
    tb_fact,
    write_facts,
)
from process_apis.ledger.hold_requests import resolve_holds
from process_apis.ledger.requests import (
    InvoiceRequest,
    RequestState,
    find_request,
    move_request,
)
from process_apis.ledger.schedules import mark_invoiced
from process_apis.ledger.taxes import TaxGroup
from system_apis.ports import Erp

BILLED = (InvoiceState.posted, InvoiceState.paid)


class Compared(Struct, frozen=True, kw_only=True):
    """What the ERP's draft is, and whether it is to be cancelled: somebody decided so."""

    invoice_id: str
    version: str
    cancel: bool
    gone: bool = False
    """Whether somebody has deleted it, so that nothing is left to be cancelled."""


class Told(Struct, frozen=True, kw_only=True):
    """What the PSA is to show on the project; None where it does not know it."""

    note: NewBillingNote
    psa_project_id: str | None


class Recorded(Told, frozen=True, kw_only=True):
    """What was written down of a posted invoice, and what is to be posted and shown of it."""

    number: str
    releases: list[NewBillableTransaction]
    """By which it leaves accrued income."""
    feedback: dict[str, list[NewEntryFeedback]]
    """What each time entry is to show, by the PSA's connection."""


@noting
async def compare_draft(
    store: Store, request_id: str, erp: Erp, entities: Entities, new: NewInvoice, invoice_id: str
) -> Compared:
    """Return the draft's version where it is what was wanted, or somebody has decided; else raises Refused with why."""
    decided = await corrections(store, process_id(), ReleaseDecision)
    cancel = decided.cancel_draft is True
    found, request = await _found(erp, invoice_id), await request_of(store, request_id)
    if found is None:
        if cancel:
            return Compared(invoice_id=invoice_id, version="", cancel=True, gone=True)
        detail = "The ERP's draft is there no more. Resume with `cancel_draft`, and release anew."
        raise Refused(Code.invoice_total_mismatch, detail)
    async with store.begin() as connection:
        accepted = {"state": RequestState.accepted.value, "outcome": Outcome.applied.value}
        await move_request(connection, store, request_id, **accepted, **_known(found))
    stands = decided.accept_posted is True and found.state in BILLED
    if stands or cancel:  # What is posted is cancelled no more, whatever was decided before.
        return Compared(invoice_id=invoice_id, version=found.version, cancel=not stands)
    taxes = json.decode(request.taxes, type=list[TaxGroup])
    comparison.compare(found, new, taxes, entities[request.legal_entity])
    return Compared(invoice_id=invoice_id, version=found.version, cancel=False)


async def _found(erp: Erp, invoice_id: str) -> Invoice | None:
    try:
        return await erp.get_invoice(invoice_id)
    except Refused as refused:
        if refused.code is not Code.resource_not_found:
            raise
        return None


async def cancelled(erp: Erp, invoice_id: str) -> Invoice | None:
    """Return the draft once it is cancelled."""
    found = await erp.get_invoice(invoice_id)
    return found if found.state is InvoiceState.cancelled else None


async def posted(erp: Erp, invoice_id: str) -> Invoice | None:
    """Return the invoice once it is posted."""
    found = await erp.get_invoice(invoice_id)
    return found if found.state in BILLED else None


async def give_up(store: Store, request_id: str, order: ReleaseOrder) -> Told:
    """Return what the PSA is to show of a draft that was cancelled: its facts wait for an invoice of another key."""
    detail = "The ERP's draft was not what was wanted, and was cancelled."
    said = {"state": RequestState.cancelled.value, "code": Code.invoice_total_mismatch.value, "detail": detail}
    async with store.begin() as connection:
        await closing.close_within(connection, store, request_id, said)
    psa_project_id = await reading.external_id(store, order.project, order.psa)
    return Told(note=documents.refused_note(order, await request_of(store, request_id)), psa_project_id=psa_project_id)


async def record_invoice(
    store: Store, request_id: str, erp: Erp, entities: Entities, order: ReleaseOrder, invoice: Invoice
) -> Recorded:
    """Return what follows from a posted invoice; written down: facts, request, schedule, release facts, event.

    Run again after release facts were refused because their period is closed, it dates them anew.
    """
    await date_anew(store, request_id, erp, entities[order.legal_entity])
    async with store.begin() as connection:
        facts = await facts_on(connection, request_id)
        if (await find_request(connection, request_id)).state is not RequestState.posted:
            await _record(connection, store, request_id, facts, invoice)
        request = await find_request(connection, request_id)
        releases = await _have_releases(connection, store, order, request, facts)
    return Recorded(
        number=invoice.number or "",
        note=documents.posted_note(order, request),
        psa_project_id=await reading.external_id(store, order.project, order.psa),
        releases=documents.to_post(releases),
        feedback=documents.feedback(request, facts),
    )


async def _record(
    connection: AsyncConnection, store: Store, request_id: str, facts: Sequence[Fact], invoice: Invoice
) -> None:
    on_it = tb_fact.c.id.in_([fact.id for fact in facts])
    await move_facts(connection, store, on_it, billing=Billing.billed.value)
    parts = [fact.source_id for fact in facts if fact.source_type is SourceType.milestone]
    await mark_invoiced(connection, facts[0].contract, parts)
    is_posted = {"state": RequestState.posted.value, "outcome": Outcome.applied.value, "posted_at": store.now()}
    # The books' own day, should somebody have moved the draft: what leaves accrued income goes with the revenue.
    on = {"accounting_date": invoice.accounting_date} if invoice.accounting_date else {}
    await move_request(connection, store, request_id, **is_posted, **on, **_known(invoice), **CLEARED)
    await resolve_holds(connection, store, request_id)
    await business_events.append(connection, store, closing.told(await find_request(connection, request_id)))


def _known(invoice: Invoice) -> dict[str, object]:
    """Return what the request keeps of the ERP's invoice."""
    return {
        "invoice_id": invoice.id,
        "invoice_number": invoice.number,
        "invoice_date": invoice.invoice_date,
        "due_date": invoice.due_date,
        "erp_net": invoice.net.amount,
        "erp_tax": invoice.tax.amount,
        "erp_gross": invoice.gross.amount,
        "balance": invoice.balance.amount,
    }


async def _have_releases(
    connection: AsyncConnection, store: Store, order: ReleaseOrder, request: InvoiceRequest, facts: Sequence[Fact]
) -> list[Fact]:
    """Return the release facts as they stand, written now or in an earlier try."""
    made = documents.release_facts(order, request, facts, lambda: fact_id(store))
    known = await by_key(connection, [fact.business_key for fact in made])
    await write_facts(connection, store, [fact for fact in made if fact.business_key not in known])
    return [known.get(fact.business_key, fact) for fact in made]


async def record_releases(store: Store, batch: Batch[BillableTransaction]) -> int:
    """Return how many release facts are in the books; raises Refused with the first that the ERP did not take."""
    async with store.begin() as connection:
        for key, transaction in batch.done.items():
            mine = and_(tb_fact.c.business_key == key, tb_fact.c.posting != Posting.posted.value)
            reference = {"erp_ref": transaction.id, "erp_number": transaction.number, "code": None, "detail": None}
            await move_facts(connection, store, mine, posting=Posting.posted.value, posted_at=store.now(), **reference)
        for key, refusal in batch.refused.items():
            said = {"code": refusal.code.value, "detail": refusal.detail}
            await move_facts(connection, store, tb_fact.c.business_key == key, posting=Posting.failed.value, **said)
    for refusal in batch.refused.values():
        raise Refused(refusal.code, refusal.detail, *refusal.violations)
    return len(batch.done)


async def weigh_feedback(batch: Batch[TimeFeedback]) -> int:
    """Return how many time entries show that they are billed; one that is gone shows nothing.

    Raises Refused with the first that the PSA did not take for another reason.
    """
    for refusal in batch.refused.values():
        if refusal.code is not Code.resource_not_found:
            raise Refused(refusal.code, refusal.detail, *refusal.violations)
    return len(batch.done)
