"""Settling a batch: what the ERP made of its facts, and so where its entries stand; told, and closed where done."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct, structs
from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.durable import Process, get_process, process_id
from gateway.errors import Refusal
from gateway.store import business_events, inbox, lasting_items
from gateway.store.business_events import NewEvent
from gateway.store.database import Store
from gateway.store.work_items import NewItem
from openapi.common.types import Code
from process_apis.ledger.caps import give_back
from process_apis.ledger.entities import Entities
from process_apis.ledger.entries import TimeEntry, Transfer, move_entries
from process_apis.ledger.facts import Adjustment, Billing, Fact, Kind, Posting, by_key, move_facts, tb_fact
from process_apis.ledger.money import total
from process_apis.time_transfer.asking import cut_off, item_for, trace_key
from process_apis.time_transfer.content import UNFINISHED, History
from process_apis.time_transfer.histories import histories, lock_entries
from process_apis.time_transfer.order import RECALL, RUN, Counts, counted
from process_apis.time_transfer.posting import Booked, note_doubt_within
from process_apis.time_transfer.telling import mark_untold

POSTED: Final = "tiebeam.time_transfer.posted.v1"
STILL_UNKNOWN: Final = "Its posting was sent, and nobody could say since what came of it. It is looked for further."
MOVING: Final = (Transfer.posting, Transfer.in_doubt, Transfer.reversal_queued)


class Work(Struct, frozen=True, kw_only=True):
    """What is settled: a batch of the inbox, or one entry."""

    connection: str
    batch: str | None = None
    entry_id: str | None = None


class Outcomes(Struct, frozen=True, kw_only=True):
    """What came of the facts that were posted, by their keys."""

    done: dict[str, Booked] = {}
    refused: dict[str, Refusal] = {}
    in_doubt: dict[str, bool] = {}
    """Of which nobody knows yet, and whether that has lasted for so long that a person has to look."""


async def settle(store: Store, entities: Entities, work: Work, outcomes: Outcomes) -> Counts:
    """Return what became of the entries. Run twice, it writes the same."""
    process = await get_process(store, INSTALLATION, process_id())
    async with store.begin() as connection:
        ids = [work.entry_id] if work.entry_id else await inbox.claimed_ids(connection, work.batch or "")
        await lock_entries(connection, work.connection, ids)
        await _book(connection, store, outcomes.done)
        await _note_refusals(connection, store, outcomes.refused)
        await note_doubt_within(connection, store, list(outcomes.in_doubt))
        overdue = {key for key, is_overdue in outcomes.in_doubt.items() if is_overdue}
        settlement = Settlement(connection, store, entities, process, work.connection, overdue)
        counts = await settlement.carried_out(ids)
        if work.batch:
            await inbox.settle(connection, store, work.batch)
        await settlement.tell()
    return counts


async def _book(connection: AsyncConnection, store: Store, done: Mapping[str, Booked]) -> None:
    """Record the ERP's ids; a sale may be invoiced from here on, and what a reversal takes back is reversed."""
    if not done:
        return
    now = store.now()
    rows = [{"which": key, "ref": one.id, "shown": one.number} for key, one in done.items()]
    booking = update(tb_fact).where(tb_fact.c.business_key == bindparam("which"))
    stands = {"posting": Posting.posted.value, "code": None, "detail": None, "posted_at": now, "updated_at": now}
    booked = booking.values(**stands, erp_ref=bindparam("ref"), erp_number=bindparam("shown"))
    await connection.execute(booked, rows)
    mine = tb_fact.c.business_key.in_(sorted(done))
    sold = mine & (tb_fact.c.kind == Kind.sale.value) & (tb_fact.c.billing == Billing.unbilled.value)
    await move_facts(connection, store, sold, billing=Billing.ready.value)
    reversing = select(tb_fact.c.reverses).where(mine, tb_fact.c.reverses.is_not(None))
    taken_back = tb_fact.c.id.in_(sorted((await connection.execute(reversing)).scalars()))
    await move_facts(connection, store, taken_back, posting=Posting.reversed.value, billing=Billing.reversed.value)


async def _note_refusals(connection: AsyncConnection, store: Store, refused: Mapping[str, Refusal]) -> None:
    """Record why facts are not in the books; what a sale has taken of its cap is free again."""
    for key, fact in (await by_key(connection, refused)).items():
        said = {"code": refused[key].code.value, "detail": refused[key].detail}
        failing = (tb_fact.c.id == fact.id) & (tb_fact.c.posting != Posting.failed.value)
        moved = await move_facts(connection, store, failing, posting=Posting.failed.value, **said)
        if moved and fact.kind is Kind.sale and fact.adjustment is not Adjustment.reversal:
            await give_back(connection, fact.contract, fact.contract_line, Decimal(fact.net), fact.currency)


class Settlement:
    """The entries of one batch, after their facts have been settled."""

    def __init__(
        self,
        connection: AsyncConnection,
        store: Store,
        entities: Entities,
        process: Process,
        psa: str,
        overdue: Collection[str],
    ) -> None:
        self._connection, self._store, self._entities = connection, store, entities
        self._process, self._psa, self._overdue = process, psa, overdue
        self._left = 0
        self._moved: defaultdict[tuple[Transfer, Code | None, str | None], list[TimeEntry]] = defaultdict(list)
        self._items: list[NewItem] = []
        self._sold: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._at_risk: defaultdict[str, Decimal] = defaultdict(Decimal)

    async def carried_out(self, ids: Sequence[str]) -> Counts:
        """Return what became of the entries."""
        known = await histories(self._connection, self._psa, ids)
        for history in known.values():
            for entry in history.revisions:
                if entry.transfer in MOVING:
                    self._settle(entry, history)
        for (transfer, code, detail), entries in self._moved.items():
            stands = {"transfer": transfer.value, "code": code.value if code else None, "detail": detail}
            await move_entries(self._connection, self._store, [entry.id for entry in entries], **stands)
        await self._close_and_report()
        told = [one for one in ids if any(entry.told for entry in known[one].revisions)]
        await mark_untold(self._connection, self._store, await histories(self._connection, self._psa, told))
        numbers = {"posted": Transfer.posted, "reversed": Transfer.reversed, "rejected": Transfer.rejected_validation}
        return counted(
            {name: len(self._ids(transfer)) for name, transfer in numbers.items()} | {"in_doubt": self._left},
            amounts={currency: str(amount) for currency, amount in self._sold.items()},
            at_risk={currency: str(amount) for currency, amount in self._at_risk.items()},
        )

    def _settle(self, entry: TimeEntry, history: History) -> None:
        if entry.transfer is Transfer.reversal_queued:
            self._settle_reversal(entry, history)
            return
        facts = history.of(entry.revision)
        sales = [fact for fact in facts if fact.kind is Kind.sale]
        failed = [fact for fact in facts if fact.posting is Posting.failed]
        if unknown := [fact for fact in facts if fact.posting in UNFINISHED]:
            self._leave(entry, Transfer.in_doubt, unknown, sales)
            return
        if failed:
            self._fail(entry, Transfer.rejected_validation, failed[0], sales)
            return
        over = [fact for fact in sales if fact.billing is Billing.cap_failed]
        stands = (Transfer.posted, over[0].code, entry.detail) if over else (Transfer.posted, None, None)
        self._moved[stands].append(entry)
        for fact in sales:
            if fact not in over:
                self._sold[fact.currency] += Decimal(fact.net)

    def _settle_reversal(self, entry: TimeEntry, history: History) -> None:
        standing = [fact for fact in history.standing if fact.revision == entry.revision]
        reversals = [
            fact for fact in history.facts if fact.revision == entry.revision and fact.adjustment is Adjustment.reversal
        ]
        failed = [fact for fact in reversals if fact.posting is Posting.failed]
        unknown = [fact for fact in reversals if fact.posting in UNFINISHED]
        if failed:
            self._fail(entry, Transfer.reversal_queued, failed[0], [])
        elif unknown:
            self._leave(entry, Transfer.reversal_queued, unknown, [fact for fact in unknown if fact.kind is Kind.sale])
        elif not standing:
            self._moved[Transfer.reversed, None, None].append(entry)

    def _leave(self, entry: TimeEntry, transfer: Transfer, facts: Sequence[Fact], sales: Sequence[Fact]) -> None:
        """Leave the entry to a later run; once that has lasted for too long, somebody is asked about it."""
        self._left += 1
        if any(fact.business_key in self._overdue for fact in facts):
            self._ask(entry, transfer, Code.upstream_timeout_uncertain, STILL_UNKNOWN, facts[0], sales)

    def _fail(self, entry: TimeEntry, transfer: Transfer, fact: Fact, sales: Sequence[Fact]) -> None:
        code, detail = fact.code or Code.upstream_rejected, fact.detail or "The ERP has refused it."
        self._ask(entry, transfer, code, detail, fact, sales)

    def _ask(
        self, entry: TimeEntry, transfer: Transfer, code: Code, detail: str, fact: Fact, sales: Sequence[Fact]
    ) -> None:
        self._moved[transfer, code, detail].append(entry)
        net = total(Decimal(one.net) for one in sales) if sales else None
        if net is not None:
            self._at_risk[fact.currency] += net
        deadline = cut_off(entry.work_date, self._store.now(), self._entities.get(entry.legal_entity))
        item = item_for(
            entry,
            code=code,
            detail=detail,
            violations=[],
            at_risk=net,
            currency=fact.currency,
            deadline=deadline,
        )
        self._items.append(structs.replace(item, system=fact.erp))

    async def _close_and_report(self) -> None:
        mended = [
            trace_key(self._psa, entry.external_id)
            for (transfer, code, _), entries in self._moved.items()
            for entry in entries
            if code is None and transfer in {Transfer.posted, Transfer.reversed}
        ]
        asked = {item.trace_key for item in self._items}
        for kind in (RUN, RECALL):
            closing = [key for key in mended if key not in asked]
            await lasting_items.close(self._connection, self._store, kind, closing)
        await lasting_items.report(self._connection, self._store, self._process, self._items)

    async def tell(self) -> None:
        """Append the event that says which entries were posted and reversed."""
        posted, reversed_ids = self._ids(Transfer.posted), self._ids(Transfer.reversed)
        if not posted and not reversed_ids:
            return
        event = NewEvent(
            type=POSTED,
            subject=self._process.id,
            causation_id=self._process.id,
            data={"connection": self._psa, "posted": posted, "reversed": reversed_ids},
        )
        await business_events.append(self._connection, self._store, event)

    def _ids(self, transfer: Transfer) -> list[str]:
        return sorted(
            entry.external_id
            for (moved, _, _), entries in self._moved.items()
            if moved is transfer
            for entry in entries
        )
