"""Time as people book, approve, change and take it back in a strict PSA in memory; some rows are committed late."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from gateway.errors import Refused
from gateway.store.database import utc_now
from openapi.common.types import Code
from openapi.system.psa.v1 import (
    ApprovalState,
    Capabilities,
    Milestone,
    Project,
    ProjectState,
    Resource,
    State,
    Task,
    TimeApproval,
    TimeChanges,
    TimeEntry,
    TimeTotal,
)
from system_apis.ports import Found
from tests.fakes.vendor import Book, Vendor, refuse_unless

OPEN = TimeApproval(state=ApprovalState.open, approved_by=None, approved_at=None)
CHLOE = "chloe.martin@example.com"
"""Who approves."""
ANA = Resource(
    id="1",
    version="1",
    name="Ana Ruiz",
    email="ana.ruiz@example.com",
    state=State.active,
    valid_from=date(2025, 1, 1),
    valid_to=None,
    references=[],
)
BEN = replace(ANA, id="2", name="Ben Ode", email="ben.ode@example.com", state=State.inactive)
MOST_AT_ONCE = 200


class Time(Vendor):
    """The part of the port `Psa` that reads time, and what people do with it, as they do it in the PSA itself.

    What they do can be committed late: it bears the moment at which they did it, and is seen `seen_after_s` later.
    """

    def __init__(self, capabilities: Capabilities, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(clock)
        self.capabilities = capabilities
        self.connection = capabilities.connection
        self.resources = [ANA, BEN]
        self.projects: Book[Project] = Book()
        self.tasks: Book[Task] = Book()
        self.milestones: Book[Milestone] = Book()
        self.keeps_minutes = True
        """Whether time is kept in whole minutes; else in hours with two decimals."""
        self._rows: dict[str, list[tuple[datetime, TimeEntry | None]]] = {}

    def book_time(
        self,
        project_id: str,
        minutes: int,
        *,
        on: date = date(2026, 11, 20),
        by: str = "ana.ruiz@example.com",
        task_id: str | None = None,
        approved: bool = False,
        seen_after_s: float = 0.0,
        **more: object,
    ) -> TimeEntry:
        """Return time that somebody has booked, approved at once or not; `more` are fields of the entry."""
        project, person = self.projects.get(project_id), self._someone(by)
        takes = project.state is ProjectState.open
        refuse_unless(takes, Code.upstream_rejected, "The project takes no time.")
        entry = TimeEntry(
            id=str(len(self._rows) + 1),
            version="",
            legal_entity=project.legal_entity,
            project_id=project_id,
            task_id=task_id,
            task_name=None if task_id is None else self.tasks.get(task_id).name,
            resource_id=person.id,
            resource_email=person.email,
            resource_name=person.name,
            work_date=on,
            **self._quantity(minutes),
            billable=None,
            description=None,
            approval=self._approved(CHLOE) if approved else OPEN,
            updated_at=self.clock(),
            references=[],
        )
        return self._put_entry(replace(entry, **more), seen_after_s)

    def approve(self, entry_id: str, *, by: str = CHLOE, seen_after_s: float = 0.0) -> TimeEntry:
        """Return the time, approved."""
        return self._put_entry(replace(self.entry(entry_id), approval=self._approved(by)), seen_after_s)

    def recall(self, entry_id: str, *, seen_after_s: float = 0.0) -> TimeEntry:
        """Return the time, taken back by whoever booked it: open again."""
        return self._put_entry(replace(self.entry(entry_id), approval=OPEN), seen_after_s)

    def reject(self, entry_id: str, *, seen_after_s: float = 0.0) -> TimeEntry:
        """Return the time, which the approver does not accept."""
        rejected = replace(OPEN, state=ApprovalState.rejected)
        return self._put_entry(replace(self.entry(entry_id), approval=rejected), seen_after_s)

    def edit(
        self, entry_id: str, *, minutes: int | None = None, seen_after_s: float = 0.0, **changes: object
    ) -> TimeEntry:
        """Return the time with other values, as approved as before: not every PSA asks the approver again."""
        quantity = {} if minutes is None else self._quantity(minutes)
        return self._put_entry(replace(self.entry(entry_id), **quantity, **changes), seen_after_s)

    def delete(self, entry_id: str, *, seen_after_s: float = 0.0) -> None:
        """Let the time be gone; no list tells of it."""
        self.entry(entry_id)
        self._rows[entry_id].append((self._seen_at(seen_after_s), None))

    def entry(self, entry_id: str) -> TimeEntry:
        """Return the time as whoever changed it last has left it, seen by others or not."""
        last = self._rows[entry_id][-1][1]
        assert last is not None, "It is deleted."
        return last

    def entries(self) -> list[TimeEntry]:
        """Return all time that is seen now."""
        return [entry for entry in map(self.seen, self._rows) if entry]

    def seen(self, entry_id: str) -> TimeEntry | None:
        """Return the time as everybody sees it now, or None where it is not there."""
        now = self.clock()
        committed = [entry for at, entry in self._rows.get(entry_id, []) if at <= now]
        return committed[-1] if committed else None

    async def list_time_entries(
        self,
        *,
        changed_since: datetime,
        approval: ApprovalState | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Found[TimeEntry]:
        """Return the time that has changed since; what changes between two pages comes on a later one."""

        def changed() -> Found[TimeEntry]:
            self._check_time()
            self.check_search()
            shown = None if after is None else _place_told(after)
            entries = [one for one in self.entries() if self._is_since(one, changed_since)]
            fitting = sorted((one for one in entries if approval in {None, one.approval.state}), key=_place)
            rest = [one for one in fitting if shown is None or _place(one) > shown]
            return Found(items=rest[:limit], after=_told(rest[limit - 1]) if rest[limit:] else None)

        return await self.read("list_time_entries", changed)

    async def get_time_entries(self, entry_ids: Sequence[str]) -> Mapping[str, TimeEntry]:
        """Return those that there are."""

        def found() -> Mapping[str, TimeEntry]:
            self._check_time()
            refuse_unless(len(entry_ids) <= MOST_AT_ONCE, Code.upstream_rejected, "Too many at once.")
            pairs = ((entry_id, self.seen(entry_id)) for entry_id in entry_ids)
            return {entry_id: entry for entry_id, entry in pairs if entry}

        return await self.read("get_time_entries", found)

    async def list_time_totals(self, first: date, last: date) -> list[TimeTotal]:
        """Return what is approved of each project and day."""

        def counted() -> list[TimeTotal]:
            self._check_time()
            self.check_search()
            groups: dict[tuple[str, date], list[TimeEntry]] = {}
            for one in self.entries():
                if one.approval.state is ApprovalState.approved and first <= one.work_date <= last:
                    groups.setdefault((one.project_id, one.work_date), []).append(one)
            return [_total(project_id, on, group) for (project_id, on), group in sorted(groups.items())]

        return await self.read("list_time_totals", counted)

    def _check_time(self) -> None:
        refuse_unless(self.capabilities.time_entries, Code.capability_missing, "No time.")

    def _is_since(self, entry: TimeEntry, moment: datetime) -> bool:
        if self.capabilities.time_changes is TimeChanges.window:
            return entry.work_date >= moment.date()
        return entry.updated_at >= moment

    def _someone(self, email: str) -> Resource:
        person = next((one for one in self.resources if one.email == email), None)
        assert person, f"Nobody has the address {email}."
        return person

    def _quantity(self, minutes: int) -> dict[str, Any]:
        places = "0.0001" if self.keeps_minutes else "0.01"
        hours = (Decimal(minutes) / 60).quantize(Decimal(places)).normalize()
        return {"minutes": minutes if self.keeps_minutes else None, "hours": f"{hours:f}"}

    def _approved(self, by: str) -> TimeApproval:
        return TimeApproval(state=ApprovalState.approved, approved_by=by, approved_at=self.clock())

    def _put_entry(self, entry: TimeEntry, seen_after_s: float) -> TimeEntry:
        changed = replace(entry, version=self.version(), updated_at=self.clock())
        self._rows.setdefault(entry.id, []).append((self._seen_at(seen_after_s), changed))
        return changed

    def _seen_at(self, seen_after_s: float) -> datetime:
        return self.clock() + timedelta(seconds=seen_after_s)


def _place(entry: TimeEntry) -> tuple[datetime, int]:
    return entry.updated_at, int(entry.id)


def _told(entry: TimeEntry) -> str:
    return f"{entry.updated_at.isoformat()} {entry.id}"


def _place_told(after: str) -> tuple[datetime, int]:
    moment, _, entry_id = after.partition(" ")
    try:
        return datetime.fromisoformat(moment), int(entry_id)
    except ValueError as error:
        raise Refused(Code.request_cursor_invalid, "No list goes on there.") from error


def _total(project_id: str, on: date, group: Sequence[TimeEntry]) -> TimeTotal:
    hours = sum((Decimal(one.hours) for one in group), Decimal(0))
    return TimeTotal(
        project_id=project_id,
        work_date=on,
        count=len(group),
        hours=f"{hours:f}",
        entry_ids=[one.id for one in group],
    )
