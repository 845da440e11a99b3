"""Approvals of requests that were rejected as unusual: who is asked, and that a person beside who released says yes."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct, json
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.store import business_events, lasting_items
from gateway.store.business_events import NewEvent
from gateway.store.database import Store
from gateway.store.processes import Process, tb_process_instance
from gateway.store.visible import seen_by
from gateway.store.work_items import NewItem
from openapi.common.types import Code, Money, Violation
from openapi.decimals import text_of
from openapi.process.invoice_release.v1 import Approval
from process_apis.invoice_release.fence import facts_on
from process_apis.invoice_release.order import KIND
from process_apis.invoice_release.releases import askers_of
from process_apis.invoice_release.usual import work_on
from process_apis.ledger.money import PLACES, money
from process_apis.ledger.requests import (
    InvoiceRequest,
    RequestState,
    find_request,
    find_requests,
    tb_invoice_request,
)

APPROVED: Final = "tiebeam.invoice_release.approved.v1"
APPROVE: Final = "approve_request"
"""What a work item says is not done, while nobody has approved a request."""
WITHIN: Final = timedelta(days=1)
_REQUEST: Final = tb_invoice_request.c


class Kept(Struct, frozen=True, kw_only=True):
    """Who has approved a request, up to which net of work, and why; kept on its row, and of value for its key."""

    work_net: str
    reason: str
    issuer: str
    client_id: str
    subject: str
    approved_at: datetime


def shown(request: InvoiceRequest) -> Approval | None:
    """Return the approval as it is answered, where there is one."""
    if request.approval is None:
        return None
    kept = json.decode(request.approval, type=Kept)
    return Approval(
        work_net=money(Decimal(kept.work_net), request.currency),
        reason=kept.reason,
        client_id=kept.client_id,
        subject=kept.subject,
        approved_at=kept.approved_at,
    )


async def approved_of(connection: AsyncConnection, key: str) -> list[Decimal]:
    """Return up to which nets of work the attempts under the key were approved."""
    asked = select(_REQUEST.approval).where(_REQUEST.business_key == key, _REQUEST.approval.is_not(None))
    rows = (await connection.execute(asked)).scalars()
    return [Decimal(json.decode(one, type=Kept).work_net) for one in rows]


async def approve(store: Store, caller: Caller, request_id: str, reason: str) -> InvoiceRequest:
    """Return the request, approved now or earlier: what was said first stands.

    Raises Refused where it was not rejected as unusual, and to whoever asked for it.
    """
    async with store.begin() as connection:
        request = await _require(connection, caller, request_id)
        if not _is_unusual(request):
            raise Refused(Code.process_illegal_transition, "Only what was rejected as unusual can be approved.")
        await _refuse_who_asked(connection, caller, request)
        work = work_on(await facts_on(connection, request.id))
        kept = Kept(
            work_net=text_of(work, PLACES[request.currency]),
            reason=reason,
            issuer=caller.issuer,
            client_id=caller.client_id,
            subject=caller.subject,
            approved_at=store.now(),
        )
        await _keep(connection, store, request, kept)
        return await find_request(connection, request.id)


async def _require(connection: AsyncConnection, caller: Caller, request_id: str) -> InvoiceRequest:
    found = await find_requests(connection, _REQUEST.id == request_id, seen_by(caller, tb_invoice_request))
    if not found:
        raise Refused(Code.resource_not_found, "There is no such request, or you may not see it.")
    return found[0]


def _is_unusual(request: InvoiceRequest) -> bool:
    return request.state is RequestState.rejected and request.code is Code.invoice_unusual


async def _refuse_who_asked(connection: AsyncConnection, caller: Caller, request: InvoiceRequest) -> None:
    askers = await askers_of(connection, request.process_id, request.attempt)
    if not askers or None in askers:
        detail = "Who asked for it was not written down. Release it again, and have somebody else approve that."
        raise Refused(Code.auth_four_eyes_required, detail)
    if (caller.issuer, caller.subject) in askers:
        raise Refused(Code.auth_four_eyes_required, "Who asked for it does not approve it. Have somebody else do it.")


async def _keep(connection: AsyncConnection, store: Store, request: InvoiceRequest, kept: Kept) -> None:
    said = {"approval": json.encode(kept).decode(), "updated_at": kept.approved_at}
    mine = (_REQUEST.id == request.id, _REQUEST.approval.is_(None))
    keeping = update(tb_invoice_request).where(*mine).values(**said).returning(_REQUEST.id)
    if (await connection.execute(keeping)).one_or_none() is None:
        return
    later = (_REQUEST.business_key == request.business_key, _REQUEST.attempt > request.attempt)
    if not any(map(_is_unusual, await find_requests(connection, *later))):  # Of that somebody is asked still.
        await lasting_items.close(connection, store, KIND, [request.business_key])
    await business_events.append(connection, store, _told(request, kept))


def _told(request: InvoiceRequest, kept: Kept) -> NewEvent:
    what = ("business_key", "contract", "attempt", "currency")
    who = ("work_net", "reason", "issuer", "client_id", "subject")
    return NewEvent(
        type=APPROVED,
        subject=request.id,
        causation_id=request.process_id,
        legal_entity=request.legal_entity,
        customer=request.customer,
        project=request.project,
        data={name: getattr(request, name) for name in what} | {name: getattr(kept, name) for name in who},
    )


async def ask(connection: AsyncConnection, store: Store, request: InvoiceRequest) -> None:
    """Let somebody be asked about a request that was rejected as unusual; about any other nobody is."""
    if not _is_unusual(request):
        return
    wanted = select(tb_process_instance).where(tb_process_instance.c.id == request.process_id)
    process = Process.of((await connection.execute(wanted)).one())
    found = json.decode(request.violations, type=list[Violation])
    why = [f"{one.detail} Expected is {one.expected}; it is {one.actual}." for one in found]
    item = NewItem(
        step=APPROVE,
        trace_key=request.business_key,
        code=Code.invoice_unusual,
        detail=" ".join([*why, f"Where that is right, have a second person approve the request {request.id}."]),
        facts={"request": request.id},
        deadline=store.now() + WITHIN,
        amount_at_risk=Money(amount=request.gross, currency=request.currency),
    )
    await lasting_items.report(connection, store, process, [item])


async def ask_no_more(connection: AsyncConnection, store: Store, request: InvoiceRequest) -> None:
    """Let nobody be asked any more: what the contract brought to the payer passes, or there is nothing of it left.

    It may have been asked under another key, of another month.
    """
    theirs = (_REQUEST.contract == request.contract, _REQUEST.customer == request.customer)
    unusual = (_REQUEST.state == RequestState.rejected.value, _REQUEST.code == Code.invoice_unusual.value)
    asked = select(_REQUEST.business_key).where(*theirs, *unusual).distinct()
    await lasting_items.close(connection, store, KIND, list((await connection.execute(asked)).scalars()))
