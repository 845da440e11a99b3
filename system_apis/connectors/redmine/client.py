"""Redmine's HTTP in Redmine's words: paths, paging, decoding. Checks what its filters let pass."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar
from urllib.parse import urlencode

from msgspec import DecodeError, Struct, json

from gateway.egress import Http, unanswered
from gateway.errors import Refused, Unavailable, Uncertain
from openapi.common.types import Code
from system_apis.connectors.redmine import mapping, time_wire, wire
from system_apis.connectors.redmine.errors import error_for
from system_apis.connectors.redmine.settings import Settings

T = TypeVar("T")
R = TypeVar("R", wire.Project, wire.Issue)
PAGE: Final = 100
"""More at once is cut without a word."""
SUCCESS: Final = range(200, 300)
Body = dict[str, Struct]


class RedmineClient:
    """One Redmine: each method returns wire types, or raises what `errors.py` says."""

    def __init__(self, settings: Settings, http: Http) -> None:
        self._base_url, self._http = settings.base_url, http
        self._headers = {"X-Redmine-API-Key": settings.api_key.reveal(), "Content-Type": "application/json"}

    async def current_user(self) -> wire.User:
        """Return whose key it is."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Users#usersidformat
        return (await self._get("examine", "/users/current.json", wire.OneUser)).user

    async def custom_fields(self) -> list[wire.CustomField]:
        """Return the custom fields of everything; only an administrator may ask."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_CustomFields
        return (await self._get("list_custom_fields", "/custom_fields.json", wire.CustomFields)).custom_fields

    async def roles(self) -> list[wire.Named]:
        """Return the roles that a member can have."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Roles
        return (await self._get("list_roles", "/roles.json", wire.Roles)).roles

    async def trackers(self) -> list[wire.Named]:
        """Return the kinds of issues."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Trackers
        return (await self._get("list_trackers", "/trackers.json", wire.Trackers)).trackers

    async def users(self, *, status: int | str, name: str = "", offset: int = 0, limit: int = PAGE) -> wire.Users:
        """Return people in one status; `name` is looked for anywhere in login, names and addresses."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Users#usersformat
        query = {
            "status": status,
            "sort": "login",
            "offset": offset,
            "limit": limit,
            **({"name": name} if name else {}),
        }
        return await self._get("list_resources", f"/users.json?{urlencode(query)}", wire.Users)

    async def project(self, project: int | str) -> wire.Project:
        """Return the project with the id or the identifier. An archived one is not there: nobody is shown it."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Projects#Showing-a-project
        try:
            path = f"/projects/{project}.json?include=enabled_modules"
            return (await self._get("get_project", path, wire.OneProject)).project
        except Unavailable as error:
            # Archived and "the key may not" are the same 403, but an administrator may.
            if error.code is Code.upstream_auth_expired and (await self.current_user()).admin:
                raise Refused(Code.resource_not_found, "The project is archived. Unarchive it in Redmine.") from error
            raise

    async def projects_with(self, field_id: int, key: str) -> list[wire.Project]:
        """Return the projects whose custom field has the key, those that are closed included."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Projects#Listing-projects
        # `status=*` finds nothing, without a word.
        states = f"{wire.ACTIVE}|{wire.CLOSED}"
        query = {f"cf_{field_id}": f"={key}", "status": states, "include": "enabled_modules", "limit": PAGE}
        found = await self._get("find_project", f"/projects.json?{urlencode(query)}", wire.Projects)
        return _those_asked_for(found.projects, key)

    async def projects_of_ours(self, field_id: int) -> list[wire.Project]:
        """Return the projects whose custom field has any key, those that are closed included."""
        found: list[wire.Project] = []
        states = f"{wire.ACTIVE}|{wire.CLOSED}"
        while True:  # By identifier, since they cannot be sorted by id.
            query = {f"cf_{field_id}": "*", "status": states, "sort": "identifier", "offset": len(found), "limit": PAGE}
            page = await self._get("list_projects", f"/projects.json?{urlencode(query)}", wire.Projects)
            found += page.projects
            if len(page.projects) < PAGE:
                return found

    async def create_project(self, fields: wire.ProjectFields) -> wire.Project:
        """Return the new project; an identifier that is taken is refused."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Projects#Creating-a-project
        return (
            await self._write("create_project", "POST", "/projects.json", {"project": fields}, wire.OneProject)
        ).project

    async def change_project(self, operation: str, project_id: int, fields: wire.ProjectFields) -> None:
        """Change a project that is active; one that is closed is read-only, hence 403."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Projects#Updating-a-project
        await self._send(operation, "PUT", f"/projects/{project_id}.json", {"project": fields})

    async def close(self, operation: str, project_id: int) -> None:
        """Make a project read-only; may be repeated."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Projects#Closing-a-project
        await self._send(operation, "PUT", f"/projects/{project_id}/close.json")

    async def reopen(self, operation: str, project_id: int) -> None:
        """Let a closed project be changed again; may be repeated."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Projects#Reopening-a-project
        await self._send(operation, "PUT", f"/projects/{project_id}/reopen.json")

    async def memberships(self, project_id: int, *, offset: int = 0) -> wire.Memberships:
        """Return a page of a project's members, the oldest first."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Memberships#GET
        path = f"/projects/{project_id}/memberships.json?offset={offset}&limit={PAGE}"
        return await self._get("list_memberships", path, wire.Memberships)

    async def add_member(self, project_id: int, fields: wire.MembershipFields) -> None:
        """Make somebody a member; who is one already is refused."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Memberships#POST
        await self._send("create_project", "POST", f"/projects/{project_id}/memberships.json", {"membership": fields})

    async def issues(self, project_id: int, *, offset: int, limit: int) -> wire.Issues:
        """Return a page of a project's issues in any state, in the order of their tree."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Issues#Listing-issues
        query = {**_of_project(project_id), "sort": "parent", "offset": offset, "limit": limit}
        return await self._get("list_tasks", f"/issues.json?{urlencode(query)}", wire.Issues)

    async def issues_with(self, project_id: int, field_id: int, key: str) -> list[wire.Issue]:
        """Return those of a project's issues whose custom field has the key."""
        query = {**_of_project(project_id), f"cf_{field_id}": f"={key}", "limit": PAGE}
        found = await self._get("find_task", f"/issues.json?{urlencode(query)}", wire.Issues)
        return _those_asked_for(found.issues, key)

    async def issues_of(self, numbers: Sequence[int]) -> list[wire.Issue]:
        """Return the issues with these ids, of any project."""
        found: list[wire.Issue] = []
        for start in range(0, len(numbers), PAGE):
            some = ",".join(map(str, numbers[start : start + PAGE]))
            query = {"issue_id": some, "status_id": "*", "limit": PAGE}
            found += (await self._get("list_issues", f"/issues.json?{urlencode(query)}", wire.Issues)).issues
        return found

    async def create_issue(self, project_id: int, fields: wire.IssueFields) -> wire.Issue:
        """Return the new issue."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Issues#Creating-an-issue
        # Below its project, so that one that is not there is 404 and one that is closed 403, not both 422.
        path = f"/projects/{project_id}/issues.json"
        return (await self._write("create_task", "POST", path, {"issue": fields}, wire.OneIssue)).issue

    async def versions(self, project_id: int) -> list[wire.Version]:
        """Return the versions of a project, all at once, and not those that others share with it."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Versions#GET
        shown = await self._get("list_milestones", f"/projects/{project_id}/versions.json", wire.Versions)
        return [version for version in shown.versions if version.project.id == project_id]

    async def create_version(self, project_id: int, fields: wire.VersionFields) -> wire.Version:
        """Return the new version; its name is one of a kind in the project."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_Versions#POST
        path = f"/projects/{project_id}/versions.json"
        return (await self._write("create_milestone", "POST", path, {"version": fields}, wire.OneVersion)).version

    async def time_entries(self, query: Mapping[str, str | int], *, offset: int, limit: int) -> time_wire.TimeEntries:
        """Return a page of time, the earliest day first."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_TimeEntries#Listing-time-entries
        whole = {**query, "sort": "spent_on", "offset": offset, "limit": min(limit, PAGE)}
        return await self._get("list_time_entries", f"/time_entries.json?{urlencode(whole)}", time_wire.TimeEntries)

    async def time_entry(self, number: int) -> time_wire.TimeEntry:
        """Return the time entry."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_TimeEntries#Showing-a-time-entry
        path = f"/time_entries/{number}.json"
        return (await self._get("get_time_entry", path, time_wire.OneTimeEntry)).time_entry

    async def change_time_entry(self, number: int, fields: time_wire.TimeEntryFields) -> None:
        """Change a time entry."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_TimeEntries#Updating-a-time-entry
        await self._send("write_time_feedback", "PUT", f"/time_entries/{number}.json", {"time_entry": fields})

    async def wiki_page(self, project_id: int, title: str) -> time_wire.WikiPage:
        """Return the page of the project's wiki."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_WikiPages#Getting-a-wiki-page
        path = f"/projects/{project_id}/wiki/{title}.json"
        return (await self._get("find_billing_note", path, time_wire.OneWikiPage)).wiki_page

    async def put_wiki_page(self, project_id: int, title: str, fields: time_wire.WikiPageFields) -> None:
        """Make the page, or change the one that has the title."""
        # https://www.redmine.org/projects/redmine/wiki/Rest_WikiPages#Creating-or-updating-a-wiki-page
        path = f"/projects/{project_id}/wiki/{title}.json"
        await self._send("write_billing_note", "PUT", path, {"wiki_page": fields})

    async def _get(self, operation: str, path: str, into: type[T]) -> T:
        return _decoded(await self._call(operation, "GET", path, write=False), into, write=False)

    async def _write(self, operation: str, method: str, path: str, body: Body, into: type[T]) -> T:
        return _decoded(await self._call(operation, method, path, write=True, body=body), into, write=True)

    async def _send(self, operation: str, method: str, path: str, body: Body | None = None) -> None:
        await self._call(operation, method, path, write=True, body=body or {})  # 204, or 201 with what we know.

    async def _call(self, operation: str, method: str, path: str, *, write: bool, body: Body | None = None) -> bytes:
        answer = await self._http.call(
            method,
            f"{self._base_url}{path}",
            operation=operation,
            write=write,
            content=None if body is None else json.encode(body),
            headers=self._headers,
        )
        if answer.status not in SUCCESS:
            raise error_for(answer.status, _sentences(answer.content), write=write)
        return answer.content


@contextmanager
def effect_is_there() -> Iterator[None]:
    """Say of what goes wrong after the last write that it may have happened: it has, and cannot be shown."""
    try:
        yield
    except (Refused, Unavailable) as error:
        raise Uncertain(Code.upstream_timeout_uncertain, "It was written, and could not be read back.") from error


def _of_project(project_id: int) -> dict[str, str | int]:
    return {"project_id": project_id, "subproject_id": "!*", "status_id": "*"}


def _decoded(content: bytes, into: type[T], *, write: bool) -> T:
    try:
        return json.decode(content, type=into)
    except DecodeError as error:
        shape = f"Redmine's answer is no {into.__name__}. Is it Redmine that answers there?"
        raise unanswered(write=write)(Code.upstream_contract_violation, shape) from error


def _sentences(content: bytes) -> list[str]:
    try:
        return json.decode(content, type=wire.Refusals).errors
    except DecodeError:
        return []  # 401, 403 and 404 come with an empty body, or with a page.


def _those_asked_for(rows: list[R], key: str) -> list[R]:
    """Return the rows with the key. A filter that Redmine does not know is passed over, and then everything is found.

    On MySQL case does not count; to us it does, as some CRMs have ids that differ in nothing else.
    """
    if any((mapping.key_of(row) or "").casefold() != key.casefold() for row in rows):
        detail = f"Mark the custom field {mapping.KEY!r} as used as a filter, in Redmine's administration."
        raise Unavailable(Code.upstream_contract_violation, detail)
    return [row for row in rows if mapping.key_of(row) == key]
