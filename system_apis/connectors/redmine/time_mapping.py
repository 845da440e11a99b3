"""Redmine's time entries ↔ time and its feedback. Pure.

Redmine approves no time. By convention a list says how far an entry is; who has set it is told nowhere.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from gateway.errors import Refused
from openapi.common.types import Code, Money
from openapi.decimals import text_of
from openapi.system.psa.v1 import (
    ApprovalState,
    NewEntryFeedback,
    TimeApproval,
    TimeEntry,
    TimeFeedback,
    TimeFeedbackState,
    TimeTotal,
)
from system_apis.connectors.redmine import time_wire as wire
from system_apis.connectors.redmine.mapping import APPROVAL, FEEDBACK, REFERENCE, value_of

BILLABLE: Final = "Billable"
"""A custom field that people may have; without it nobody says."""
SAID: Final = {"1": True, "0": False}
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
Approvals = Mapping[str, ApprovalState]


class Surroundings(Struct, frozen=True, kw_only=True):
    """What entries name by number only: addresses of people, subjects of issues, entities of projects."""

    addresses: Mapping[int, str]
    subjects: Mapping[int, str]
    entities: Mapping[int, str | None]


class Place(Struct, frozen=True, kw_only=True):
    """Where a page begins: so many entries of the day, and of later ones, are behind."""

    day: date
    behind: int

    def __str__(self) -> str:
        return f"{self.day.isoformat()}/{self.behind}"


def place_of(after: str) -> Place:
    """Return where the page begins."""
    day, _, behind = after.partition("/")
    try:
        return Place(day=date.fromisoformat(day), behind=int(behind))
    except ValueError as error:
        detail = "The cursor is of another list. Start again without `cursor`."
        raise Refused(Code.request_cursor_invalid, detail) from error


def place_behind(place: Place, rows: Sequence[wire.TimeEntry]) -> Place:
    """Return where the page after these begins. It counts from their last day, so that little can shift it."""
    last = rows[-1].spent_on
    behind = sum(row.spent_on == last for row in rows)
    return Place(day=last, behind=behind if last != place.day else behind + place.behind)


def approval_of(row: wire.TimeEntry, approvals: Approvals) -> ApprovalState:
    """Return how far the entry is: one that nobody has said anything of is open."""
    said = value_of(row.custom_fields, APPROVAL)
    if said is None:
        return ApprovalState.open
    if said not in approvals:
        raise Refused(Code.mapping_missing, f"Give Redmine's approval {said!r} a row in the connection's `approvals`.")
    return approvals[said]


def to_entry(row: wire.TimeEntry, around: Surroundings, approvals: Approvals) -> TimeEntry:
    """Return the canonical time entry. What it shows of its billing makes it no other version."""
    approval = TimeApproval(state=approval_of(row, approvals), approved_by=None, approved_at=None)
    entry = TimeEntry(
        id=str(row.id),
        version="",
        legal_entity=around.entities.get(row.project.id),
        project_id=str(row.project.id),
        task_id=str(row.issue.id) if row.issue else None,
        task_name=around.subjects.get(row.issue.id) if row.issue else None,
        resource_id=str(row.user.id),
        resource_email=around.addresses.get(row.user.id),
        resource_name=row.user.name,
        work_date=row.spent_on,
        minutes=None,  # It keeps hundredths of an hour: twenty minutes are 0.33.
        hours=text_of(row.hours),
        billable=SAID.get(value_of(row.custom_fields, BILLABLE) or ""),
        description=row.comments or None,
        approval=approval,
        updated_at=LONG_AGO,  # The gateway's own feedback moves it.
        references=[],
    )
    content = msgspec.json.encode(entry, order="deterministic")
    return replace(entry, version=hashlib.sha256(content).hexdigest()[:16], updated_at=row.updated_on)


def to_totals(rows: Sequence[wire.TimeEntry]) -> list[TimeTotal]:
    """Return one row for each project and day."""
    days: dict[tuple[int, date], list[wire.TimeEntry]] = {}
    for row in rows:
        days.setdefault((row.project.id, row.spent_on), []).append(row)
    return [
        TimeTotal(
            project_id=str(project),
            work_date=day,
            count=len(booked),
            hours=text_of(sum((row.hours for row in booked), Decimal())),
            entry_ids=[str(row.id) for row in booked],
        )
        for (project, day), booked in sorted(days.items(), key=lambda each: each[0])
    ]


def from_feedback(new: NewEntryFeedback) -> Mapping[str, str]:
    """Return the custom fields that show it: one that we read, and one by which people filter."""
    amount = None if new.amount is UNSET else f"{new.amount.amount} {new.amount.currency}"
    texts = {"state": new.state.value, "amount": amount, "reference": new.reference, "reason": new.reason}
    lines = [f"{name}: {text}" for name, text in texts.items() if isinstance(text, str)]
    return {FEEDBACK: "\n".join(lines), REFERENCE: "" if new.reference is UNSET else new.reference}


def shown(new: NewEntryFeedback) -> TimeFeedback:
    """Return what an entry shows that was told this."""
    return TimeFeedback(
        entry_id=new.entry_id,
        state=new.state,
        reference=None if new.reference is UNSET else new.reference,
        amount=None if new.amount is UNSET else new.amount,
        reason=None if new.reason is UNSET else new.reason,
    )


def to_feedback(row: wire.TimeEntry) -> TimeFeedback | None:
    """Return what the entry shows, or None where it shows nothing that was written by us."""
    lines = (value_of(row.custom_fields, FEEDBACK) or "").replace("\r", "").split("\n")
    texts = dict(line.split(": ", 1) for line in lines if ": " in line)
    amount, _, currency = texts.get("amount", "").partition(" ")
    try:
        state = TimeFeedbackState(texts.get("state", ""))
    except ValueError:
        return None
    return TimeFeedback(
        entry_id=str(row.id),
        state=state,
        reference=texts.get("reference"),
        amount=Money(amount=amount, currency=currency) if currency else None,
        reason=texts.get("reason"),
    )
