"""Time and what is said about it, as Tryton shapes them; projects and people stand in `tryton/wire.py`."""

from datetime import date, datetime, timedelta
from typing import Final

from msgspec import Struct, field

from system_apis.connectors.tryton.wire import Contact


class Worker(Struct, frozen=True, kw_only=True):
    """`company.employee` behind a line."""

    id: int
    party: Contact = field(name="party.")


class Writer(Struct, frozen=True, kw_only=True):
    """`res.user`, with the employees that it may act as."""

    login: str
    email: str | None = None
    employees: list[int] = []


class Booked(Struct, frozen=True, kw_only=True):
    """`timesheet.work` behind a line; its origin is `project.work,7`, or something that is no part of a project."""

    id: int
    origin: str | None = None


class Line(Struct, frozen=True, kw_only=True):
    """`timesheet.line`."""

    id: int
    stamp: str = field(name="_timestamp")
    company: int
    date: date
    duration: timedelta
    description: str | None = None
    last_modified_at: datetime
    employee: Worker = field(name="employee.")
    work: Booked = field(name="work.")
    create_uid: Writer | None = field(name="create_uid.", default=None)
    write_uid: Writer | None = field(name="write_uid.", default=None)

    @property
    def writer(self) -> Writer | None:
        """Return whose word the line is now."""
        return self.write_uid or self.create_uid


LINE: Final = (
    *("_timestamp", "company", "date", "duration", "description", "last_modified_at", "work.origin"),
    *("employee.party.name", "employee.party.email"),
    *(f"{whose}.{name}" for whose in ("create_uid", "write_uid") for name in ("login", "email", "employees")),
)


class Place(Struct, frozen=True, kw_only=True):
    """`project.work`, as far as it takes to find the project that it belongs to."""

    id: int
    name: str
    type: str
    parent: int | None = None


PLACE: Final = ("name", "type", "parent")


class Note(Struct, frozen=True, kw_only=True):
    """`ir.note`: the resource is `timesheet.line,7`."""

    id: int
    resource: str
    message: str | None = None


NOTE: Final = ("resource", "message")


class RuleText(Struct, frozen=True, kw_only=True):
    """`ir.rule`."""

    id: int
    domain: str


class RuleGroup(Struct, frozen=True, kw_only=True):
    """`ir.rule.group`, of those that hold for everybody."""

    id: int
    rules: list[RuleText] = field(name="rules.", default_factory=list)
