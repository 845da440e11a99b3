"""Tryton's works and employees ↔ projects, tasks and resources. Pure.

A project of Tryton has a number of its own, and no field for a code, a key, dates or a manager: the code leads the
name, the others are marks in the comment. Whether it takes time is what its tasks say.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Final

from msgspec import UNSET, Struct

from openapi.common.types import Reference
from openapi.decimals import text_of
from openapi.system.psa.v1 import NewProject, NewTask, Project, ProjectState, Resource, State, State1, Task
from system_apis.connectors.tryton import marks, wire
from system_apis.connectors.tryton.records import entity_of
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import NEVER, Values

CODED: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,39}) - (.+)", re.DOTALL)
HOUR: Final = timedelta(hours=1)
MANAGER: Final = re.compile(r"employee ([0-9]+)")


class Tree(Struct, frozen=True, kw_only=True):
    """A project and its tasks, parents first."""

    root: wire.Work
    tasks: Sequence[wire.Work]

    @property
    def works(self) -> list[wire.Work]:
        """Return the project and its tasks."""
        return [self.root, *self.tasks]

    @property
    def timed(self) -> list[wire.Work]:
        """Return what time could be booked on."""
        return [work for work in self.works if work.timesheet_works]


def trees(works: Sequence[wire.Work], roots: Sequence[int]) -> list[Tree]:
    """Return the trees below the roots, out of works that hold them all."""
    children: dict[int | None, list[wire.Work]] = {}
    for work in works:
        children.setdefault(work.parent, []).append(work)
    by_id = {work.id: work for work in works}
    return [Tree(root=by_id[root], tasks=_below(root, children)) for root in roots if root in by_id]


def _below(root: int, children: Mapping[int | None, Sequence[wire.Work]]) -> list[wire.Work]:
    level, found = list(children.get(root, ())), []
    while level:
        found += [work for work in level if work.type == "task"]
        level = [child for work in level for child in children.get(work.id, ())]
    return found


def takes_time(work: wire.Work, today: date) -> bool:
    """Tell whether time can be booked, today or later."""
    ended = work.timesheet_end_date is not None and work.timesheet_end_date < today
    return bool(work.timesheet_works) and work.timesheet_start_date != NEVER and not ended


def state_of(tree: Tree, settings: Settings, today: date) -> ProjectState:
    """Return the project's state: it is open where any part of it takes time."""
    if any(takes_time(work, today) for work in tree.timed):
        return ProjectState.open
    cancelled = tree.root.status.name == settings.status_cancelled
    return ProjectState.cancelled if cancelled else ProjectState.closed


def version_of(tree: Tree) -> str:
    """Return the version of a project: what is changed on its tasks, or on their days, leaves its own stamp alone."""
    parts = [f"{work.id} {work.stamp} {work.timesheet_start_date} {work.timesheet_end_date}" for work in tree.works]
    return sha256("\n".join(parts).encode()).hexdigest()[:20]


def name_of(code: str, name: str) -> str:
    """Return the name of a work: the code leads it, so that people see it in every list."""
    return f"{code} - {name}"


def code_of(work: wire.Work) -> tuple[str, str]:
    """Return code and name; what was not named by this habit goes by Tryton's number."""
    coded = CODED.fullmatch(work.name)
    return (coded[1], coded[2]) if coded else (work.number or "", work.name)


def to_project(tree: Tree, settings: Settings, today: date) -> Project:
    """Return the canonical project."""
    root, lines = tree.root, marks.read(tree.root.comment)
    code, name = code_of(root)
    manager = MANAGER.search(lines.get("manager", ""))
    number = [Reference(type="number", value=root.number)] if root.number else []
    return Project(
        id=str(root.id),
        version=version_of(tree),
        business_key=lines.get(marks.KEY),
        legal_entity=entity_of(root.company, settings),
        code=code,
        name=name,
        customer_name=root.party.name if root.party else None,
        state=state_of(tree, settings, today),
        start=_day(lines.get("start")),
        end=_day(lines.get("end")),
        manager_id=manager[1] if manager else None,
        url=f"tryton://{settings.base_url.partition('://')[2]}/{settings.database}/model/project.work/{root.id}",
        updated_at=root.last_modified_at,
        references=number,
    )


def from_new_project(new: NewProject, *, party: int, manager: Resource | None) -> Values:
    """Return the values of a project's root, whether it is made or copied."""
    leader = f"{manager.name} <{manager.email}>, employee {manager.id}" if manager else None
    comment = marks.written(
        key=new.business_key,
        start=new.start.isoformat(),
        end=None if new.end is UNSET else new.end.isoformat(),
        manager=leader,
    )
    return {"name": name_of(new.code, new.name), "party": party, "comment": comment}


def plain(values: Values) -> Values:
    """Return the values of a project that has no tasks yet: it takes time itself, and none before it is opened."""
    return {**values, "type": "project", "timesheet_available": True, "timesheet_start_date": NEVER}


def to_task(work: wire.Work, project_id: int, today: date) -> Task:
    """Return the canonical task."""
    return Task(
        id=str(work.id),
        version=f"{work.stamp}/{work.timesheet_start_date}/{work.timesheet_end_date}",
        business_key=marks.key_of(work.comment),
        project_id=str(project_id),
        name=work.name,
        parent_id=None if work.parent == project_id else str(work.parent),
        state=State1.open if takes_time(work, today) else State1.closed,
        planned_hours=None if work.effort_duration is None else hours_of(work.effort_duration),
        references=[Reference(type="number", value=work.number)] if work.number else [],
    )


def from_new_task(new: NewTask, parent: int, first_day: date | None) -> Values:
    """Return the values of a task, which takes time from the first day on."""
    values: Values = {
        "type": "task",
        "parent": parent,
        "name": new.name,
        "comment": marks.written(key=new.business_key),
        "timesheet_available": True,
        "timesheet_start_date": first_day,
    }
    if new.planned_hours is not UNSET:
        values["effort_duration"] = timedelta(seconds=float(Decimal(new.planned_hours) * 3600))
    return values


def to_resource(employee: wire.Employee, today: date) -> Resource:
    """Return the canonical person; Tryton enforces the days of employment on time."""
    ended = employee.end_date is not None and employee.end_date < today
    return Resource(
        id=str(employee.id),
        version=employee.stamp,
        name=employee.party.name or "",
        email=employee.party.email or None,
        state=State.inactive if ended else State.active,
        valid_from=employee.start_date,
        valid_to=employee.end_date,
        references=[],
    )


def hours_of(effort: timedelta) -> str:
    """Return the hours as text, to four decimals."""
    return text_of(round(Decimal(effort // timedelta(microseconds=1)) / Decimal(HOUR // timedelta(microseconds=1)), 4))


def _day(text: str | None) -> date | None:
    """Return a day that a person may have written over, or None where nobody can read it."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
