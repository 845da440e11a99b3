"""What a batch decides, collected while its entries are looked at, and written at the end in few statements."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.durable import Process
from gateway.store import inbox, lasting_items
from gateway.store.database import Store
from gateway.store.inbox import Change
from gateway.store.work_items import NewItem
from openapi.common.types import Code, Violation
from process_apis.ledger.entries import Approval, TimeEntry, Transfer, entry_id, move_entries, write_entries
from process_apis.ledger.facts import Fact, write_facts
from process_apis.time_transfer.asking import cut_off, item_for, summary, trace_key
from process_apis.time_transfer.content import History, content_sha256
from process_apis.time_transfer.known import Known
from process_apis.time_transfer.looking_up import Around
from process_apis.time_transfer.order import RUN, TransferOrder

ENDED: Final = (Transfer.posted, Transfer.reversed, Transfer.reversal_queued, Transfer.ignored)
"""Where a revision stays that is superseded."""


class Batch:
    """The rows, work items and counts of one batch within its transaction."""

    def __init__(
        self, connection: AsyncConnection, store: Store, process: Process, order: TransferOrder, around: Around
    ) -> None:
        self._connection, self._store = connection, store
        self._process, self._order, self._around = process, order, around
        self.entries: list[TimeEntry] = []
        self.facts: list[Fact] = []
        self.to_post: list[Fact] = []
        self.items: list[NewItem] = []
        self.done: list[str] = []
        """External ids of the entries that nobody needs to be asked about any more."""
        self.again: list[Change] = []
        """Those that are to be looked at once more."""
        self.counted: defaultdict[str, int] = defaultdict(int)
        self.at_risk: defaultdict[str, Decimal] = defaultdict(Decimal)

    async def revise(
        self, known: Known, revision: int, history: History, transfer: Transfer, violations: Sequence[Violation] | None
    ) -> TimeEntry:
        """Return the revision: a new row, after which the one before is superseded, or the row that there is."""
        latest, code = history.latest, violations[0].code if violations else None
        detail = summary(violations) if violations else None
        if latest and latest.revision == revision:
            values = {"code": code.value if code else None, "detail": detail, "transfer": transfer.value}
            await move_entries(self._connection, self._store, [latest.id], **values)
            return structs.replace(latest, transfer=transfer, code=code, detail=detail)
        if latest:
            moved = latest.transfer if latest.transfer in ENDED else Transfer.cancelled
            await self.move([latest], approval=Approval.superseded, transfer=moved)
        row = self._row(known, revision, latest, transfer, code, detail)
        self.entries.append(row)
        return row

    def _row(
        self,
        known: Known,
        revision: int,
        latest: TimeEntry | None,
        transfer: Transfer,
        code: Code | None,
        detail: str | None,
    ) -> TimeEntry:
        entry, project = known.entry, known.project
        return TimeEntry(
            id=entry_id(self._store),
            psa=self._order.connection,
            external_id=entry.id,
            revision=revision,
            content_sha256=content_sha256(entry),
            psa_project_id=entry.project_id,
            legal_entity=project.legal_entity if project else entry.legal_entity or self._order.legal_entity,
            customer=project.customer if project else None,
            project=project.id if project else None,
            resource_id=entry.resource_id,
            resource_email=entry.resource_email,
            resource_name=entry.resource_name,
            task_id=entry.task_id,
            task_name=entry.task_name,
            work_date=entry.work_date,
            minutes=entry.minutes,
            hours=entry.hours,
            billable=entry.billable,
            description=entry.description,
            approved_by=entry.approval.approved_by,
            approved_at=entry.approval.approved_at,
            source_updated_at=entry.updated_at,
            approval=Approval.approved,
            transfer=transfer,
            code=code,
            detail=detail,
            told=latest.told if latest else None,
            first_approved_at=latest.first_approved_at if latest else self._store.now(),
        )

    async def move(self, entries: Sequence[TimeEntry], **stands: str) -> None:
        """Record where revisions stand; those that are not written yet are written so."""
        ids = {entry.id for entry in entries}
        fresh = {entry.id for entry in self.entries}
        self.entries = [structs.replace(one, **stands) if one.id in ids else one for one in self.entries]
        if ids - fresh:
            plain = {name: str(value) for name, value in stands.items()}
            await move_entries(self._connection, self._store, ids - fresh, **plain)

    async def note(self, row: TimeEntry, *, code: Code, detail: str) -> None:
        """Record what stands in the revision's way."""
        fresh = {entry.id for entry in self.entries}
        if row.id in fresh:
            noted = {"code": code, "detail": detail}
            self.entries = [structs.replace(one, **noted) if one.id == row.id else one for one in self.entries]
        else:
            await move_entries(self._connection, self._store, [row.id], code=code.value, detail=detail)

    def ask(
        self,
        row: TimeEntry,
        code: Code,
        detail: str,
        violations: Sequence[Violation],
        net: Decimal | None,
        currency: str | None,
    ) -> None:
        """Have somebody asked about the revision, and count what it would bring as at risk."""
        if net is not None and currency:
            self.at_risk[currency] += net
        deadline = cut_off(row.work_date, self._store.now(), self._around.entities.get(row.legal_entity))
        item = item_for(
            row, code=code, detail=detail, violations=violations, at_risk=net, currency=currency, deadline=deadline
        )
        self.items.append(item)

    async def write(self) -> None:
        """Write what was decided, and ask for what nobody here can decide."""
        connection, store = self._connection, self._store
        await write_entries(connection, store, self.entries)
        await write_facts(connection, store, self.facts)
        # Rows of this run's own: the one that says "look again" may be what this batch has claimed.
        again = [structs.replace(one, version=f"after {self._process.id}") for one in self.again]
        await inbox.put(connection, store, self._order.source, again)
        done = [trace_key(self._order.connection, one) for one in self.done]
        await lasting_items.close(connection, store, RUN, done)
        await lasting_items.report(connection, store, self._process, self.items)
