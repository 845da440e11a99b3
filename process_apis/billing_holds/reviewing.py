"""Holds whose day of review is over: somebody is asked about each, and who keeps one looks at it again later."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.durable import Engine, Process, find_process, get_process
from gateway.store import lasting_items
from gateway.store.database import Store
from gateway.store.work_items import NewItem, WorkItem
from openapi.common.types import Code, Money
from process_apis.ledger import hold_flags
from process_apis.ledger.facts import Billing, Kind, find_facts, tb_fact
from process_apis.ledger.hold_placing import REVIEWED_AFTER, BillingHold, find_holds
from process_apis.ledger.hold_scopes import facts_in
from process_apis.ledger.holds import in_force, tb_billing_hold
from process_apis.ledger.money import money, total

KIND: Final = "billing_hold"
REVIEW: Final = "review_hold"
"""What a work item says is not done, while nobody has looked at a hold again."""
HELD: Final = (Billing.unbilled, Billing.ready)
_HOLD: Final = tb_billing_hold.c


async def ask_for_reviews(store: Store) -> None:
    """Return once somebody is asked about each hold whose day of review is over, and about no other one."""
    async with store.begin() as connection:
        due = await find_holds(connection, in_force(), _HOLD.review_on < store.now().date())
        asked = await lasting_items.open_keys(connection, KIND, REVIEW, "")
        await lasting_items.close(connection, store, KIND, asked - {hold.business_key for hold in due})
    for hold in due:
        if hold.business_key not in asked:
            await _ask(store, hold)


async def _ask(store: Store, hold: BillingHold) -> None:
    process = await find_process(store, INSTALLATION, KIND, hold.business_key)
    if process is None:  # Nobody was told of the hold yet: that comes first, and soon.
        return
    what = hold.scope.type.replace("_", " ")
    detail = (
        f"The hold on the {what} {hold.scope.id} was to be looked at on {hold.review_on}, and is in force still. "
        f"Lift it; or resume this item, and it is looked at again in {REVIEWED_AFTER.days} days."
    )
    async with store.begin() as connection:
        item = NewItem(
            step=REVIEW,
            trace_key=hold.business_key,
            code=Code.billing_hold_active,
            detail=detail,
            facts={"hold": hold.id},
            deadline=datetime.combine(hold.review_on + timedelta(days=1), time(), UTC),
            amount_at_risk=await amount_held(connection, hold),
        )
        await lasting_items.report(connection, store, process, [item])


async def amount_held(connection: AsyncConnection, hold: BillingHold) -> Money | None:
    """Return what waits because of the hold; of several currencies no sum can be said."""
    columns = tb_fact.c
    sold = columns.kind.in_([Kind.sale.value, Kind.fee.value])
    waiting = columns.billing.in_([state.value for state in HELD])
    facts = await find_facts(connection, facts_in(hold.scope), sold, waiting)
    currencies = {fact.currency for fact in facts}
    return money(total(Decimal(fact.net) for fact in facts), *currencies) if len(currencies) == 1 else None


async def keep(store: Store, _engine: Engine, item: WorkItem) -> Process:
    """Return the hold's process, once the hold has another day of review, which other systems are told."""
    now = store.now()
    mine = (_HOLD.business_key == item.trace_key, in_force())
    later = {"review_on": (now + REVIEWED_AFTER).date(), "pushes": _HOLD.pushes + 1, "push_asked_at": now}
    changed = {"version": _HOLD.version + 1, "updated_at": now}
    async with store.begin() as connection:
        keeping = update(tb_billing_hold).where(*mine).values(**later, **changed).returning(tb_billing_hold)
        for row in (await connection.execute(keeping)).all():
            await hold_flags.ask(connection, store, row)
        await lasting_items.close(connection, store, KIND, [item.trace_key])
    return await get_process(store, INSTALLATION, item.process_id)
