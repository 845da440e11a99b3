"""What a hold met on its way to the ERP: the requests that it stops, and those that it may have come too late for."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct
from sqlalchemy import Column, ColumnElement, ForeignKey, Row, String, Table, and_, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store import business_events
from gateway.store.business_events import NewEvent
from gateway.store.database import Store, metadata
from gateway.store.instant import Instant
from gateway.store.processes import tb_process_instance
from process_apis.ledger.facts import tb_fact
from process_apis.ledger.hold_scopes import facts_in
from process_apis.ledger.holds import WITHOUT_LOCK, Scope, in_force, tb_billing_hold
from process_apis.ledger.requests import (
    IN_FLIGHT,
    OPEN,
    RequestState,
    tb_invoice_request,
    tb_invoice_request_fact,
)

tb_hold_request = Table(
    "tb_hold_request",
    metadata,
    Column("hold_id", String(40), ForeignKey("tb_billing_hold.id"), primary_key=True),
    Column("request_id", String(40), primary_key=True, index=True),
    Column("effect", String(20), nullable=False),
    Column("invoice_id", String(200)),
    Column("invoice_number", String(200)),
    Column("at", Instant(), nullable=False),
)


class HoldState(StrEnum):
    """Where a hold is. In all but the last two it is in force."""

    requested = "requested"
    """What it met is on its way: whether it came in time is not known yet."""
    active = "active"
    too_late = "too_late"
    """An invoice that was submitted before it exists; the hold stops all others."""
    lifted = "lifted"
    expired = "expired"


class Effect(StrEnum):
    """What a hold is to a request."""

    stopped = "stopped"
    """The fence refuses it, or has: nothing of it is in the ERP."""
    pending = "pending"
    too_late = "too_late"


class MetRequest(Struct, frozen=True, kw_only=True):
    """A request that a hold met."""

    hold_id: str
    request_id: str
    effect: Effect
    invoice_id: str | None
    invoice_number: str | None
    at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return what a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        return cls(**values | {"effect": Effect(row.effect)})


_FLYING: Final = [state.value for state in IN_FLIGHT]


async def meet_requests(connection: AsyncConnection, store: Store, hold_id: str, scope: Scope) -> HoldState:
    """Return the state of a new hold; what it met is written down with it."""
    effects = set()
    for row in await _affected(connection, scope):
        effect = _effect_on(row)
        effects.add(effect)
        values = {"hold_id": hold_id, "request_id": row.id, "at": store.now(), **_known(row, effect)}
        await connection.execute(insert(tb_hold_request).values(**values))
    return state_after(effects)


async def met_by(connection: AsyncConnection, hold_ids: Sequence[str]) -> list[MetRequest]:
    """Return what each of the holds met, the oldest request first."""
    asked = select(tb_hold_request).where(tb_hold_request.c.hold_id.in_(hold_ids))
    return [MetRequest.of(row) for row in await connection.execute(asked.order_by(tb_hold_request.c.request_id))]


def having_met(effect: Effect) -> ColumnElement[bool]:
    """Return the condition that a hold has had the effect on one of the requests that it met."""
    met = tb_hold_request.c
    return exists().where(met.hold_id == tb_billing_hold.c.id, met.effect == effect.value)


async def resolve_holds(connection: AsyncConnection, store: Store, request_id: str) -> None:
    """Tell every hold that met the request what has become of it, as its row says now.

    Called in the transaction that moves the request, once it is moved: posted, the holds came too late for it; held,
    rejected or cancelled, they have stopped it. While it is under way nothing changes.
    """
    row = (await connection.execute(_requests(tb_invoice_request.c.id == request_id))).one_or_none()
    if row is None or (effect := _effect_on(row)) is Effect.pending:
        return
    other = and_(tb_hold_request.c.request_id == request_id, tb_hold_request.c.effect != effect.value)
    telling = update(tb_hold_request).where(other).values(at=store.now(), **_known(row, effect))
    holds = (await connection.execute(telling.returning(tb_hold_request.c.hold_id))).scalars().all()
    moved = [await _settle(connection, store, hold_id) for hold_id in sorted(holds)]
    # Last: from the first event on the chain is locked, and who lifts one of the next holds would wait for it.
    for hold in filter(None, moved):
        await tell(connection, store, hold, hold.state)


async def pending_requests(connection: AsyncConnection) -> list[str]:
    """Return the requests that a hold waits for, for a look at what may have been missed."""
    asked = select(tb_hold_request.c.request_id).where(tb_hold_request.c.effect == Effect.pending.value).distinct()
    return sorted((await connection.execute(asked)).scalars())


async def _settle(connection: AsyncConnection, store: Store, hold_id: str) -> Row[Any] | None:
    """Return the hold, moved to where its requests put it, or None; one that is lifted stays lifted."""
    asked = select(tb_hold_request.c.effect).where(tb_hold_request.c.hold_id == hold_id)
    state = state_after({Effect(effect) for effect in (await connection.execute(asked)).scalars()})
    columns = tb_billing_hold.c
    changed = and_(columns.id == hold_id, in_force(), columns.state != state.value)
    moving = update(tb_billing_hold).where(changed).returning(tb_billing_hold)
    moved = moving.values(state=state.value, version=columns.version + 1, updated_at=store.now())
    row: Row[Any] | None = (await connection.execute(moved)).one_or_none()
    return row


def event_type(what: str) -> str:
    """Return the type of the event that says what became of a hold."""
    return f"tiebeam.billing_hold.{what}.v1"


_OF_OVERRIDES: Final = ("override_requested", "overridden", "override_withdrawn")
TOLD: Final = ("placed", "flag_overtaken", "flag_restored", *_OF_OVERRIDES, *HoldState)
EVENT_TYPES: Final = frozenset(map(event_type, TOLD))
"""What is told of holds, besides where their processes are."""


async def tell(
    connection: AsyncConnection, store: Store, row: Row[Any], what: str, *, by: str = "tiebeam", **data: object
) -> None:
    """Append the event that says what became of a hold."""
    shown = {name: getattr(row, name) for name in ("business_key", "scope_type", "scope_id", "reason", "state")}
    event = NewEvent(
        type=event_type(what),
        subject=row.id,
        data=shown | data,
        actor=by,
        causation_id=row.correlation_id[:64],
        legal_entity=row.legal_entity,
        customer=row.customer,
        project=row.project,
    )
    await business_events.append(connection, store, event)


async def _affected(connection: AsyncConnection, scope: Scope) -> Sequence[Row[Any]]:
    """Return the requests with a fact in the scope that are not over, the oldest first.

    An invoice that is posted already is what a hold on one fact or milestone asks about; a wider one means the next.
    """
    on = tb_invoice_request_fact.c
    inside = select(on.request_id).join(tb_fact, tb_fact.c.id == on.fact_id).where(on.live, facts_in(scope))
    states = [state.value for state in (*OPEN, *IN_FLIGHT)]
    if scope.type in WITHOUT_LOCK:
        states.append(RequestState.posted.value)
    wanted = and_(tb_invoice_request.c.id.in_(inside), tb_invoice_request.c.state.in_(states))
    return (await connection.execute(_requests(wanted))).all()


def _requests(wanted: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's own types, longer than what they say
    """Return the query of requests with the end of their process; nobody moves them until the transaction ends."""
    columns, process = tb_invoice_request.c, tb_process_instance.c
    ended = process.ended_at.label("ended_at")
    asked = select(columns.id, columns.state, columns.invoice_id, columns.invoice_number, ended)
    joined = asked.join(tb_process_instance, process.id == columns.process_id).where(wanted).order_by(columns.id)
    return joined.with_for_update(of=tb_invoice_request)


def _effect_on(row: Row[Any]) -> Effect:
    created = row.state == RequestState.posted or (row.state == RequestState.accepted and row.ended_at is not None)
    if created:
        return Effect.too_late
    return Effect.pending if row.state in _FLYING else Effect.stopped


def _known(row: Row[Any], effect: Effect) -> dict[str, object]:
    there = effect is Effect.too_late
    invoice = {"invoice_id": row.invoice_id, "invoice_number": row.invoice_number}
    return {"effect": effect.value, **(invoice if there else dict.fromkeys(invoice))}


def state_after(effects: set[Effect]) -> HoldState:
    """Return where a hold in force stands that has had these effects."""
    if Effect.pending in effects:
        return HoldState.requested
    return HoldState.too_late if Effect.too_late in effects else HoldState.active
