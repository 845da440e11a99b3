"""Redmine behind the PSA port: client, names and mapping, joined."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TypeVar

from msgspec import UNSET

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.psa.v1 import (
    ApprovalState,
    BillingNote,
    Capabilities,
    HoldFlag,
    Milestone,
    NewBillingNote,
    NewEntryFeedback,
    NewHoldFlag,
    NewMilestone,
    NewProject,
    NewTask,
    Project,
    Resource,
    Task,
    TimeEntry,
    TimeFeedback,
    TimeTotal,
)
from system_apis.connectors.redmine import mapping, wire
from system_apis.connectors.redmine.billing import Billing, flag_of
from system_apis.connectors.redmine.client import RedmineClient, effect_is_there
from system_apis.connectors.redmine.examination import examined
from system_apis.connectors.redmine.ids import number_of, numbers_of
from system_apis.connectors.redmine.names import Names
from system_apis.connectors.redmine.people import People
from system_apis.connectors.redmine.project_setup import ProjectSetup
from system_apis.connectors.redmine.settings import Settings
from system_apis.connectors.redmine.time import Timesheets
from system_apis.ports import Finding, Found

T = TypeVar("T")


class RedminePsa:
    """The port `Psa` of one Redmine."""

    def __init__(self, capabilities: Capabilities, settings: Settings, client: RedmineClient) -> None:
        self.connection, self.capabilities = capabilities.connection, capabilities
        self._settings, self._client, self._names = settings, client, Names(client)
        self._people = People(client, settings.manager_role)
        self._time, self._billing = (
            Timesheets(client, self._names, self._people, settings),
            Billing(client, self._names),
        )
        self._setup = ProjectSetup(client, self._names, self._people, settings.manager_role)

    async def examine(self) -> list[Finding]:
        used = f"{self._settings.base_url}, used as {self.capabilities.environment.value}."  # It cannot say itself.
        environment = Finding(subject="environment", holds=True, detail=used)
        return [environment, *await examined(self._client, self._settings)]

    async def list_resources(self, *, after: str | None = None, limit: int = 20) -> Found[Resource]:
        return await self._people.page(after, limit)

    async def find_resource(self, email: str) -> Resource | None:
        return await self._people.find(email)

    async def search_projects(self, *, code: str, after: str | None = None, limit: int = 20) -> Found[Project]:
        del after, limit  # An identifier is one of a kind: there is at most one.
        row = await self._setup.project_with(mapping.identifier_of(code))
        return Found(items=[await self._complete(row)] if row else [])

    async def find_project(self, business_key: str) -> Project | None:
        rows = await self._client.projects_with(await self._names.key_field("project"), business_key)
        # One that was begun under another code, and given up, carries the key too.
        row = _only([row for row in rows if not mapping.is_begun_only(row)])
        return await self._complete(row) if row else None

    async def get_project(self, project_id: str) -> Project:
        return await self._complete(await self._client.project(number_of(project_id)))

    async def create_project(self, new: NewProject) -> Project:
        if new.native_template is not UNSET:
            detail = "Redmine's interface copies no projects. Leave `native_template` out."
            raise Refused(Code.capability_missing, detail)
        if new.legal_entity not in self.capabilities.legal_entities:
            raise Refused(Code.entity_mapping_missing, f"This connection does not serve {new.legal_entity}.")
        return await self._read_back(await self._setup.make(new))

    async def open_project(self, project_id: str) -> Project:
        number = await self._change("open_project", project_id, takes_time=True, state=mapping.SETTLED)
        return await self._read_back(number)

    async def close_project(self, project_id: str) -> Project:
        number = await self._change("close_project", project_id, takes_time=False, state=mapping.SETTLED)
        return await self._read_back(number)

    async def cancel_project(self, project_id: str) -> Project:
        # Archived it would be hidden from us too. What is read-only cannot be marked, so the mark comes first, and the
        # project counts as cancelled once it has both.
        number = await self._change("cancel_project", project_id, takes_time=False, state=mapping.CANCELLED)
        await self._client.close("cancel_project", number)
        return await self._read_back(number)

    async def list_tasks(self, project_id: str, *, after: str | None = None, limit: int = 20) -> Found[Task]:
        start = int(after or 0)
        page = await self._client.issues(number_of(project_id), offset=start, limit=limit)
        end = start + len(page.issues)
        more = page.issues and end < page.total_count
        return Found(items=[mapping.to_task(row) for row in page.issues], after=str(end) if more else None)

    async def find_task(self, project_id: str, business_key: str) -> Task | None:
        field_id = await self._names.key_field("issue")
        row = _only(await self._client.issues_with(number_of(project_id), field_id, business_key))
        return mapping.to_task(row) if row else None

    async def create_task(self, project_id: str, new: NewTask) -> Task:
        tracker_id, ids = await self._names.tracker(self._settings.tracker), await self._names.fields("issue")
        made = await self._client.create_issue(number_of(project_id), mapping.from_new_task(new, tracker_id, ids))
        row = self._names.checked(made, new.business_key)
        with effect_is_there():
            return mapping.to_task(row)

    async def list_milestones(self, project_id: str, *, after: str | None = None, limit: int = 20) -> Found[Milestone]:
        rows = sorted(await self._client.versions(number_of(project_id)), key=mapping.order_of)
        start = int(after or 0)
        end = start + limit
        shown = [mapping.to_milestone(row) for row in rows[start:end]]
        return Found(items=shown, after=str(end) if end < len(rows) else None)

    async def find_milestone(self, project_id: str, business_key: str) -> Milestone | None:
        rows = await self._client.versions(number_of(project_id))
        row = _only([row for row in rows if mapping.key_of(row) == business_key])
        return mapping.to_milestone(row) if row else None

    async def create_milestone(self, project_id: str, new: NewMilestone) -> Milestone:
        ids = await self._names.fields("version")
        made = await self._client.create_version(number_of(project_id), mapping.from_new_milestone(new, ids))
        row = self._names.checked(made, new.business_key)
        with effect_is_there():
            return mapping.to_milestone(row)

    async def list_time_entries(
        self,
        *,
        changed_since: datetime,
        approval: ApprovalState | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Found[TimeEntry]:
        return await self._time.changed(changed_since, approval, after, limit)

    async def get_time_entries(self, entry_ids: Sequence[str]) -> Mapping[str, TimeEntry]:
        return await self._time.entries(numbers_of(entry_ids))

    async def list_time_totals(self, first: date, last: date) -> list[TimeTotal]:
        return await self._time.totals(first, last)

    async def find_time_feedback(self, entry_ids: Sequence[str]) -> Mapping[str, TimeFeedback]:
        return await self._time.feedback(numbers_of(entry_ids))

    async def write_time_feedback(self, feedback: Sequence[NewEntryFeedback]) -> Mapping[str, TimeFeedback | Refused]:
        return await self._time.write_feedback(feedback)

    async def find_billing_note(self, project_id: str, business_key: str) -> BillingNote | None:
        return await self._billing.note(await self._client.project(number_of(project_id)), business_key)

    async def write_billing_note(self, project_id: str, new: NewBillingNote) -> BillingNote:
        return await self._billing.write_note(await self._client.project(number_of(project_id)), new)

    async def get_hold_flag(self, project_id: str) -> HoldFlag:
        return flag_of(await self._client.project(number_of(project_id)))

    async def set_hold_flag(self, project_id: str, new: NewHoldFlag) -> HoldFlag:
        return await self._billing.set_flag(await self._client.project(number_of(project_id)), new)

    async def _complete(self, row: wire.Project) -> Project:
        return mapping.to_project(row, await self._people.manager_of(row.id), self._settings.base_url)

    async def _read_back(self, number: int) -> Project:
        with effect_is_there():
            return await self._complete(await self._client.project(number))

    async def _change(self, operation: str, project_id: str, *, takes_time: bool, state: str) -> int:
        row = await self._client.project(number_of(project_id))
        if mapping.is_begun_only(row):
            raise Refused(Code.upstream_rejected, "The project is still being set up. Create it again first.")
        ids = await self._names.fields("project")
        if row.status == wire.CLOSED:
            await self._client.reopen(operation, row.id)
        change = mapping.from_state(row, ids, takes_time=takes_time, state=state)
        await self._client.change_project(operation, row.id, change)
        return row.id


def _only(rows: Sequence[T]) -> T | None:
    if len(rows) > 1:
        raise Refused(Code.upstream_conflict_stale, "Two documents of Redmine carry this key. Somebody has to look.")
    return rows[0] if rows else None
