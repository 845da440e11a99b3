"""Taking changes in: from the PSA's lists into the inbox, and what waits for another try."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.durable import process_id
from gateway.store import inbox, locks
from gateway.store.database import Store
from gateway.store.inbox import Change
from openapi.common.types import Code
from openapi.system.psa.v1 import TimeChanges
from openapi.system.psa.v1 import TimeEntry as Theirs
from process_apis.ledger.entries import Approval, TimeEntry, Transfer, find_entries, tb_time_entry
from process_apis.time_transfer.content import is_known, version_of
from process_apis.time_transfer.order import Counts, TransferOrder, lock_of
from system_apis.ports import Psa

ENTRY = tb_time_entry.c
LEFT_BEHIND = (Transfer.queued, Transfer.posting, Transfer.in_doubt, Transfer.reversal_queued)
AT_MOST = 1000
"""How many entries one run looks at anew; the others are as old at the next one."""


class Taken(Struct, frozen=True, kw_only=True):
    """What was taken in, and where the list goes on."""

    counts: Counts
    since: datetime
    after: str | None


async def begin(store: Store, order: TransferOrder) -> Counts:
    """Return what waits for another try, once the PSA's time is locked, and what a dead run has left is free again."""
    await locks.take(store, process_id(), [lock_of(order.connection)])
    async with store.begin() as connection:
        await inbox.release(connection, order.source, but=process_id())
        asked = select(ENTRY.external_id).where(ENTRY.psa == order.connection, _stuck(store, order))
        ids = (await connection.execute(asked.order_by(ENTRY.updated_at).limit(AT_MOST))).scalars()
        requeued = await inbox.put_again(connection, store, order.source, set(ids))
        await inbox.prune(connection, store, timedelta(days=order.settings.keep_settled_days))
    return Counts(requeued=requeued)


def _stuck(store: Store, order: TransferOrder) -> ColumnElement[bool]:
    """Return the condition that a revision was left under way, or was refused a while ago and still counts."""
    under_way = ENTRY.transfer.in_([state.value for state in LEFT_BEHIND])
    unknown = ENTRY.code.is_(None) | (ENTRY.code == Code.upstream_timeout_uncertain.value)
    over = (ENTRY.approval == Approval.superseded.value) | (ENTRY.transfer == Transfer.cancelled.value)
    refused = ENTRY.code.is_not(None) & or_(under_way, ~over)
    due = ENTRY.updated_at <= store.now() - timedelta(seconds=order.settings.retry_rejected_s)
    return or_(under_way & unknown, refused & due)


async def take_in(store: Store, psa: Psa, order: TransferOrder, earlier: Taken | None) -> Taken:
    """Return what was new of some pages of the PSA's changes, kept; `earlier` is where the last pages ended."""
    since = earlier.since if earlier else await _since(store, psa, order)
    after, read, new, unchanged = earlier.after if earlier else None, 0, 0, 0
    for _ in range(order.settings.pages):
        page = await psa.list_time_entries(changed_since=since, after=after, limit=order.settings.page_size)
        fresh, kept = await _keep(store, psa, order, page.items)
        read, new, unchanged = read + len(page.items), new + kept, unchanged + len(page.items) - fresh
        after = page.after
        if after is None:
            break
    counts = Counts(read=read, duplicate_ignored=read - unchanged - new, unchanged=unchanged)
    return Taken(counts=counts, since=since, after=after)


async def _since(store: Store, psa: Psa, order: TransferOrder) -> datetime:
    """Return the moment from which changes are asked for, some of them again."""
    async with store.begin() as connection:
        mark = await inbox.read_watermark(connection, order.source)
    settings, now = order.settings, store.now()
    if psa.capabilities.time_changes is TimeChanges.window:
        return now - timedelta(days=settings.since_days if order.sweep or mark is None else settings.window_days)
    if mark is None:
        return now - timedelta(days=settings.since_days)
    return mark - timedelta(seconds=settings.overlap_s)


async def _keep(store: Store, psa: Psa, order: TransferOrder, entries: Sequence[Theirs]) -> tuple[int, int]:
    """Return how many entries are not as they were taken over, and how many of these were not told before."""
    if not entries:
        return 0, 0
    watermarked = psa.capabilities.time_changes is TimeChanges.watermark
    moment = max(entry.updated_at for entry in entries) if watermarked else store.now()
    async with store.begin() as connection:
        latest = await latest_of(connection, order.connection, [entry.id for entry in entries])
        fresh = [entry for entry in entries if not is_known(entry, latest.get(entry.id))]
        changes = [change_of(entry, version_of(entry)) for entry in fresh]
        new = await inbox.put(connection, store, order.source, changes)
        await inbox.move_watermark(connection, store, order.source, moment)
    return len(fresh), new


def change_of(entry: Theirs, version: str) -> Change:
    """Return the change, with the project and the day that it is about: a release of others does not wait for it."""
    return Change(external_id=entry.id, version=version, within=entry.project_id, day=entry.work_date)


async def latest_of(connection: AsyncConnection, psa: str, external_ids: Sequence[str]) -> dict[str, TimeEntry]:
    """Return the newest revision of each entry that is known."""
    rows = await find_entries(connection, ENTRY.psa == psa, ENTRY.external_id.in_(sorted(set(external_ids))))
    found: dict[str, TimeEntry] = {}
    for entry in rows:
        known = found.get(entry.external_id)
        if known is None or known.revision < entry.revision:
            found[entry.external_id] = entry
    return found


async def more_waits(store: Store, order: TransferOrder) -> bool:
    """Tell whether the next run has something to do at once."""
    async with store.begin() as connection:
        return await inbox.waits(connection, order.source)
