"""Handlers of `openapi/process/billing_holds/v2.yaml`: a hold is stored before it is answered, and told after that."""

from typing import Final

from msgspec import UNSET
from sqlalchemy import and_, true
from sqlalchemy.sql.elements import ColumnElement

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.durable import Engine, wait_until_resting
from gateway.errors import Refused
from gateway.listing import Listing
from gateway.store.database import Store
from gateway.store.pages import Listed, Window, page
from gateway.store.visible import matching, seen_by
from openapi.common.types import Code, Violation
from openapi.process.billing_holds.v2 import (
    Hold,
    HoldLift,
    HoldOutcome,
    HoldOverride,
    HoldPage,
    HoldScopeType,
    HoldStanding,
    NewHoldOverride,
)
from openapi.process.billing_holds.v2 import NewHold as HoldBody
from process_apis.billing_holds import answers
from process_apis.billing_holds.workflow import push
from process_apis.ledger.hold_overrides import Override, overrides_on
from process_apis.ledger.hold_overriding import approve_within, ask_within, withdraw_within
from process_apis.ledger.hold_placing import (
    GATEWAY,
    BillingHold,
    Dimensions,
    LiftMode,
    NewHold,
    find_holds,
    lift_hold_within,
    place_hold_within,
)
from process_apis.ledger.hold_requests import Effect, having_met
from process_apis.ledger.hold_scopes import Owners, find_owners, may_hold, payers_of, reaching
from process_apis.ledger.holds import Scope, ScopeType, in_force, tb_billing_hold
from process_apis.ledger.projects import find_project

LIST: Final = "process/billing_holds/v2:list_holds"
"""What cursors are bound to; v1 asks here, so that they are its own as well."""
OVERRIDE: Final = "holds:override"
"""The scope of those who may lift what somebody else has placed, and let single invoices pass."""


async def place_hold(
    *, store: Store, engine: Engine, caller: Caller, correlation_id: str, body: HoldBody, wait_s: int | None
) -> Hold:
    """Return the hold, in force: stored now, or met."""
    _check_until(store, body)
    scope = Scope(type=ScopeType(body.scope.type), id=body.scope.id)
    new = _new(caller, correlation_id, scope, await _owners(store, caller, scope), body)
    async with store.begin() as connection:
        hold = await place_hold_within(connection, store, new)
    return await _told(store, engine, caller, hold, wait_s)


async def list_holds(  # noqa: PLR0913 - the contract's parameters
    *,
    store: Store,
    caller: Caller,
    cursors: Cursors,
    scope_type: HoldScopeType | None,
    scope_id: str | None,
    project: str | None,
    state: HoldStanding | None,
    outcome: HoldOutcome | None,
    limit: int,
    cursor: str | None,
) -> HoldPage:
    """Return the holds that the caller may see, the newest first."""
    _require_type(scope_type, scope_id)
    scope = {"scope_type": scope_type, "scope_id": scope_id}
    listing = Listing(cursors, LIST, caller, **scope, project=project, state=state, outcome=outcome)
    wanted = and_(matching(tb_billing_hold, **scope), _standing(state), _outcome(outcome))
    if project is not None:
        wanted = and_(wanted, await _reaching(store, caller, project))
    window = Window(after=listing.after(cursor), limit=limit)
    async with store.begin() as connection:
        found: Listed[BillingHold] = await page(connection, tb_billing_hold, caller, wanted, window, BillingHold.of)
    items = await answers.holds(store, caller, found.items)
    return HoldPage(items=items, next_cursor=listing.next_cursor(found.after))


async def get_hold(*, store: Store, caller: Caller, hold_id: str) -> Hold:
    """Return the hold, with what it met and who shows it."""
    return (await answers.holds(store, caller, [await _require_hold(store, caller, hold_id)]))[0]


async def lift_hold(
    *, store: Store, engine: Engine, caller: Caller, hold_id: str, body: HoldLift, wait_s: int | None
) -> Hold:
    """Return the hold, in force no longer."""
    hold = await _require_hold(store, caller, hold_id)
    if hold.placed_by != caller.client_id and not caller.has(OVERRIDE):
        raise Refused(Code.auth_scope_missing, f"{hold.placed_by} has placed it: to lift it takes {OVERRIDE}.")
    async with store.begin() as connection:
        hold = await lift_hold_within(connection, store, hold, by=caller.client_id, reason=body.reason)
    return await _told(store, engine, caller, hold, wait_s)


async def override_hold(*, store: Store, caller: Caller, hold_id: str, body: NewHoldOverride) -> HoldOverride:
    """Return the override, asked for now or met; somebody else has to approve it."""
    hold = await _require_hold(store, caller, hold_id)
    async with store.begin() as connection:
        override = await ask_within(connection, store, hold, caller, body.business_key, body.reason)
    return answers.override_of(caller, override)


async def approve_override(*, store: Store, caller: Caller, hold_id: str, override_id: str) -> HoldOverride:
    """Return the override, approved now or earlier by somebody who has not asked for it."""
    hold, asked = await _require_override(store, caller, hold_id, override_id)
    async with store.begin() as connection:
        approved = await approve_within(connection, store, hold, caller, asked)
    return answers.override_of(caller, approved)


async def withdraw_override(*, store: Store, caller: Caller, hold_id: str, override_id: str) -> HoldOverride:
    """Return the override, withdrawn now or earlier."""
    hold, asked = await _require_override(store, caller, hold_id, override_id)
    async with store.begin() as connection:
        withdrawn = await withdraw_within(connection, store, hold, caller, asked)
    return answers.override_of(caller, withdrawn)


async def _told(store: Store, engine: Engine, caller: Caller, hold: BillingHold, wait_s: int | None) -> Hold:
    """Return the hold as it is answered, once somebody is at work on telling the systems, or has told them."""
    if hold.pushed < hold.pushes:
        process = await push(store, engine, hold)
        if wait_s:
            await wait_until_resting(store, process.id, wait_s)
    async with store.begin() as connection:
        now = await find_holds(connection, tb_billing_hold.c.id == hold.id)
    return (await answers.holds(store, caller, now))[0]


async def _owners(store: Store, caller: Caller, scope: Scope) -> Owners:
    async with store.begin() as connection:
        owners = await find_owners(connection, scope)
    if owners is None or not may_hold(caller, owners):
        detail = "There is no such thing to hold, or you may not see it."
        raise Refused(Code.hold_scope_unknown, detail, _wrong(Code.hold_scope_unknown, "#/scope/id", detail))
    if owners.legal_entity is None and caller.legal_entities != "*":
        detail = "Several legal entities bill this customer. Hold its projects, or ask for the claim on all entities."
        raise Refused(Code.auth_entity_not_allowed, detail)
    return owners


async def _require_hold(store: Store, caller: Caller, hold_id: str) -> BillingHold:
    async with store.begin() as connection:
        found = await find_holds(connection, tb_billing_hold.c.id == hold_id, seen_by(caller, tb_billing_hold))
    if not found:
        raise Refused(Code.resource_not_found, "There is no such hold, or you may not see it.")
    return found[0]


async def _require_override(
    store: Store, caller: Caller, hold_id: str, override_id: str
) -> tuple[BillingHold, Override]:
    """Return the hold and its override; raises Refused where either is not there to the caller."""
    hold = await _require_hold(store, caller, hold_id)
    async with store.begin() as connection:
        overrides = await overrides_on(connection, caller, [hold_id])
    for override in overrides:
        if override.id == override_id:
            return hold, override
    raise Refused(Code.resource_not_found, "The hold has no such override, or you may not see its invoice.")


async def _reaching(store: Store, caller: Caller, project: str) -> ColumnElement[bool]:
    """Return the condition that a hold reaches the project; of one that is not seen, nothing is."""
    if await find_project(store, caller, project) is None:
        return tb_billing_hold.c.id.is_(None)
    async with store.begin() as connection:
        return reaching(project, await payers_of(connection, project))


def _standing(state: HoldStanding | None) -> ColumnElement[bool]:
    match state:
        case None:
            return true()
        case HoldStanding.in_force:
            return in_force()
        case HoldStanding.ended:
            return ~in_force()
        case _:
            return tb_billing_hold.c.state == state.value


def _outcome(outcome: HoldOutcome | None) -> ColumnElement[bool]:
    """Return the condition that this became of what the holds met, as `answers.py` shows it."""
    pending, too_late = having_met(Effect.pending), having_met(Effect.too_late)
    match outcome:
        case None:
            return true()
        case HoldOutcome.pending:
            return pending
        case HoldOutcome.too_late:
            return and_(~pending, too_late)
        case HoldOutcome.in_time:
            return and_(~pending, ~too_late)


def _new(caller: Caller, correlation_id: str, scope: Scope, owners: Owners, body: HoldBody) -> NewHold:
    reference = body.reference if body.reference is not UNSET else body.reason_code.value
    return NewHold(
        scope=scope,
        owners=owners,
        dimensions=Dimensions(body.dimensions) if body.dimensions is not UNSET else Dimensions.billing,
        reason=body.reason_code.value,
        note=None if body.note is UNSET else body.note,
        placed_by=caller.client_id,
        placed_in=GATEWAY,
        reference=reference,
        review_on=None if body.review_date is UNSET else body.review_date,
        lift_mode=LiftMode.until_lifted if body.until is UNSET else LiftMode.until_date,
        until=None if body.until is UNSET else body.until,
        correlation_id=correlation_id,
    )


def _check_until(store: Store, body: HoldBody) -> None:
    if body.until is not UNSET and body.until < store.now().date():
        detail = "This day is over, in UTC: the hold would never be in force."
        raise Refused(Code.request_malformed, detail, _wrong(Code.request_malformed, "#/until", detail))


def _require_type(scope_type: str | None, scope_id: str | None) -> None:
    if scope_id is not None and scope_type is None:
        detail = "Give `scope_type` with `scope_id`."
        violation = _wrong(Code.request_parameter_invalid, "#query/scope_type", detail)
        raise Refused(Code.request_malformed, detail, violation)


def _wrong(code: Code, pointer: str, detail: str) -> Violation:
    return Violation(code=code, pointer=pointer, detail=detail)
