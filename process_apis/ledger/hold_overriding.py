"""Letting one invoice past a hold: somebody asks for it, and somebody else approves.

Both take the lock of the hold's scope, as the fence does: whichever comes first, the other one sees it.
"""

from decimal import Decimal
from typing import Any, Final

from msgspec import Struct, json
from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.store.database import Store
from gateway.store.ids import new_id
from gateway.store.visible import seen_by
from openapi.common.types import Code, Violation
from process_apis.ledger import hold_requests
from process_apis.ledger.hold_overrides import Override, OverrideState, Person, find_overrides, tb_hold_override
from process_apis.ledger.hold_placing import BillingHold
from process_apis.ledger.holds import in_force, lock_scopes, tb_billing_hold
from process_apis.ledger.requests import IN_FLIGHT, InvoiceRequest, RequestState, find_requests, tb_invoice_request

SENT: Final = (*IN_FLIGHT, RequestState.posted)
WITHDRAWN: Final = "It was withdrawn. Release the invoice again, and ask for what it comes to then."
_OVERRIDE: Final = tb_hold_override.c


class _Named(Struct):
    """A hold, as a request names it."""

    id: str


async def ask_within(
    connection: AsyncConnection, store: Store, hold: BillingHold, caller: Caller, business_key: str, reason: str
) -> Override:
    """Return the override that is asked for, stored now or met; nothing passes before it is approved.

    Call it first in its transaction. Raises Refused where the hold has ended or stops no such request, and where the
    same was asked for by somebody else or in other words.
    """
    await _lock(connection, hold)
    request = await _held_by(connection, hold, caller, business_key)
    met = await find_overrides(connection, _OVERRIDE.hold_id == hold.id, _OVERRIDE.request_id == request.id)
    if met:
        return _met(met[0], caller, reason)
    row = _row(store, hold, request, caller, reason)
    await connection.execute(insert(tb_hold_override).values(**row))
    (asked,) = await find_overrides(connection, _OVERRIDE.id == row["id"])
    changed = await _change_hold(connection, store, asked)
    await hold_requests.tell(connection, store, changed, "override_requested", by=caller.client_id, **_said(asked))
    return asked


async def approve_within(
    connection: AsyncConnection, store: Store, hold: BillingHold, caller: Caller, override: Override
) -> Override:
    """Return the override, approved now or earlier: from this transaction's end its request passes the hold.

    Call it first in its transaction. Raises Refused where the same person has asked for it, or the hold has ended.
    """
    if Person.of(caller) == override.requester:
        detail = "You have asked for it yourself: somebody else has to approve it."
        raise Refused(Code.auth_four_eyes_required, detail)
    if override.approved_at is None:
        await _lock(connection, hold)
        now = await _now(connection, override)
        if now.state is OverrideState.withdrawn:
            raise Refused(Code.process_illegal_transition, WITHDRAWN)
        if now.approved_at is None:
            changed = await _sign(connection, store, caller, override, "approved")
            said = _said(override) | {"approved_by": caller.subject}
            await hold_requests.tell(connection, store, changed, "overridden", by=caller.client_id, **said)
    return await _now(connection, override)


async def withdraw_within(
    connection: AsyncConnection, store: Store, hold: BillingHold, caller: Caller, override: Override
) -> Override:
    """Return the override, withdrawn now or earlier: the fence lets nothing by any more.

    Call it first in its transaction. Raises Refused where its invoice is posted, or the hold has ended.
    """
    if override.withdrawn_at is None:
        await _lock(connection, hold)
        now = await _now(connection, override)
        if now.state is OverrideState.used:
            detail = "Its invoice is posted. Have finance credit it in the ERP."
            raise Refused(Code.process_illegal_transition, detail)
        if now.withdrawn_at is None:
            changed = await _sign(connection, store, caller, override, "withdrawn")
            said = _said(override) | {"withdrawn_by": caller.subject}
            await hold_requests.tell(connection, store, changed, "override_withdrawn", by=caller.client_id, **said)
    return await _now(connection, override)


async def _now(connection: AsyncConnection, override: Override) -> Override:
    return (await find_overrides(connection, _OVERRIDE.id == override.id))[0]


async def _sign(connection: AsyncConnection, store: Store, caller: Caller, override: Override, done: str) -> Row[Any]:
    """Return the hold's row, once it is written down who has done it and when."""
    by = {"by": caller.subject, "by_issuer": caller.issuer, "through": caller.client_id, "at": store.now()}
    signed = {f"{done}_{name}": value for name, value in by.items()}
    await connection.execute(update(tb_hold_override).where(_OVERRIDE.id == override.id).values(**signed))
    return await _change_hold(connection, store, override)


async def _lock(connection: AsyncConnection, hold: BillingHold) -> None:
    """Return with the lock of the hold's scope, where the hold is in force."""
    await lock_scopes(connection, hold.owners.locks(hold.scope))
    standing = select(tb_billing_hold.c.id).where(tb_billing_hold.c.id == hold.id, in_force())
    if (await connection.execute(standing)).one_or_none() is None:
        detail = "The hold is in force no longer: it stops nothing. Release the invoice again."
        raise Refused(Code.process_illegal_transition, detail)


async def _held_by(connection: AsyncConnection, hold: BillingHold, caller: Caller, business_key: str) -> InvoiceRequest:
    """Return the request's newest attempt that the hold has stopped; raises Refused where there is none to let pass."""
    columns = tb_invoice_request.c
    seen = seen_by(caller, tb_invoice_request)
    attempts = await find_requests(connection, columns.business_key == business_key, seen)
    held = [one for one in attempts if one.state is RequestState.held and hold.id in _stopping(one)]
    if not held:
        raise _not_held("No request with this key that you may see is held by this hold.")
    if any(one.state in SENT for one in attempts):
        raise _not_held("It was released since, and is in the ERP or on its way there.")
    newest = max(held, key=lambda one: one.attempt)
    if Decimal(newest.net) <= 0:
        raise _not_held("It is not known what it would come to. Release it again, then ask.")
    return newest


def _stopping(request: InvoiceRequest) -> list[str]:
    return [hold.id for hold in json.decode(request.holds, type=list[_Named])]


def _not_held(detail: str) -> Refused:
    code = Code.hold_request_not_held
    return Refused(code, detail, Violation(code=code, pointer="#/business_key", detail=detail))


def _met(met: Override, caller: Caller, reason: str) -> Override:
    """Return what was asked for before; raises Refused where it was withdrawn, or somebody has said it otherwise."""
    if met.state is OverrideState.withdrawn:
        raise Refused(Code.process_illegal_transition, WITHDRAWN)
    if (met.requester, met.reason) != (Person.of(caller), reason):
        detail = f"This was asked for already, by somebody else or in other words, as {met.id}: it can be approved."
        raise Refused(Code.process_payload_conflict, detail)
    return met


def _row(store: Store, hold: BillingHold, request: InvoiceRequest, caller: Caller, reason: str) -> dict[str, Any]:
    now = store.now()
    return {
        "id": new_id("hov", now),
        "hold_id": hold.id,
        "request_id": request.id,
        "business_key": request.business_key,
        "net": request.net,
        "currency": request.currency,
        "reason": reason,
        "requested_by": caller.subject,
        "requested_by_issuer": caller.issuer,
        "requested_through": caller.client_id,
        "requested_at": now,
    }


async def _change_hold(connection: AsyncConnection, store: Store, override: Override) -> Row[Any]:
    """Return the hold's row in its next version: what is shown of it has changed."""
    columns = tb_billing_hold.c
    changing = update(tb_billing_hold).where(columns.id == override.hold_id).returning(tb_billing_hold)
    changed = {"version": columns.version + 1, "updated_at": store.now()}
    row: Row[Any] = (await connection.execute(changing.values(**changed))).one()
    return row


def _said(override: Override) -> dict[str, object]:
    """Return what its events say; the hold's own key and reason stand beside that."""
    names = ("request_id", "net", "currency", "requested_by")
    own = {"override": override.id, "invoice": override.business_key, "why": override.reason}
    return own | {name: getattr(override, name) for name in names}
