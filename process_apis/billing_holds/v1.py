"""Handlers of `openapi/process/billing_holds/v1.yaml`: each calls version 2's, and says its answer in v1's words.

In v1 one field, `state`, says both whether a hold is in force and what it came too late for; version 2 has two. Of
overrides it says nothing. All that is decided is decided there.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.durable import Engine
from gateway.store.database import Store
from openapi.process.billing_holds import v2 as newer
from openapi.process.billing_holds.v1 import (
    HeldRequest,
    Hold,
    HoldAck,
    HoldDimensions,
    HoldLift,
    HoldLiftMode,
    HoldLink,
    HoldObject,
    HoldPage,
    HoldReason,
    HoldScope,
    HoldScopeType,
    HoldState,
    Lifted,
    NewHold,
)
from process_apis.billing_holds import v2

T = TypeVar("T", bound=Struct)


class Standing(NamedTuple):
    """What v1 calls the state, in the words of version 2."""

    state: newer.HoldStanding
    outcome: newer.HoldOutcome | None


STANDINGS: Final[Mapping[HoldState, Standing]] = MappingProxyType(
    {
        HoldState.requested: Standing(newer.HoldStanding.in_force, newer.HoldOutcome.pending),
        HoldState.active: Standing(newer.HoldStanding.in_force, newer.HoldOutcome.in_time),
        HoldState.too_late: Standing(newer.HoldStanding.in_force, newer.HoldOutcome.too_late),
        HoldState.lifted: Standing(newer.HoldStanding.lifted, None),
        HoldState.expired: Standing(newer.HoldStanding.expired, None),
    }
)


async def place_hold(
    *, store: Store, engine: Engine, caller: Caller, correlation_id: str, body: NewHold, wait_s: int | None
) -> Hold:
    """Return the hold, in force: stored now, or met."""
    asked = same(body, newer.NewHold)
    placed = await v2.place_hold(
        store=store, engine=engine, caller=caller, correlation_id=correlation_id, body=asked, wait_s=wait_s
    )
    return hold_of(placed)


async def list_holds(  # noqa: PLR0913 - the contract's parameters
    *,
    store: Store,
    caller: Caller,
    cursors: Cursors,
    scope_type: HoldScopeType | None,
    scope_id: str | None,
    project: str | None,
    state: HoldState | None,
    in_force: bool | None,
    limit: int,
    cursor: str | None,
) -> HoldPage:
    """Return the holds that the caller may see, the newest first."""
    standing, outcome = STANDINGS[state] if state else (None, None)
    if in_force is not None:
        asked = newer.HoldStanding.in_force if in_force else newer.HoldStanding.ended
        if standing and (standing is newer.HoldStanding.in_force) is not in_force:
            return HoldPage(items=[], next_cursor=None)  # No hold is both.
        standing = standing or asked
    page = await v2.list_holds(
        store=store,
        caller=caller,
        cursors=cursors,
        scope_type=newer.HoldScopeType(scope_type) if scope_type else None,
        scope_id=scope_id,
        project=project,
        state=standing,
        outcome=outcome,
        limit=limit,
        cursor=cursor,
    )
    return HoldPage(items=[hold_of(hold) for hold in page.items], next_cursor=page.next_cursor)


async def get_hold(*, store: Store, caller: Caller, hold_id: str) -> Hold:
    """Return the hold, with what it met and who shows it."""
    return hold_of(await v2.get_hold(store=store, caller=caller, hold_id=hold_id))


async def lift_hold(
    *, store: Store, engine: Engine, caller: Caller, hold_id: str, body: HoldLift, wait_s: int | None
) -> Hold:
    """Return the hold, in force no longer."""
    asked = same(body, newer.HoldLift)
    lifted = await v2.lift_hold(store=store, engine=engine, caller=caller, hold_id=hold_id, body=asked, wait_s=wait_s)
    return hold_of(lifted)


def hold_of(hold: newer.Hold) -> Hold:
    """Return the hold in the words of v1, which does not say what an ended hold came too late for."""
    in_force = hold.state is newer.HoldState.in_force
    stands = Standing(newer.HoldStanding(hold.state), hold.outcome if in_force else None)
    return Hold(
        id=hold.id,
        object=HoldObject(hold.object),
        version=hold.version,
        business_key=hold.business_key,
        state=next(state for state, standing in STANDINGS.items() if standing == stands),
        in_force=in_force,
        scope=same(hold.scope, HoldScope),
        dimensions=HoldDimensions(hold.dimensions),
        reason_code=HoldReason(hold.reason_code),
        note=hold.note,
        placed_by=hold.placed_by,
        placed_in=hold.placed_in,
        reference=hold.reference,
        placed_at=hold.placed_at,
        review_date=hold.review_date,
        lift_mode=HoldLiftMode.until_date if hold.until else HoldLiftMode.until_lifted,
        until=hold.until,
        legal_entity=hold.legal_entity,
        customer=hold.customer,
        project=hold.project,
        requests=[same(request, HeldRequest) for request in hold.requests],
        acks=[same(ack, HoldAck) for ack in hold.acks],
        lifted=same(hold.lifted, Lifted) if hold.lifted else None,
        links=[same(link, HoldLink) for link in hold.links],
        correlation_id=hold.correlation_id,
        updated_at=hold.updated_at,
    )


def same(value: Struct, kind: type[T]) -> T:
    """Return what both versions have in one form, as the other's type."""
    return msgspec.convert(msgspec.to_builtins(value), kind)
