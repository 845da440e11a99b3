"""Handlers of `openapi/process/invoice_release/v1.yaml`: find what is meant, preview or enqueue, answer."""

import asyncio
from collections.abc import Sequence
from datetime import date

from msgspec import UNSET

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.durable import Engine, cancel, enqueue, get_process, wait_until_resting
from gateway.errors import Refused
from gateway.listing import Listing
from gateway.store.database import Store
from gateway.store.ids import new_id
from gateway.store.pages import Window
from openapi.common.types import Code, OwnerQueue
from openapi.process.invoice_release.v1 import (
    Milestone,
    MilestoneApproval,
    MilestonePage,
    NewRelease,
    PreviewState,
    Release,
    ReleasePage,
    ReleasePreview,
    ReleasePreviewObject,
    ReleaseRequest,
    RequestApproval,
    RequestState,
)
from process_apis.invoice_release import answers, approvals, milestones, releases
from process_apis.invoice_release.admission import Target, targets_of
from process_apis.invoice_release.order import payload_sha256
from process_apis.invoice_release.preview import Installation, preview
from process_apis.invoice_release.releases import Asked, ReleaseRow
from process_apis.invoice_release.usual import ReleaseSettings
from process_apis.invoice_release.workflow import release_invoice
from process_apis.ledger.entities import Entities
from process_apis.ledger.mappings import Mappings
from system_apis.ports import Landscape

API = "process/invoice_release/v1"


async def start_release(  # noqa: PLR0913 - the contract's parameters, and what the installation provides
    *,
    landscape: Landscape,
    store: Store,
    engine: Engine,
    entities: Entities,
    mappings: Mappings,
    release_settings: ReleaseSettings,
    caller: Caller,
    correlation_id: str,
    body: NewRelease,
    dry_run: bool,
    wait_s: int | None,
) -> Release | ReleasePreview:
    """Return the accepted release (202), or what it would invoice where the caller only asks (200)."""
    targets = await targets_of(landscape, store, entities, caller, body)
    through = body.through or entities[body.legal_entity].today(store.now())
    if dry_run:
        installation = Installation(
            landscape=landscape, store=store, entities=entities, mappings=mappings, settings=release_settings
        )
        return await _preview(installation, caller, body.legal_entity, through, targets)

    now = store.now()
    row = ReleaseRow(
        id=new_id("rel", now),
        legal_entity=body.legal_entity,
        through=through,
        allow_incomplete=body.allow_incomplete is True,
        note=None if body.note is UNSET else body.note,
        requested_by=caller.client_id,
        issuer=caller.issuer,
        subject=caller.subject,
        correlation_id=correlation_id,
        created_at=now,
    )
    asked = [await _ask(store, engine, caller, row, target) for target in targets]
    await releases.record_release(store, row, asked)
    return await _answer(store, caller, row.id, wait_s)


async def list_releases(  # noqa: PLR0913 - the contract's parameters
    *,
    store: Store,
    caller: Caller,
    cursors: Cursors,
    legal_entity: str | None,
    contract: str | None,
    project: str | None,
    customer: str | None,
    limit: int,
    cursor: str | None,
) -> ReleasePage:
    """Return the releases that the caller may see, the newest first."""
    filters = {"legal_entity": legal_entity, "contract": contract, "project": project, "customer": customer}
    listing = Listing(cursors, f"{API}:list_releases", caller, **filters)
    window = Window(after=listing.after(cursor), limit=limit)
    found = await releases.list_releases(store, caller, window, **filters)
    items = await answers.releases(store, caller, found.items)
    return ReleasePage(items=items, next_cursor=listing.next_cursor(found.after))


async def get_release(*, store: Store, caller: Caller, release_id: str) -> Release:
    """Return the release with its requests."""
    return await _answer(store, caller, release_id)


async def cancel_release(
    *, store: Store, engine: Engine, caller: Caller, release_id: str, wait_s: int | None
) -> Release:
    """Return the release; each request that the ERP has nothing of yet is taken back, the others go on."""
    await releases.get_release(store, caller, release_id)
    asked = (await releases.asked_of(store, caller, [release_id]))[release_id]
    taken_back = [await _taken_back(store, engine, caller, one) for one in asked]
    if not any(taken_back):
        raise Refused(Code.process_illegal_transition, "Nothing of the release can be taken back any more.")
    return await _answer(store, caller, release_id, wait_s)


async def approve_request(*, store: Store, caller: Caller, request_id: str, body: RequestApproval) -> ReleaseRequest:
    """Return the request, which passes once it is released anew, unless it comes to more by then."""
    request = await approvals.approve(store, caller, request_id, body.reason)
    return await answers.request(store, caller, request)


async def list_milestones(
    *,
    store: Store,
    caller: Caller,
    cursors: Cursors,
    contract: str | None,
    project: str | None,
    limit: int,
    cursor: str | None,
) -> MilestonePage:
    """Return the milestones that the caller may see, the earliest first."""
    listing = Listing(cursors, f"{API}:list_milestones", caller, contract=contract, project=project)
    after = listing.after(cursor)
    items, more = await milestones.listed(store, caller, contract=contract, project=project, after=after, limit=limit)
    return MilestonePage(items=items, next_cursor=listing.next_cursor(more))


async def approve_milestone(
    *,
    landscape: Landscape,
    store: Store,
    entities: Entities,
    mappings: Mappings,
    caller: Caller,
    milestone_id: str,
    body: MilestoneApproval,
) -> Milestone:
    """Return the milestone, whose fee is ready to be billed."""
    return await milestones.approve(landscape, store, entities, mappings, caller, milestone_id, body)


async def _preview(
    installation: Installation, caller: Caller, legal_entity: str, through: date, targets: Sequence[Target]
) -> ReleasePreview:
    requests = [answers.told_to(caller, await preview(installation, target)) for target in targets]
    counted = [
        (_PREVIEWED[request.state], request.expected.gross if request.expected else None) for request in requests
    ]
    return ReleasePreview(
        object=ReleasePreviewObject.release_preview,
        legal_entity=legal_entity,
        through=through,
        report=answers.report(counted),
        requests=requests,
    )


_PREVIEWED = {
    PreviewState.validated: RequestState.validated,
    PreviewState.held: RequestState.held,
    PreviewState.rejected: RequestState.rejected,
    PreviewState.nothing_to_bill: RequestState.nothing_to_bill,
    PreviewState.under_way: RequestState.submitted,
}
"""Where a previewed request would be counted."""


async def _ask(store: Store, engine: Engine, caller: Caller, row: ReleaseRow, target: Target) -> Asked:
    """Return which attempt of which process it is: begun now, or met where it is under way."""
    order = target.order
    process = await enqueue(
        store,
        engine,
        release_invoice,
        order,
        key=order.key,
        payload_sha256=payload_sha256(order),
        caller_client_id=caller.client_id,
        correlation_id=row.correlation_id,
        legal_entity=order.legal_entity,
        owner=OwnerQueue.Finance_Ops,
        customer=order.customer,
        project=order.project,
    )
    return Asked(
        release_id=row.id,
        process_id=process.id,
        attempt=process.attempt,
        legal_entity=order.legal_entity,
        customer=order.customer,
        project=order.project,
        contract=order.contract,
    )


async def _taken_back(store: Store, engine: Engine, caller: Caller, one: Asked) -> bool:
    process = await get_process(store, caller, one.process_id)
    if process.attempt != one.attempt:
        return False
    try:
        await cancel(store, engine, caller, one.process_id)
    except Refused as refused:
        if refused.code is not Code.process_illegal_transition:
            raise
        return False
    return True


async def _answer(store: Store, caller: Caller, release_id: str, wait_s: int | None = None) -> Release:
    row = await releases.get_release(store, caller, release_id)
    if wait_s:
        await _wait(store, caller, release_id, wait_s)
    return (await answers.releases(store, caller, [row]))[0]


async def _wait(store: Store, caller: Caller, release_id: str, wait_s: float) -> None:
    """Return once all requests rest, or after so many seconds in all."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    for one in (await releases.asked_of(store, caller, [release_id]))[release_id]:
        await wait_until_resting(store, one.process_id, max(0.0, until - loop.time()))
