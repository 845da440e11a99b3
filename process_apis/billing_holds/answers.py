"""Holds as they are answered: what they met, who shows them, and as much of the words as the caller may read."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from gateway.caller import Caller
from gateway.store.database import Store
from openapi.process.billing_holds.v2 import (
    HeldRequest,
    Hold,
    HoldAck,
    HoldAckState,
    HoldDimensions,
    HoldEffect,
    HoldLink,
    HoldObject,
    HoldOutcome,
    HoldOverride,
    HoldOverrideObject,
    HoldOverrideState,
    HoldReason,
    HoldScope,
    HoldScopeType,
    HoldState,
    Lifted,
)
from process_apis.ledger import hold_flags, hold_requests
from process_apis.ledger.hold_flags import Ack
from process_apis.ledger.hold_overrides import Override, overrides_on
from process_apis.ledger.hold_placing import BillingHold
from process_apis.ledger.hold_requests import Effect, MetRequest
from process_apis.ledger.money import money

STATUS: Final = "/process/status/v1/project-statuses"
DETAILS: Final[Mapping[Effect, str]] = MappingProxyType(
    {
        Effect.stopped: "Nothing of it is in the ERP, and nothing will be while the hold is in force.",
        Effect.pending: "It was submitted before the hold; whether the ERP has it is not known yet.",
        Effect.too_late: "It was submitted before the hold. Its invoice is there: have finance credit it in the ERP.",
    }
)
OUTCOMES: Final[Mapping[hold_requests.HoldState, HoldOutcome]] = MappingProxyType(
    {
        hold_requests.HoldState.requested: HoldOutcome.pending,
        hold_requests.HoldState.active: HoldOutcome.in_time,
        hold_requests.HoldState.too_late: HoldOutcome.too_late,
    }
)


async def holds(store: Store, caller: Caller, found: Sequence[BillingHold]) -> list[Hold]:
    """Return the holds as they are answered."""
    ids = [hold.id for hold in found]
    async with store.begin() as connection:
        met = await hold_requests.met_by(connection, ids)
        acks = await hold_flags.acks_of(connection, ids)
        overrides = await overrides_on(connection, caller, ids)
    return [
        _hold(
            caller,
            hold,
            [request for request in met if request.hold_id == hold.id],
            [ack for ack in acks if ack.hold_id == hold.id and caller.may_see(project=ack.project)],
            [override for override in overrides if override.hold_id == hold.id],
        )
        for hold in found
    ]


def override_of(caller: Caller, override: Override) -> HoldOverride:
    """Return the override as it is answered: words and names are for colleagues."""
    inside = not caller.is_limited
    return HoldOverride(
        id=override.id,
        object=HoldOverrideObject.hold_override,
        hold_id=override.hold_id,
        request_id=override.request_id,
        business_key=override.business_key,
        net=money(Decimal(override.net), override.currency),
        state=HoldOverrideState(override.state),
        reason=override.reason if inside else None,
        requested_by=override.requested_by if inside else None,
        requested_at=override.requested_at,
        approved_by=override.approved_by if inside else None,
        approved_at=override.approved_at,
        withdrawn_by=override.withdrawn_by if inside else None,
        withdrawn_at=override.withdrawn_at,
        invoice_id=override.invoice_id,
        invoice_number=override.invoice_number,
    )


def _hold(
    caller: Caller,
    hold: BillingHold,
    met: Sequence[MetRequest],
    acks: Sequence[Ack],
    overrides: Sequence[Override],
) -> Hold:
    used = [override.used_at for override in overrides if override.used_at]  # Its row does not change with that.
    # What colleagues wrote to each other is not the customer's to read.
    readable = not caller.is_limited or hold.placed_by == caller.client_id
    return Hold(
        id=hold.id,
        object=HoldObject.hold,
        version=hold.version + len(used),
        business_key=hold.business_key,
        state=HoldState.in_force if hold.in_force else HoldState(hold.state),
        outcome=OUTCOMES[hold_requests.state_after({request.effect for request in met})],
        scope=HoldScope(type=HoldScopeType(hold.scope.type), id=hold.scope.id),
        dimensions=HoldDimensions(hold.dimensions),
        reason_code=HoldReason(hold.reason),
        note=hold.note if readable else None,
        placed_by=hold.placed_by,
        placed_in=hold.placed_in,
        reference=hold.reference if readable else None,
        placed_at=hold.placed_at,
        review_date=hold.review_on,
        until=hold.until,
        legal_entity=hold.legal_entity,
        customer=hold.customer,
        project=hold.project,
        requests=[_request(request) for request in met],
        acks=[_ack(ack) for ack in acks],
        overrides=[override_of(caller, override) for override in overrides],
        lifted=_lifted(hold, readable=readable),
        links=[HoldLink(rel="status", href=f"{STATUS}/{hold.project}")] if hold.project else [],
        correlation_id=hold.correlation_id,
        updated_at=max([hold.updated_at, *used]),
    )


def _request(met: MetRequest) -> HeldRequest:
    return HeldRequest(
        request_id=met.request_id,
        effect=HoldEffect(met.effect),
        invoice_id=met.invoice_id,
        invoice_number=met.invoice_number,
        detail=DETAILS[met.effect],
        at=met.at,
    )


def _ack(ack: Ack) -> HoldAck:
    return HoldAck(
        connection=ack.connection,
        project=ack.project,
        state=HoldAckState(ack.state),
        held=ack.held,
        asked_at=ack.asked_at,
        at=ack.at,
    )


def _lifted(hold: BillingHold, *, readable: bool) -> Lifted | None:
    if hold.lifted_at is None:
        return None
    return Lifted(by=hold.lifted_by or "", at=hold.lifted_at, reason=hold.lift_reason if readable else None)
