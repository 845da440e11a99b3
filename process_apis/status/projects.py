"""Projects as their status is answered: what the systems say, what our tables know, and what waits for whom."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Row

from gateway.caller import Caller
from gateway.store import cross_references
from gateway.store.database import Store
from gateway.store.processes import Process
from gateway.store.work_items import WorkItem, owner_of
from openapi.common.types import Code, Money
from openapi.process.status.v1 import (
    Blocker,
    Link,
    Moment,
    Object,
    ProjectInvoice,
    ProjectState,
    ProjectStatus,
    RequestState,
    StatusCustomer,
    StatusOnboarding,
    SystemStatus,
)
from process_apis.ledger.customers import names_of
from process_apis.ledger.holds import Scope, ScopeType
from process_apis.ledger.money import amount_of
from process_apis.ledger.projects import Project
from process_apis.ledger.requests import InvoiceRequest
from process_apis.status import reading
from process_apis.status.amounts import amounts_of
from process_apis.status.reading import SHOWN, Happened, Known
from process_apis.status.systems import Systems

ONBOARDINGS: Final = "/process/project-onboarding/v1/onboardings"
BILLING: Final = "/process/status/v1/billing-statuses"


class Around(Struct, frozen=True, kw_only=True):
    """What is known around one project."""

    customer: str
    said: list[SystemStatus]
    onboarding: Process | None
    items: list[WorkItem]
    timeline: list[Happened]
    known: Known
    paid: dict[str, Decimal]


async def statuses(
    store: Store, systems: Systems, caller: Caller, projects: Sequence[Project], *, fresh: bool
) -> list[ProjectStatus]:
    """Return the status of each project; all systems of all of them are asked at once."""
    ids = [project.id for project in projects]
    references = await cross_references.list_all(store, caller, canonical_id=ids, object_type="project", state=None)
    valid = [reference for reference in references if reference.valid_to is None]
    said = await asyncio.gather(*(systems.status_of(reference, fresh=fresh) for reference in valid))
    names = await names_of(store, [project.customer for project in projects])
    begun = [project.onboarding_id for project in projects if project.onboarding_id]
    onboardings = await reading.onboardings_of(store, caller, begun)
    items = await reading.items_of(store, caller, ids, begun)
    timelines = await reading.timelines_of(store, caller, ids)
    shown = []
    for project in projects:
        async with store.begin() as connection:
            known = await reading.known_of(connection, caller, project.id)
        around = Around(
            customer=names[project.customer],
            said=[word for reference, word in zip(valid, said, strict=True) if reference.canonical_id == project.id],
            onboarding=onboardings.get(project.onboarding_id or ""),
            items=[item for item in items if item.project == project.id or item.process_id == project.onboarding_id],
            timeline=timelines.get(project.id, []),
            known=known,
            paid=await _paid(systems, known.requests),
        )
        shown.append(_status(store, project, around))
    return shown


async def refresh_invoices(store: Store, systems: Systems, caller: Caller, project: Project, *, fresh: bool) -> None:
    """Ask the ERP for what was paid of the project's newest invoices, where that was not asked lately."""
    async with store.begin() as connection:
        requests = (await reading.known_of(connection, caller, project.id)).requests
    posted = [request for request in requests if request.invoice_id][:SHOWN]
    await asyncio.gather(*(systems.invoice_of(one.erp, one.invoice_id or "", fresh=fresh) for one in posted))


async def _paid(systems: Systems, requests: Sequence[InvoiceRequest]) -> dict[str, Decimal]:
    """Return what was paid in each currency, as the ERP said last."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for request in requests:
        if request.invoice_id:
            ids[request.erp].append(request.invoice_id)
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for erp, invoice_ids in ids.items():
        for word in (await systems.last_of_invoices(erp, invoice_ids)).values():
            sums[word.gross.currency] += amount_of(word.gross) - amount_of(word.balance)
    return sums


def _status(store: Store, project: Project, around: Around) -> ProjectStatus:
    moments = [word.as_of for word in around.said if word.as_of]
    known = around.known
    held = {Scope(type=ScopeType(hold.scope_type), id=hold.scope_id) for hold in known.holds}
    return ProjectStatus(
        id=project.id,
        object=Object.project_status,
        code=project.code,
        name=project.name,
        legal_entity=project.legal_entity,
        customer=StatusCustomer(id=project.customer, name=around.customer),
        state=ProjectState(project.state),
        systems=around.said,
        onboarding=_onboarding(around.onboarding),
        amounts=amounts_of(known.facts, held=held, open_facts=known.open_facts, paid=around.paid),
        entries_without_amount=known.entries_without_amount,
        blockers=[*(_blocker(item) for item in around.items), *(_held(hold) for hold in known.holds)],
        timeline=[Moment(at=one.at, type=one.type, subject=one.subject) for one in around.timeline],
        invoices=[_invoice(request) for request in known.requests[:SHOWN]],
        links=_links(project, around.onboarding),
        as_of=min(moments, default=store.now()),
        stale=any(word.stale for word in around.said),
    )


def _links(project: Project, onboarding: Process | None) -> list[Link]:
    links = [Link(rel="billing", href=f"{BILLING}?project={project.id}")]
    return [*links, Link(rel="onboarding", href=f"{ONBOARDINGS}/{onboarding.id}")] if onboarding else links


def _onboarding(process: Process | None) -> StatusOnboarding | None:
    if process is None:
        return None
    return StatusOnboarding(id=process.id, state=process.state, current_step=process.current_step)


def _blocker(item: WorkItem) -> Blocker:
    return Blocker(
        code=item.code,
        detail=item.detail,
        owner_queue=item.owner_queue,
        assignee=item.assignee,
        work_item_id=item.id,
        hold_id=None,
        since=item.opened_at,
    )


def _held(hold: Row[Any]) -> Blocker:
    """Return the hold as what it keeps from going on; what its note says is for colleagues, who find it there."""
    what, why = hold.scope_type.replace("_", " "), hold.reason.replace("_", " ")
    return Blocker(
        code=Code.billing_hold_active,
        detail=f"{hold.placed_by} holds the {what}: {why}. Review on {hold.review_on}.",
        owner_queue=owner_of(Code.billing_hold_active),
        assignee=None,
        work_item_id=None,
        hold_id=hold.id,
        since=hold.placed_at,
    )


def _invoice(request: InvoiceRequest) -> ProjectInvoice:
    def money(amount: str) -> Money:
        return Money(amount=amount, currency=request.currency)

    return ProjectInvoice(
        request_id=request.id,
        business_key=request.business_key,
        state=RequestState(request.state),
        outcome=request.outcome,
        connection=request.erp,
        invoice_id=request.invoice_id,
        number=request.invoice_number,
        invoice_date=request.invoice_date,
        due_date=request.due_date,
        net=money(request.erp_net or request.net),
        tax=money(request.erp_tax or request.tax),
        gross=money(request.erp_gross or request.gross),
    )
