"""A strict PSA in memory: it has its own books, refuses what a PSA refuses, and loses what `Fault` says."""

from collections.abc import Callable
from datetime import date, datetime
from typing import TypeVar

from msgspec.structs import replace

from gateway.store.database import utc_now
from openapi.common.types import Code
from openapi.system.psa.v1 import (
    ApprovalPractice,
    Capabilities,
    Environment,
    Idempotency,
    Milestone,
    NewMilestone,
    NewProject,
    NewTask,
    OptimisticLock,
    Project,
    ProjectCustomer,
    ProjectState,
    Resource,
    State,
    State1,
    State2,
    Task,
    TimeChanges,
)
from system_apis.ports import Finding, Found
from tests.fakes.psa_billing import Billing
from tests.fakes.vendor import Book, given, page, refuse_unless

P = TypeVar("P", Task, Milestone)
CAPABILITIES = Capabilities(
    connection="delivery",
    vendor="fake",
    environment=Environment.sandbox,
    legal_entities=["ES01", "DE01"],
    native_templates=True,
    tasks=True,
    milestones=True,
    contracts=False,
    billing_schedules=False,
    funding_splits=False,
    close_for_time=True,
    idempotency=Idempotency.none,
    optimistic_lock=OptimisticLock.optional,
    settle_s=0.0,
    time_entries=True,
    approval=ApprovalPractice.native,
    time_changes=TimeChanges.watermark,
    time_feedback=True,
    billing_notes=True,
    hold_flag=True,
)


class FakePsa(Billing):
    """The port `Psa`. Codes of projects are unique; keys of documents are unique nowhere."""

    def __init__(self, capabilities: Capabilities = CAPABILITIES, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(capabilities, clock)
        self.templates = {"Delivery standard": ("Discovery", "Build")}

    def make_project(self, code: str, legal_entity: str = "ES01") -> Project:
        """Return a project that somebody has made in the PSA itself, and that takes time."""
        new = NewProject(
            business_key=f"prj_{code}_psa",
            legal_entity=legal_entity,
            code=code,
            name=f"Project {code}",
            customer=ProjectCustomer(business_key="cus_crm1_4711", name="Alder Foods S.A."),
            start=date(2026, 1, 1),
        )
        project = self._created_project(new)
        return self._moved(project.id, ProjectState.open) if self.capabilities.close_for_time else project

    async def examine(self) -> list[Finding]:
        """Return that there is nothing to mend."""
        return [Finding(subject="access", holds=not self.away, detail="The books are in memory.")]

    async def list_resources(self, *, after: str | None = None, limit: int = 20) -> Found[Resource]:
        """Return the people."""
        return await self.read("list_resources", lambda: page(self.resources, after, limit))

    async def find_resource(self, email: str) -> Resource | None:
        """Return the person with the address."""
        return await self.read("find_resource", lambda: self._person(email))

    async def search_projects(self, *, code: str, after: str | None = None, limit: int = 20) -> Found[Project]:
        """Return the projects with the code."""
        return await self.read(
            "search_projects", lambda: page(self.search(self.projects, lambda one: one.code == code), after, limit)
        )

    async def find_project(self, business_key: str) -> Project | None:
        """Return the project that carries the key, once the index has it."""
        return await self.read(
            "find_project", lambda: self.find(self.projects, lambda one: one.business_key == business_key)
        )

    async def get_project(self, project_id: str) -> Project:
        """Return the project."""
        return await self.read("get_project", lambda: self.projects.get(project_id))

    async def create_project(self, new: NewProject) -> Project:
        """Return a new project, closed for time."""
        return await self.write("create_project", lambda: self._created_project(new))

    async def open_project(self, project_id: str) -> Project:
        """Return the project, taking time."""
        return await self.write("open_project", lambda: self._moved(project_id, ProjectState.open))

    async def close_project(self, project_id: str) -> Project:
        """Return the project, taking no time."""
        return await self.write("close_project", lambda: self._moved(project_id, ProjectState.closed))

    async def cancel_project(self, project_id: str) -> Project:
        """Return the project as a tombstone."""
        return await self.write("cancel_project", lambda: self._moved(project_id, ProjectState.cancelled))

    async def list_tasks(self, project_id: str, *, after: str | None = None, limit: int = 20) -> Found[Task]:
        """Return the project's tasks, parents first."""
        return await self.read("list_tasks", lambda: page(self._of(self.tasks, project_id), after, limit))

    async def find_task(self, project_id: str, business_key: str) -> Task | None:
        """Return the project's task that carries the key."""

        def fits(task: Task) -> bool:
            return (task.project_id, task.business_key) == (project_id, business_key)

        return await self.read("find_task", lambda: self.find(self.tasks, fits))

    async def create_task(self, project_id: str, new: NewTask) -> Task:
        """Return a new task."""
        return await self.write("create_task", lambda: self._created_task(project_id, new))

    async def list_milestones(self, project_id: str, *, after: str | None = None, limit: int = 20) -> Found[Milestone]:
        """Return the project's milestones, the earliest first; those without a date come last."""

        def ordered() -> list[Milestone]:
            return sorted(self._of(self.milestones, project_id), key=lambda one: one.due_on or date.max)

        return await self.read("list_milestones", lambda: page(ordered(), after, limit))

    async def find_milestone(self, project_id: str, business_key: str) -> Milestone | None:
        """Return the project's milestone that carries the key."""

        def fits(milestone: Milestone) -> bool:
            return (milestone.project_id, milestone.business_key) == (project_id, business_key)

        return await self.read("find_milestone", lambda: self.find(self.milestones, fits))

    async def create_milestone(self, project_id: str, new: NewMilestone) -> Milestone:
        """Return a new milestone."""
        return await self.write("create_milestone", lambda: self._created_milestone(project_id, new))

    def _person(self, email: str) -> Resource | None:
        return next((one for one in self.resources if (one.email or "").casefold() == email.casefold()), None)

    def _created_project(self, new: NewProject) -> Project:
        template, end = given(new, "native_template"), given(new, "end")
        served = new.legal_entity in self.capabilities.legal_entities
        refuse_unless(served, Code.entity_mapping_missing, "It does not work for this entity.")
        can_copy = template is None or self.capabilities.native_templates
        refuse_unless(can_copy, Code.capability_missing, "No templates.")
        refuse_unless(template is None or template in self.templates, Code.template_unknown, "No such template.")
        refuse_unless(end is None or end >= new.start, Code.upstream_rejected, "It ends before it starts.")
        taken = any(one.code == new.code for one in self.projects)
        refuse_unless(not taken, Code.project_code_collision, "The code is in use.")
        project = Project(
            id=self.projects.next_id(),
            version=self.version(),
            business_key=new.business_key,
            legal_entity=new.legal_entity,
            code=new.code,
            name=new.name.strip(),
            customer_name=new.customer.name,
            state=ProjectState.closed if self.capabilities.close_for_time else ProjectState.open,
            start=new.start,
            end=end,
            manager_id=self._manager_id(given(new, "manager")),
            url=None,
            updated_at=self.clock(),
            references=[],
        )
        self.projects.put(project, self.clock())
        for name in self.templates.get(template, ()):
            self._put_task(project.id, None, name)
        return project

    def _manager_id(self, email: str | None) -> str | None:
        if email is None:
            return None
        person = self._person(email)
        refuse_unless(person and person.state is State.active, Code.resource_not_mapped, "Nobody active.")
        return person.id if person else None

    def _moved(self, project_id: str, state: ProjectState) -> Project:
        project = self.projects.get(project_id)
        can_close = self.capabilities.close_for_time or state is ProjectState.cancelled
        refuse_unless(can_close, Code.capability_missing, "Projects always take time.")
        return self.projects.put(
            replace(project, state=state, version=self.version(), updated_at=self.clock()), self.clock()
        )

    def _created_task(self, project_id: str, new: NewTask) -> Task:
        refuse_unless(self.capabilities.tasks, Code.capability_missing, "No tasks.")
        self._check_living(project_id)
        parent_id = given(new, "parent_id")
        known = parent_id is None or any(one.id == parent_id for one in self._of(self.tasks, project_id))
        refuse_unless(known, Code.upstream_rejected, "No such parent.")
        task = self._put_task(project_id, new.business_key, new.name.strip())
        filled = replace(task, parent_id=parent_id, planned_hours=given(new, "planned_hours"))
        return self.tasks.put(filled, self.clock())

    def _put_task(self, project_id: str, business_key: str | None, name: str) -> Task:
        task = Task(
            id=self.tasks.next_id(),
            version=self.version(),
            business_key=business_key,
            project_id=project_id,
            name=name,
            parent_id=None,
            state=State1.open,
            planned_hours=None,
            references=[],
        )
        return self.tasks.put(task, self.clock())

    def _created_milestone(self, project_id: str, new: NewMilestone) -> Milestone:
        refuse_unless(self.capabilities.milestones, Code.capability_missing, "No milestones.")
        self._check_living(project_id)
        milestone = Milestone(
            id=self.milestones.next_id(),
            version=self.version(),
            business_key=new.business_key,
            project_id=project_id,
            name=new.name.strip(),
            due_on=given(new, "due_on"),
            state=State2.planned,
            references=[],
        )
        return self.milestones.put(milestone, self.clock())

    def _check_living(self, project_id: str) -> None:
        cancelled = self.projects.get(project_id).state is ProjectState.cancelled
        refuse_unless(not cancelled, Code.upstream_rejected, "The project is withdrawn.")

    def _of(self, book: Book[P], project_id: str) -> list[P]:
        self.projects.get(project_id)
        return [one for one in book if one.project_id == project_id]
