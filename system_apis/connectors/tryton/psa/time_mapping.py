"""Tryton's lines of time ↔ time entries. Pure.

Tryton approves no time. By convention a line is approved whose description begins with a tag that a rule keeps for
those who approve; whoever wrote the line last has approved it, and nobody approves their own.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from msgspec import Struct

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.psa.v1 import ApprovalState, TimeApproval, TimeEntry, TimeTotal
from system_apis.connectors.tryton.psa import wire
from system_apis.connectors.tryton.psa.mapping import hours_of
from system_apis.connectors.tryton.records import entity_of, record_id
from system_apis.connectors.tryton.settings import Settings

TAG: Final = "[ok] "
MINUTE: Final = timedelta(minutes=1)
ORIGIN: Final = "project.work,"


class Whereabouts(Struct, frozen=True, kw_only=True):
    """The project that time was booked in, and the task of it; None where it was booked on the project itself."""

    project: int
    task: wire.Place | None


def origin_of(line: wire.Line) -> int | None:
    """Return the work of a project that the line is on, or None where it is on something else."""
    model, _, record = (line.work.origin or "").partition(",")
    return int(record) if f"{model}," == ORIGIN and record.isdecimal() else None


def whereabouts(places: Mapping[int, wire.Place], origin: int) -> Whereabouts | None:
    """Return where time was booked, out of works and all that they stand below; None where it is in no project."""
    if origin not in places:
        return None
    booked = root = places[origin]
    while root.parent is not None and root.parent in places:
        root = places[root.parent]
    if root.type != "project":
        return None
    return Whereabouts(project=root.id, task=None if booked is root else booked)


def to_entry(line: wire.Line, where: Whereabouts, settings: Settings) -> TimeEntry:
    """Return the canonical time entry."""
    text = line.description or ""
    return TimeEntry(
        id=str(line.id),
        version=line.stamp,
        legal_entity=entity_of(line.company, settings),
        project_id=str(where.project),
        task_id=str(where.task.id) if where.task else None,
        task_name=where.task.name if where.task else None,
        resource_id=str(line.employee.id),
        resource_email=line.employee.party.email or None,
        resource_name=line.employee.party.name or "",
        work_date=line.date,
        minutes=None if line.duration % MINUTE else line.duration // MINUTE,
        hours=hours_of(line.duration),
        billable=None,
        description=text.removeprefix(TAG) or None,
        approval=approval_of(line),
        updated_at=line.last_modified_at,
        references=[],
    )


def approval_of(line: wire.Line) -> TimeApproval:
    """Return who has approved the line. What people tag themselves is open still: nobody else has approved it."""
    writer = line.writer
    tagged = (line.description or "").startswith(TAG)
    if not tagged or writer is None or line.employee.id in writer.employees:
        return TimeApproval(state=ApprovalState.open, approved_by=None, approved_at=None)
    return TimeApproval(
        state=ApprovalState.approved, approved_by=writer.email or writer.login, approved_at=line.last_modified_at
    )


def to_totals(lines: Sequence[tuple[wire.Line, Whereabouts]]) -> list[TimeTotal]:
    """Return one row for each project and day, of lines that are approved."""
    days: dict[tuple[int, date], list[wire.Line]] = {}
    for line, where in lines:
        days.setdefault((where.project, line.date), []).append(line)
    return [
        TimeTotal(
            project_id=str(project),
            work_date=day,
            count=len(booked),
            hours=hours_of(sum((line.duration for line in booked), timedelta())),
            entry_ids=[str(line.id) for line in booked],
        )
        for (project, day), booked in sorted(days.items(), key=lambda row: row[0])
    ]


def place_of(line: wire.Line) -> str:
    """Return where a page begins that comes after the line, in the order of changes."""
    return f"{line.last_modified_at.isoformat()}/{line.id}"


def place_behind(after: str) -> tuple[datetime, int]:
    """Return the moment and the line that a page comes after."""
    moment, _, record = after.partition("/")
    try:
        changed = datetime.fromisoformat(moment)
    except ValueError as error:
        raise _strange() from error
    if changed.tzinfo is None:
        raise _strange()
    return changed, record_id(record)


def _strange() -> Refused:
    return Refused(Code.request_cursor_invalid, "The cursor is of another list. Start again without `cursor`.")
