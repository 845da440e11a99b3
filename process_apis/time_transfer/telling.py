"""What the PSA is told of each entry: where it stands now. A newer word replaces the one before; none is said twice.

What it did not take, for whatever reason, is said again by a later run: an entry remembers what it was told last.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import UNSET, Struct, json
from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.durable import get_process, process_id
from gateway.store import lasting_items
from gateway.store.database import Store
from gateway.store.work_items import NewItem
from openapi.common.types import Code, Money
from openapi.system.psa.v1 import NewEntryFeedback, TimeFeedbackState
from process_apis.ledger.entries import Approval, TimeEntry, Transfer, move_entries, tb_time_entry
from process_apis.ledger.facts import Adjustment, Billing, Fact, Kind
from process_apis.ledger.keys import business_key
from process_apis.ledger.money import money, total
from process_apis.ledger.requests import InvoiceRequest, invoices_of
from process_apis.time_transfer.asking import cut_off
from process_apis.time_transfer.content import History
from process_apis.time_transfer.histories import histories, locked_histories
from process_apis.time_transfer.order import RUN, Counts

ENTRY: Final = tb_time_entry.c
WORDS: Final = {
    Transfer.posted: TimeFeedbackState.posted,
    Transfer.rejected_validation: TimeFeedbackState.rejected,
    Transfer.ignored: TimeFeedbackState.ignored,
    Transfer.reversed: TimeFeedbackState.reversed,
}
"""What is told; of what is under way nothing is."""
LONGEST_REASON: Final = 500
UNHEARD: Final = "The PSA was told what became of time, and does not say whether it shows it. It is told again."
NOTHING_TO_POST: Final = "There is nothing to post."


class Pending(Struct, frozen=True, kw_only=True):
    """What the PSA is to be told."""

    feedback: list[NewEntryFeedback]


Invoices = Mapping[str, InvoiceRequest]
"""The invoices by the facts that are billed with them."""


def feedback_of(entry: TimeEntry, facts: Sequence[Fact], invoices: Invoices) -> NewEntryFeedback | None:
    """Return what the PSA is told of the entry; None where there is nothing to tell. What it cost is not its matter."""
    word = WORDS.get(entry.transfer)
    if word is None:
        return None
    mine = [fact for fact in facts if fact.revision == entry.revision and fact.adjustment is not Adjustment.reversal]
    billed = [fact for fact in mine if fact.id in invoices]
    if word is TimeFeedbackState.posted:
        return _billed(entry, billed, invoices) if billed else _posted(entry, mine)
    reason = NOTHING_TO_POST if word is TimeFeedbackState.ignored else entry.detail
    return NewEntryFeedback(entry_id=entry.external_id, state=word, reason=reason[:LONGEST_REASON] if reason else UNSET)


def _posted(entry: TimeEntry, facts: Sequence[Fact]) -> NewEntryFeedback:
    sales = [fact for fact in facts if fact.kind is Kind.sale and fact.billing is not Billing.cap_failed]
    references = [fact.erp_number or fact.erp_ref for fact in (*sales, *facts)]
    return NewEntryFeedback(
        entry_id=entry.external_id,
        state=TimeFeedbackState.posted,
        reference=next((one for one in references if one), UNSET),
        amount=_sum(sales) if sales else UNSET,
        reason=entry.detail[:LONGEST_REASON] if entry.detail else UNSET,
    )


def _billed(entry: TimeEntry, facts: Sequence[Fact], invoices: Invoices) -> NewEntryFeedback:
    """Return what the release of the newest invoice says: that it is posted is no news any more."""
    newest = max((invoices[fact.id] for fact in facts), key=lambda one: (one.posted_at or one.created_at, one.id))
    return NewEntryFeedback(
        entry_id=entry.external_id,
        state=TimeFeedbackState.billed,
        reference=newest.invoice_number or newest.business_key,
        amount=_sum([fact for fact in facts if invoices[fact.id].id == newest.id]),
    )


def _sum(sales: Sequence[Fact]) -> Money:
    return money(total(Decimal(fact.net) for fact in sales), sales[0].currency)


def digest(feedback: NewEntryFeedback) -> str:
    """Return what an entry remembers of what was told."""
    return hashlib.sha256(json.encode(feedback)).hexdigest()


async def mark_untold(connection: AsyncConnection, store: Store, known: Mapping[str, History]) -> None:
    """Let be told what is not as it was told last."""
    untold, invoices = [], await _invoices(connection, known)
    for history in known.values():
        latest, now = history.latest, _now(history, invoices)
        if latest and now and latest.told not in {None, now}:
            untold.append(latest.id)
    if untold:
        await move_entries(connection, store, untold, told=None)


def _now(history: History, invoices: Invoices) -> str | None:
    """Return the digest of what there is to tell of the entry now."""
    feedback = feedback_of(history.latest, history.facts, invoices) if history.latest else None
    return digest(feedback) if feedback else None


async def _invoices(connection: AsyncConnection, known: Mapping[str, History]) -> Invoices:
    """Return with which invoices the entries' facts are billed."""
    facts = [fact for history in known.values() for fact in history.facts]
    return await invoices_of(connection, [fact.id for fact in facts if fact.billing is Billing.billed])


async def pending(store: Store, psa: str, limit: int) -> Pending:
    """Return what is to be told, the longest waiting first."""
    waiting = (
        ENTRY.psa == psa,
        ENTRY.told.is_(None),
        ENTRY.transfer.in_([state.value for state in WORDS]),
        ENTRY.approval != Approval.superseded.value,
    )
    async with store.begin() as connection:
        asked = select(ENTRY.external_id).where(*waiting).order_by(ENTRY.updated_at).limit(limit)
        ids = list((await connection.execute(asked)).scalars())
        known = await histories(connection, psa, ids)
        invoices = await _invoices(connection, known)
    untold = [one for one in known.values() if one.latest and one.latest.told is None]
    said = (feedback_of(one.latest, one.facts, invoices) for one in untold if one.latest)
    return Pending(feedback=[feedback for feedback in said if feedback])


async def note_told(store: Store, psa: str, told: dict[str, str], later: list[str], *, overdue: bool) -> Counts:
    """Return how many entries were told of; what the PSA refused, or may not have heard, is said after all others.

    What is not as it was told any more is said again at once: somebody has taken it back meanwhile, or billed it.
    """
    now, process = store.now(), await get_process(store, INSTALLATION, process_id())
    latest = (ENTRY.psa == psa, ENTRY.approval != Approval.superseded.value)
    async with store.begin() as connection:
        known = await locked_histories(connection, psa, list(told))
        invoices = await _invoices(connection, known)
        now_said = {one: _now(history, invoices) for one, history in known.items()}
        rows = [{"entry": one, "digest": sha256} for one, sha256 in told.items() if now_said[one] == sha256]
        if rows:
            noting = update(tb_time_entry).where(*latest, ENTRY.external_id == bindparam("entry"))
            await connection.execute(noting.values(told=bindparam("digest")), rows)
        waiting = update(tb_time_entry).where(*latest, ENTRY.external_id.in_(later))
        await connection.execute(waiting.values(updated_at=now))
        key = business_key("ttf", psa)
        if overdue:
            await lasting_items.report(
                connection, store, process, [_unheard(key, psa, later, cut_off(now.date(), now, None))]
            )
        elif told:
            await lasting_items.close(connection, store, RUN, [key])
    return Counts(told=len(told))


def _unheard(key: str, psa: str, entries: Sequence[str], deadline: datetime) -> NewItem:
    """Return what is asked where the PSA has not said for long whether it shows what it was told."""
    facts = {"connection": psa, "entry_ids": list(entries)}
    code = Code.upstream_timeout_uncertain
    step = "write_time_feedback"
    return NewItem(step=step, trace_key=key, code=code, detail=UNHEARD, facts=facts, deadline=deadline)
