"""Redmine's projects, issues, versions and users ↔ projects, tasks, milestones and resources.

Pure, and the only file that knows both languages. What Redmine has no field for stands in custom fields, by name.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from gateway.errors import Refused
from openapi.common.types import Code, Reference
from openapi.decimals import text_of
from openapi.system.psa.v1 import (
    Milestone,
    NewMilestone,
    NewProject,
    NewTask,
    Project,
    ProjectState,
    Resource,
    State,
    State1,
    State2,
    Task,
)
from system_apis.connectors.redmine import wire

T = TypeVar("T", Project, Task, Milestone, Resource)

KEY: Final = "Tiebeam key"
STATE: Final = "Tiebeam state"
CODE: Final = "Project code"
ENTITY: Final = "Legal entity"
CUSTOMER_KEY: Final = "Customer key"
CUSTOMER: Final = "Customer"
START: Final = "Start date"
END: Final = "End date"
HOLD: Final = "Billing hold"
HOLD_NOTE: Final = "Billing hold note"
APPROVAL: Final = "Approval"
FEEDBACK: Final = "Billing feedback"
REFERENCE: Final = "ERP reference"
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "project": (KEY, STATE, CODE, ENTITY, CUSTOMER_KEY, CUSTOMER, START, END, HOLD, HOLD_NOTE),
    "issue": (KEY,),
    "version": (KEY,),
    "time_entry": (APPROVAL, FEEDBACK, REFERENCE),
}
"""The custom fields that have to be there, by what they belong to."""
PLURALS: Final = {"project": "projects", "issue": "issues", "version": "versions", "time_entry": "time entries"}
FILTERS: Final = {("project", KEY), ("issue", KEY), ("time_entry", APPROVAL)}
"""Those by which is searched. Versions are never many: all of a project are read."""

SETTING_UP: Final = "Setting up"
CANCELLED: Final = "Cancelled"
SETTLED: Final = ""
"""The values of STATE. A project is no document of ours before what belongs to it is complete."""

MODULES: Final = ("issue_tracking", "wiki")
"""With what a project begins; notes on its billing are pages of its wiki. Time is a module too: without it a project
takes none."""

USER_STATES: Final = {1: State.active, 3: State.inactive, 2: State.inactive}
"""Active, locked, registered (who has not confirmed yet), in the order in which they are listed."""
MILESTONE_STATES: Final = {
    "open": State2.planned,
    "locked": State2.planned,  # It takes no further issues, which is not ours to judge.
    "closed": State2.achieved,
}

IDENTIFIER: Final = re.compile(r"(?!\d+\Z)(?!new\Z)[a-z0-9_-]+\Z")
"""What Redmine takes, https://www.redmine.org/projects/redmine/wiki/RedmineProjectSettings; `new` is a page."""


def identifier_of(code: str) -> str:
    """Return the identifier of a project with this code: lower case, and for ever the same.

    What Redmine does not take gets a tail, so that `A.1` and `A-1` stay two; `p-1` and `P-1` are one to Redmine.
    """
    lower = code.lower()
    if IDENTIFIER.match(lower):
        return lower
    tail = hashlib.sha256(lower.encode()).hexdigest()[:8]
    return f"{re.sub('[^a-z0-9_-]', '-', lower)}-{tail}"


def key_of(row: wire.Project | wire.Issue | wire.Version) -> str | None:
    """Return the business key that something carries."""
    return value_of(row.custom_fields, KEY)


def entity_of(project: wire.Project) -> str | None:
    """Return the code of the legal entity that the project is of."""
    return value_of(project.custom_fields, ENTITY)


def is_begun_only(project: wire.Project) -> bool:
    """Tell whether somebody died, or was refused, between the calls that make a project."""
    return value_of(project.custom_fields, STATE) == SETTING_UP


def to_project(row: wire.Project, manager_id: int | None, base_url: str) -> Project:
    """Return the canonical project."""
    return _versioned(
        Project(
            id=str(row.id),
            version="",
            business_key=key_of(row),
            legal_entity=entity_of(row),
            code=value_of(row.custom_fields, CODE) or row.identifier,
            name=row.name,
            customer_name=value_of(row.custom_fields, CUSTOMER),
            state=_state_of(row),
            start=_date(row.custom_fields, START),
            end=_date(row.custom_fields, END),
            manager_id=None if manager_id is None else str(manager_id),
            url=f"{base_url}/projects/{row.identifier}",
            updated_at=row.updated_on,
            references=[Reference(type="identifier", value=row.identifier)],
        )
    )


def to_task(row: wire.Issue) -> Task:
    """Return the canonical task."""
    return _versioned(
        Task(
            id=str(row.id),
            version="",
            business_key=key_of(row),
            project_id=str(row.project.id),
            name=row.subject,
            parent_id=str(row.parent.id) if row.parent else None,
            state=State1.closed if row.status.is_closed else State1.open,
            planned_hours=None if row.estimated_hours is None else text_of(row.estimated_hours),
            references=[],
        )
    )


def to_milestone(row: wire.Version) -> Milestone:
    """Return the canonical milestone; a state without a row in MILESTONE_STATES is refused."""
    if row.status not in MILESTONE_STATES:
        raise Refused(Code.mapping_missing, f"Give Redmine's version status {row.status!r} a row.")
    return _versioned(
        Milestone(
            id=str(row.id),
            version="",
            business_key=key_of(row),
            project_id=str(row.project.id),
            name=row.name,
            due_on=row.due_date,
            state=MILESTONE_STATES[row.status],
            references=[],
        )
    )


def to_resource(row: wire.User, status: int) -> Resource:
    """Return the canonical person; Redmine does not say since when somebody works."""
    return _versioned(
        Resource(
            id=str(row.id),
            version="",
            name=f"{row.firstname} {row.lastname}".strip(),
            email=row.mail or None,
            state=USER_STATES[status],
            valid_from=None,
            valid_to=None,
            references=[Reference(type="login", value=row.login)],
        )
    )


def from_new_project(new: NewProject, ids: Mapping[str, int]) -> wire.ProjectFields:
    """Return what the project is made with. Without a manager it is complete at once."""
    values = {
        KEY: new.business_key,
        STATE: SETTLED if new.manager is UNSET else SETTING_UP,
        CODE: new.code,
        ENTITY: new.legal_entity,
        CUSTOMER_KEY: new.customer.business_key,
        CUSTOMER: new.customer.name,
        START: new.start.isoformat(),
        END: "" if new.end is UNSET else new.end.isoformat(),
    }
    return wire.ProjectFields(
        name=new.name,
        identifier=identifier_of(new.code),
        is_public=False,
        inherit_members=False,
        enabled_module_names=list(MODULES),
        custom_fields=from_values(values, ids),
    )


def from_new_task(new: NewTask, tracker_id: int, ids: Mapping[str, int]) -> wire.IssueFields:
    """Return what the issue is made with."""
    return wire.IssueFields(
        tracker_id=tracker_id,
        subject=new.name,
        parent_issue_id=new.parent_id,
        estimated_hours=new.planned_hours,
        custom_fields=from_values({KEY: new.business_key}, ids),
    )


def from_new_milestone(new: NewMilestone, ids: Mapping[str, int]) -> wire.VersionFields:
    """Return what the version is made with."""
    return wire.VersionFields(
        name=new.name, due_date=new.due_on, custom_fields=from_values({KEY: new.business_key}, ids)
    )


def from_state(row: wire.Project, ids: Mapping[str, int], *, takes_time: bool, state: str) -> wire.ProjectFields:
    """Return the change that lets a project take time, or stops it. All modules are sent: those left out are lost."""
    others = [module.name for module in row.enabled_modules if module.name != wire.TIME_TRACKING]
    return wire.ProjectFields(
        enabled_module_names=[*others, *([wire.TIME_TRACKING] if takes_time else [])],
        custom_fields=from_values({STATE: state}, ids),
    )


def from_values(values: Mapping[str, str], ids: Mapping[str, int]) -> list[wire.NewValue]:
    """Return the custom fields to be set; a blank text empties one."""
    return [wire.NewValue(id=ids[name], value=value) for name, value in values.items()]


def order_of(row: wire.Version) -> tuple[bool, date, int]:
    """Return where a milestone stands: the earliest first, those without a date last."""
    return row.due_date is None, row.due_date or date.max, row.id


def _state_of(row: wire.Project) -> ProjectState:
    if row.status == wire.CLOSED:
        cancelled = value_of(row.custom_fields, STATE) == CANCELLED
        return ProjectState.cancelled if cancelled else ProjectState.closed
    takes_time = any(module.name == wire.TIME_TRACKING for module in row.enabled_modules)
    return ProjectState.open if takes_time else ProjectState.closed


def value_of(fields: Iterable[wire.CustomValue], name: str) -> str | None:
    """Return the text of a custom field, or None where it is not there or empty."""
    found = [field.value for field in fields if field.name == name and isinstance(field.value, str) and field.value]
    return str(found[0]) if found else None


def _date(fields: Iterable[wire.CustomValue], name: str) -> date | None:
    text = value_of(fields, name)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Refused(Code.mapping_missing, f"Make Redmine's custom field {name!r} one of the format date.") from error


def _versioned(value: T) -> T:
    """Return the value with a version of its content: Redmine's own time stamps are whole seconds, and miss members."""
    content = msgspec.json.encode(value, order="deterministic")
    return replace(value, version=hashlib.sha256(content).hexdigest()[:16])
