"""Redmine's answers and bodies, as Redmine writes them; what nobody here reads is left out.

https://www.redmine.org/projects/redmine/wiki/Rest_api
"""

from datetime import date
from decimal import Decimal
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from openapi.instant import datetime

ACTIVE: Final = 1
CLOSED: Final = 5
"""Read-only for everybody. 9 is archived and 10 about to be deleted: neither is ever shown here."""
TIME_TRACKING: Final = "time_tracking"
WIKI: Final = "wiki"


class Named(Struct, frozen=True, kw_only=True):
    """A reference to something that has a name: a module, a role, a tracker, a person."""

    id: int
    name: str


class Numbered(Struct, frozen=True, kw_only=True):
    """A reference without a name."""

    id: int


class CustomValue(Struct, frozen=True, kw_only=True):
    """The value of a custom field; a list where the field takes several."""

    id: int
    name: str
    value: str | list[str] | None = None


class Project(Struct, frozen=True, kw_only=True):
    """`enabled_modules` is there only if it was asked for."""

    id: int
    name: str
    identifier: str
    status: int
    updated_on: datetime
    custom_fields: list[CustomValue] = []
    enabled_modules: list[Named] = []


class Membership(Struct, frozen=True, kw_only=True):
    """A person, or a group, in a project."""

    id: int
    roles: list[Named]
    user: Named | None = None


class IssueStatus(Struct, frozen=True, kw_only=True):
    """Where an issue is."""

    id: int
    is_closed: bool


class Issue(Struct, frozen=True, kw_only=True):
    """What we call a task. Hours are a binary number there."""

    id: int
    project: Named
    status: IssueStatus
    subject: str
    parent: Numbered | None = None
    estimated_hours: Decimal | None = None
    custom_fields: list[CustomValue] = []


class Version(Struct, frozen=True, kw_only=True):
    """What we call a milestone."""

    id: int
    project: Named
    name: str
    status: str
    due_date: date | None = None
    custom_fields: list[CustomValue] = []


class User(Struct, frozen=True, kw_only=True):
    """Lists do not say whether somebody is locked: it has to be asked for."""

    id: int
    login: str
    firstname: str
    lastname: str
    mail: str | None = None
    admin: bool = False


class PossibleValue(Struct, frozen=True, kw_only=True):
    """One of the values that a list offers."""

    value: str


class CustomField(Struct, frozen=True, kw_only=True):
    """`trackers` is told of those for issues only, `possible_values` of lists only."""

    id: int
    name: str
    customized_type: str | None = None
    is_filter: bool = False
    visible: bool = True
    trackers: list[Named] = []
    possible_values: list[PossibleValue] = []


class OneProject(Struct, frozen=True, kw_only=True):
    """`/projects/1.json`."""

    project: Project


class OneIssue(Struct, frozen=True, kw_only=True):
    """`POST /projects/1/issues.json`."""

    issue: Issue


class OneVersion(Struct, frozen=True, kw_only=True):
    """`POST /projects/1/versions.json`."""

    version: Version


class OneUser(Struct, frozen=True, kw_only=True):
    """`/users/current.json`."""

    user: User


class Projects(Struct, frozen=True, kw_only=True):
    """`/projects.json`."""

    projects: list[Project]


class Issues(Struct, frozen=True, kw_only=True):
    """`/issues.json`."""

    issues: list[Issue]
    total_count: int


class Versions(Struct, frozen=True, kw_only=True):
    """`/projects/1/versions.json`: all of them, and those of other projects that are shared with this one."""

    versions: list[Version]


class Memberships(Struct, frozen=True, kw_only=True):
    """`/projects/1/memberships.json`."""

    memberships: list[Membership]
    total_count: int


class Users(Struct, frozen=True, kw_only=True):
    """`/users.json`."""

    users: list[User]
    total_count: int


class CustomFields(Struct, frozen=True, kw_only=True):
    """`/custom_fields.json`."""

    custom_fields: list[CustomField]


class Roles(Struct, frozen=True, kw_only=True):
    """`/roles.json`."""

    roles: list[Named]


class Trackers(Struct, frozen=True, kw_only=True):
    """`/trackers.json`."""

    trackers: list[Named]


class Refusals(Struct, frozen=True, kw_only=True):
    """The body of a 422: sentences in the language of the key's user."""

    errors: list[str] = []


class NewValue(Struct, frozen=True, kw_only=True):
    """A custom field to be set; an id that does not exist is passed over in silence."""

    id: int
    value: str


class ProjectFields(Struct, frozen=True, kw_only=True):
    """What a project is made with, or what is changed of it."""

    name: str | UnsetType = UNSET
    identifier: str | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET
    inherit_members: bool | UnsetType = UNSET
    enabled_module_names: list[str] | UnsetType = UNSET
    custom_fields: list[NewValue]


class IssueFields(Struct, frozen=True, kw_only=True):
    """What an issue is made with."""

    tracker_id: int
    subject: str
    parent_issue_id: str | UnsetType = UNSET
    estimated_hours: str | UnsetType = UNSET
    custom_fields: list[NewValue]


class VersionFields(Struct, frozen=True, kw_only=True):
    """What a version is made with."""

    name: str
    due_date: date | UnsetType = UNSET
    custom_fields: list[NewValue]


class MembershipFields(Struct, frozen=True, kw_only=True):
    """Who becomes a member, as what."""

    user_id: int
    role_ids: list[int]
