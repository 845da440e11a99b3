"""Tryton behind the PSA port: client and mapping, joined."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NoReturn

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
    ProjectState,
    Resource,
    State,
    Task,
    TimeEntry,
    TimeFeedback,
    TimeTotal,
)
from system_apis.connectors.tryton import marks
from system_apis.connectors.tryton.client import TrytonClient, effect_is_there
from system_apis.connectors.tryton.psa import mapping
from system_apis.connectors.tryton.psa.billing import Billing
from system_apis.connectors.tryton.psa.examination import examine
from system_apis.connectors.tryton.psa.mapping import Tree
from system_apis.connectors.tryton.psa.projects import WORK, Projects
from system_apis.connectors.tryton.psa.setup import DeliverySetup, no_manager
from system_apis.connectors.tryton.psa.time import Timesheets
from system_apis.connectors.tryton.records import company_of, following, one, page, record_id, refused
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import NEVER, escaped
from system_apis.ports import Finding, Found

Today = Callable[[], date]


def utc_today() -> date:
    """Return the day, as Tryton's own dates are compared."""
    return datetime.now(UTC).date()


class TrytonPsa:
    """The port `Psa` of one Tryton database."""

    def __init__(
        self, capabilities: Capabilities, settings: Settings, client: TrytonClient, today: Today = utc_today
    ) -> None:
        self.connection, self.capabilities = capabilities.connection, capabilities
        self._settings, self._client, self._today = settings, client, today
        self._setup = DeliverySetup(client, settings)
        self._projects, self._time = Projects(client, settings, self._setup), Timesheets(client, settings)
        self._billing = Billing(client, settings, self._projects, self._time)

    async def examine(self) -> list[Finding]:
        return await examine(self._client, self._settings, self.capabilities)

    async def list_resources(self, *, after: str | None = None, limit: int = 20) -> Found[Resource]:
        shown, next_after = page(await self._setup.employees(following(after), limit + 1), limit)
        return Found(items=[mapping.to_resource(each, self._today()) for each in shown], after=next_after)

    async def find_resource(self, email: str) -> Resource | None:
        employee = await self._setup.employee(email)
        return mapping.to_resource(employee, self._today()) if employee else None

    async def search_projects(self, *, code: str, after: str | None = None, limit: int = 20) -> Found[Project]:
        by_code = ["OR", ["name", "like", f"{escaped(code)} - %"], ["number", "=", code]]
        shown, next_after = page(await self._projects.roots([by_code, *following(after)], limit + 1), limit)
        roots = [root.id for root in shown if mapping.code_of(root)[0] == code]
        return Found(items=[self._to_project(tree) for tree in await self._projects.trees(roots)], after=next_after)

    async def find_project(self, business_key: str) -> Project | None:
        found = await self._projects.roots([marks.clause("comment", business_key)], None)
        root = one([each for each in found if marks.key_of(each.comment) == business_key])
        return self._to_project(await self._projects.tree(root.id)) if root else None

    async def get_project(self, project_id: str) -> Project:
        return self._to_project(await self._projects.tree(record_id(project_id)))

    async def create_project(self, new: NewProject) -> Project:
        company = company_of(new.legal_entity, self._settings)
        manager = None if new.manager is UNSET else await self._manager(new.manager)
        template = None if new.native_template is UNSET else await self._template(new.native_template, company)
        party = await self._projects.party(new.customer, company)
        values = mapping.from_new_project(new, party=party, manager=manager)
        if template is None:
            created = await self._client.create(WORK, mapping.plain(values), company=company)
        else:
            if template.root.status.name != self._settings.status_open:
                values["status"] = await self._setup.status(self._settings.status_open)
            created = await self._client.copy(WORK, template.root.id, values, company=company)
        with effect_is_there():
            return self._to_project(await self._projects.tree(created))

    async def open_project(self, project_id: str) -> Project:
        tree = await self._projects.tree(record_id(project_id))
        if not tree.timed:
            raise Refused(Code.upstream_rejected, "No task of it is available on timesheets. Make one so in Tryton.")
        first_day = mapping.to_project(tree, self._settings, self._today()).start
        return await self._put(tree, first_day, self._status_in_work(tree))

    async def close_project(self, project_id: str) -> Project:
        tree = await self._projects.tree(record_id(project_id))
        cancelled = tree.root.status.name == self._settings.status_cancelled
        return await self._put(tree, NEVER, self._settings.status_open if cancelled else tree.root.status.name)

    async def cancel_project(self, project_id: str) -> Project:
        return await self._put(await self._projects.tree(record_id(project_id)), NEVER, self._settings.status_cancelled)

    async def list_tasks(self, project_id: str, *, after: str | None = None, limit: int = 20) -> Found[Task]:
        tree = await self._projects.tree(record_id(project_id))
        start = _place_behind(tree, after)
        shown = tree.tasks[start : start + limit]
        more = tree.tasks[start + limit :]
        tasks = [mapping.to_task(work, tree.root.id, self._today()) for work in shown]
        return Found(items=tasks, after=str(shown[-1].id) if more else None)

    async def find_task(self, project_id: str, business_key: str) -> Task | None:
        project = record_id(project_id)
        domain = [["parent", "child_of", [project]], ["type", "=", "task"], marks.clause("comment", business_key)]
        found = await self._projects.works(domain, None)
        work = one([each for each in found if marks.key_of(each.comment) == business_key])
        return mapping.to_task(work, project, self._today()) if work else None

    async def create_task(self, project_id: str, new: NewTask) -> Task:
        tree = await self._projects.tree(record_id(project_id))
        project = self._to_project(tree)
        if project.state is ProjectState.cancelled:
            raise Refused(Code.upstream_rejected, "The project is withdrawn. Open or close it first.")
        first_day = project.start if project.state is ProjectState.open else NEVER
        values = mapping.from_new_task(new, _parent(tree, new), first_day)
        created = await self._client.create(WORK, values, company=tree.root.company)
        with effect_is_there():
            works = await self._projects.works([["id", "=", created]], 1)
            return mapping.to_task(works[0], tree.root.id, self._today())

    async def list_milestones(self, project_id: str, *, after: str | None = None, limit: int = 20) -> Found[Milestone]:
        del project_id, after, limit
        _refuse_milestones()

    async def find_milestone(self, project_id: str, business_key: str) -> Milestone | None:
        del project_id, business_key
        _refuse_milestones()

    async def create_milestone(self, project_id: str, new: NewMilestone) -> Milestone:
        del project_id, new
        _refuse_milestones()

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
        return await self._time.entries(entry_ids)

    async def list_time_totals(self, first: date, last: date) -> list[TimeTotal]:
        return await self._time.totals(first, last)

    async def find_time_feedback(self, entry_ids: Sequence[str]) -> Mapping[str, TimeFeedback]:
        return await self._billing.feedback(entry_ids)

    async def write_time_feedback(self, feedback: Sequence[NewEntryFeedback]) -> Mapping[str, TimeFeedback | Refused]:
        return await self._billing.write_feedback(feedback)

    async def find_billing_note(self, project_id: str, business_key: str) -> BillingNote | None:
        return await self._billing.note(project_id, business_key)

    async def write_billing_note(self, project_id: str, new: NewBillingNote) -> BillingNote:
        return await self._billing.write_note(project_id, new)

    async def get_hold_flag(self, project_id: str) -> HoldFlag:
        return await self._billing.flag(project_id)

    async def set_hold_flag(self, project_id: str, new: NewHoldFlag) -> HoldFlag:
        return await self._billing.set_flag(project_id, new)

    async def _put(self, tree: Tree, first_day: date | None, status: str) -> Project:
        await self._projects.put(tree, first_day, status)
        with effect_is_there():
            return self._to_project(await self._projects.tree(tree.root.id))

    async def _manager(self, email: str) -> Resource:
        resource = mapping.to_resource(await self._setup.manager(email), self._today())
        if resource.state is not State.active:
            raise no_manager()
        return resource

    async def _template(self, name: str, company: int) -> Tree:
        """Return a template: its copy is closed for time only if it is."""
        tree = await self._projects.template(name, company)
        if self._to_project(tree).state is ProjectState.open:
            detail = (
                "The template takes time, and so would its copy. Have the first day of its tasks set to 9999-12-31."
            )
            raise refused(Code.template_unknown, "#/native_template", detail)
        return tree

    def _status_in_work(self, tree: Tree) -> str:
        """Return the status of a project that is no tombstone: open, unless its billing is held."""
        held = tree.root.status.name == self._settings.status_on_hold
        return self._settings.status_on_hold if held else self._settings.status_open

    def _to_project(self, tree: Tree) -> Project:
        return mapping.to_project(tree, self._settings, self._today())


def _parent(tree: Tree, new: NewTask) -> int:
    """Return what a task stands below: the project, or another task of it."""
    if new.parent_id is UNSET:
        return tree.root.id
    if new.parent_id not in {str(task.id) for task in tree.tasks}:
        raise refused(Code.upstream_rejected, "#/parent_id", "The project has no such task.")
    return int(new.parent_id)


def _place_behind(tree: Tree, after: str | None) -> int:
    """Return where a page begins; behind a task that is gone, it begins where it started."""
    places = (place for place, task in enumerate(tree.tasks, 1) if str(task.id) == after)
    return next(places, 0)


def _refuse_milestones() -> NoReturn:
    raise Refused(Code.capability_missing, "Tryton keeps no milestones; the gateway's own copy is the record.")
