"""What is looked after at set intervals: words not said or not heard, what holds wait for, flags elsewhere."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.durable import Engine, Process, Schedule
from gateway.errors import Refused, Unavailable
from gateway.store import work_items
from gateway.store.database import Store
from gateway.store.pages import Window
from gateway.store.work_items import NewItem
from openapi.common.types import Code
from process_apis.billing_holds.reviewing import amount_held, ask_for_reviews
from process_apis.billing_holds.workflow import AWAITING, push
from process_apis.ledger import hold_flags, hold_requests
from process_apis.ledger.facts import Billing, tb_fact
from process_apis.ledger.hold_flags import AckState
from process_apis.ledger.hold_observing import observe_holds
from process_apis.ledger.hold_placing import BillingHold, find_holds, lift_hold_within
from process_apis.ledger.hold_requests import HoldState
from process_apis.ledger.holds import in_force, tb_billing_hold
from process_apis.ledger.projects import tb_project
from system_apis.ports import Landscape

_log = logging.getLogger(__name__)
EXPIRED: Final = "Its last day is over."


class HoldSettings(Struct, frozen=True, kw_only=True):
    """How soon a system has to confirm, and how often is looked."""

    ack_within_s: float = 60.0
    push_every_s: float = 15.0
    settle_every_s: float = 30.0
    observe_every_s: float = 120.0
    """Between the looks of releases, which read the flags themselves before they submit."""


def schedules(
    store: Store, engine: Engine, landscape: Landscape, settings: HoldSettings | None = None
) -> Sequence[Schedule]:
    """Return what a worker does for holds again and again."""
    clocks = settings or HoldSettings()
    pushing = partial(push_what_is_left, store, engine, clocks.ack_within_s)
    return (
        Schedule(name="billing_holds.push", every_s=clocks.push_every_s, run=pushing),
        Schedule(name="billing_holds.settle", every_s=clocks.settle_every_s, run=partial(settle, store)),
        Schedule(name="billing_holds.observe", every_s=clocks.observe_every_s, run=partial(observe, store, landscape)),
    )


async def push_what_is_left(store: Store, engine: Engine, ack_within_s: float) -> None:
    """Return once every hold on which there is something to say has a process that says it.

    Where a system has not confirmed in time, somebody is asked to look at it; the item closes once it has.
    """
    columns = tb_billing_hold.c
    async with store.begin() as connection:
        left = await find_holds(connection, columns.pushed < columns.pushes)
    for hold in left:
        process = await push(store, engine, hold)
        late = hold.push_asked_at + timedelta(seconds=ack_within_s) <= store.now()
        if late and process.ended_at is None and not await _is_said(store, process):
            await _say_that_it_is_late(store, process, hold, ack_within_s)


async def settle(store: Store) -> None:
    """Return once no hold waits for what is known, none is in force after its last day, and none is forgotten."""
    async with store.begin() as connection:
        waited_for = await hold_requests.pending_requests(connection)
    for request_id in waited_for:
        async with store.begin() as connection:
            await hold_requests.resolve_holds(connection, store, request_id)
    async with store.begin() as connection:
        over = await find_holds(connection, in_force(), tb_billing_hold.c.until < store.now().date())
    for hold in over:
        async with store.begin() as connection:
            state = HoldState.expired
            await lift_hold_within(connection, store, hold, by="tiebeam", reason=EXPIRED, state=state)
    await ask_for_reviews(store)


async def observe(store: Store, landscape: Landscape) -> None:
    """Return once the flags of projects with something to bill were read; a PSA that is away is asked no further."""
    async with store.begin() as connection:
        projects = await _projects_with_something_to_bill(connection)
    away = set()
    for project, entity in projects:
        try:
            psa = landscape.psa_of(entity)
            if psa not in away:
                await observe_holds(store, landscape, [project])
        except Unavailable:
            away.add(psa)
        except Refused as refused:
            _log.warning("The flag of %s cannot be read: %s", project, refused.code.value)


async def _projects_with_something_to_bill(connection: AsyncConnection) -> list[tuple[str, str]]:
    waiting = [Billing.ready.value, Billing.on_request.value]
    to_bill = select(tb_fact.c.project).where(tb_fact.c.billing.in_(waiting))
    asked = select(tb_project.c.id, tb_project.c.legal_entity).where(tb_project.c.id.in_(to_bill))
    return [(row.id, row.legal_entity) for row in await connection.execute(asked.order_by(tb_project.c.id))]


async def _is_said(store: Store, process: Process) -> bool:
    """Tell whether somebody is asked already: an item that is opened again would be nobody's."""
    open_items = await work_items.list_all(store, INSTALLATION, Window(limit=100), process_id=process.id)
    return any(item.step == AWAITING for item in open_items.items)


async def _say_that_it_is_late(store: Store, process: Process, hold: BillingHold, ack_within_s: float) -> None:
    async with store.begin() as connection:
        acks = await hold_flags.acks_of(connection, [hold.id])
        late = sorted({ack.connection for ack in acks if ack.state is AckState.asked})
        if not late:
            return
        detail = f"{', '.join(late)} has not confirmed the hold {hold.business_key}. Here it counts all the same."
        item = NewItem(
            step=AWAITING,
            trace_key=hold.business_key,
            code=Code.billing_ack_missing,
            detail=detail,
            deadline=hold.push_asked_at + timedelta(seconds=ack_within_s),
            amount_at_risk=await amount_held(connection, hold),
        )
        await work_items.open_item(connection, store, process, item)
