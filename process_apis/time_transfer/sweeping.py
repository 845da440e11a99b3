"""The completeness sweep: what is approved is counted and summed on both sides, and what differs is looked at again."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.durable import get_process, process_id
from gateway.store import inbox, lasting_items
from gateway.store.database import Store
from gateway.store.work_items import NewItem
from openapi.common.types import Code
from openapi.system.psa.v1 import TimeTotal
from process_apis.ledger.entities import Entities
from process_apis.ledger.entries import Approval, tb_time_entry
from process_apis.ledger.keys import business_key
from process_apis.time_transfer.asking import cut_off
from process_apis.time_transfer.order import RUN, Counts, TransferOrder
from system_apis.ports import Psa

ENTRY: Final = tb_time_entry.c
SWEEP: Final = "sweep_time"
WINDOW: Final = timedelta(days=31)
TAKEN_OVER: Final = (Approval.approved, Approval.recall_requested)
"""What the PSA shows as approved, as far as we know."""
ROUNDING: Final = Decimal("0.005")
"""By how much the hours of one entry may be rounded otherwise in a sum."""


class Bucket(Struct, frozen=True, kw_only=True):
    """The time of a project and day on one side."""

    ids: frozenset[str]
    hours: Decimal


class Difference(Struct, frozen=True, kw_only=True):
    """A project and day that is not the same on both sides."""

    project_id: str
    work_date: date
    ids: list[str]
    """The entries that have to be looked at."""
    theirs: str
    ours: str


Buckets = Mapping[tuple[str, date], Bucket]
NOTHING: Final = Bucket(ids=frozenset(), hours=Decimal(0))


def differences(theirs: Buckets, ours: Buckets) -> list[Difference]:
    """Return where both sides differ: in which entries there are, or else in what they sum to."""
    found = []
    for project_id, day in sorted({*theirs, *ours}):
        left, right = theirs.get((project_id, day), NOTHING), ours.get((project_id, day), NOTHING)
        ids = left.ids ^ right.ids
        if not ids and abs(left.hours - right.hours) > ROUNDING * len(left.ids):
            ids = left.ids
        if ids:
            found.append(
                Difference(
                    project_id=project_id,
                    work_date=day,
                    ids=sorted(ids),
                    theirs=f"{len(left.ids)} entries, {left.hours:f} h",
                    ours=f"{len(right.ids)} entries, {right.hours:f} h",
                )
            )
    return found


async def look_again(store: Store, psa: Psa, order: TransferOrder) -> Counts:
    """Return how many entries are looked at again because both sides differ in them; what waits anyway need not be."""
    found = await _compare(store, psa, order)
    ids = {one for difference in found for one in difference.ids}
    async with store.begin() as connection:
        waiting = await inbox.waiting_ids(connection, order.source, ids)
        return Counts(requeued=await inbox.put_again(connection, store, order.source, ids - waiting))


async def explain(store: Store, psa: Psa, entities: Entities, order: TransferOrder) -> Counts:
    """Return how many projects and days still differ although all was looked at; somebody is asked about each."""
    found = await _compare(store, psa, order)
    process = await get_process(store, INSTALLATION, process_id())
    async with store.begin() as connection:
        ids = [one for difference in found for one in difference.ids]
        waiting = await inbox.waiting_ids(connection, order.source, ids)
        left = [difference for difference in found if not waiting.intersection(difference.ids)]
        keys = {_key(order, difference): difference for difference in left}
        open_keys = await lasting_items.open_keys(connection, RUN, SWEEP, _prefix(order))
        await lasting_items.close(connection, store, RUN, open_keys - set(keys))
        entity, now = entities.get(order.legal_entity), store.now()
        items = [_item(key, order, one, cut_off(one.work_date, now, entity)) for key, one in keys.items()]
        await lasting_items.report(connection, store, process, items)
    return Counts(rejected=len(left))


async def _compare(store: Store, psa: Psa, order: TransferOrder) -> list[Difference]:
    today = store.now().date()
    first = today - timedelta(days=order.settings.since_days)
    theirs: list[TimeTotal] = []
    for start, end in windows(first, today + timedelta(days=1)):
        theirs += await psa.list_time_totals(start, end)
    async with store.begin() as connection:
        ours = await _ours(connection, order.connection, first, today + timedelta(days=1))
    told = {
        (one.project_id, one.work_date): Bucket(ids=frozenset(one.entry_ids), hours=Decimal(one.hours))
        for one in theirs
    }
    return differences(told, ours)


def windows(first: date, last: date) -> Iterable[tuple[date, date]]:
    """Yield intervals that cover all days once."""
    while first <= last:
        end = min(first + WINDOW - timedelta(days=1), last)
        yield first, end
        first = end + timedelta(days=1)


async def _ours(connection: AsyncConnection, psa: str, first: date, last: date) -> Buckets:
    asked = select(ENTRY.external_id, ENTRY.psa_project_id, ENTRY.work_date, ENTRY.hours).where(
        ENTRY.psa == psa,
        ENTRY.work_date.between(first, last),
        ENTRY.approval.in_([state.value for state in TAKEN_OVER]),
    )
    ids, hours = defaultdict[tuple[str, date], set[str]](set), defaultdict[tuple[str, date], Decimal](Decimal)
    for row in await connection.execute(asked):
        ids[row.psa_project_id, row.work_date].add(row.external_id)
        hours[row.psa_project_id, row.work_date] += Decimal(row.hours)
    return {place: Bucket(ids=frozenset(found), hours=hours[place]) for place, found in ids.items()}


def _prefix(order: TransferOrder) -> str:
    return business_key("tts", order.connection) + "_"


def _key(order: TransferOrder, difference: Difference) -> str:
    return _prefix(order) + business_key("p", difference.project_id, str(difference.work_date))


def _item(key: str, order: TransferOrder, difference: Difference, deadline: datetime) -> NewItem:
    where = f"project {difference.project_id} on {difference.work_date}"
    detail = f"The PSA has {difference.theirs} approved for {where}; here it is {difference.ours}, all looked at again."
    facts = {"connection": order.connection, "entry_ids": difference.ids}
    code = Code.upstream_conflict_stale
    return NewItem(step=SWEEP, trace_key=key, code=code, detail=detail, facts=facts, deadline=deadline)
