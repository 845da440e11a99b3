"""Handlers of `openapi/process/status/v1.yaml`: the projects that the caller may see, wherever they are known."""

import asyncio
from collections.abc import Sequence

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.errors import Refused
from gateway.listing import Listing
from gateway.store import cross_references, processes, work_items
from gateway.store.database import Store
from gateway.store.pages import Listed, Window
from gateway.store.processes import Process
from gateway.store.work_items import WorkItem
from openapi.common.types import Code, Violation
from openapi.process.status.v1 import (
    Blocker,
    Link,
    Object,
    ProjectState,
    ProjectStatus,
    ProjectStatusPage,
    StatusCustomer,
    StatusOnboarding,
    SystemStatus,
)
from process_apis.ledger.customers import names_of
from process_apis.ledger.projects import Project, find_project, list_projects
from process_apis.status.systems import Systems

ONBOARDINGS = "/process/project-onboarding/v1/onboardings"


async def list_project_statuses(  # noqa: PLR0913 - the contract's parameters
    *,
    store: Store,
    systems: Systems,
    caller: Caller,
    cursors: Cursors,
    code: str | None,
    connection: str | None,
    external_id: str | None,
    limit: int,
    cursor: str | None,
) -> ProjectStatusPage:
    """Return the projects found, each with its status, the newest first."""
    reference = _pair(connection, external_id)
    filters = {"code": code, "connection": connection, "external_id": external_id}
    listing = Listing(cursors, "process/status/v1:list_project_statuses", caller, **filters)
    window = Window(after=listing.after(cursor), limit=limit)
    found = await _found(store, caller, window, code, reference)
    items = await _statuses(store, systems, caller, found.items, fresh=False)
    return ProjectStatusPage(items=items, next_cursor=listing.next_cursor(found.after))


async def get_project_status(
    *, store: Store, systems: Systems, caller: Caller, project_id: str, fresh: bool
) -> ProjectStatus:
    """Return the project's status; `fresh` asks the systems now."""
    project = await find_project(store, caller, project_id)
    if project is None:
        raise Refused(Code.resource_not_found, "There is no such project, or you may not see it.")
    return (await _statuses(store, systems, caller, [project], fresh=fresh))[0]


async def _found(
    store: Store, caller: Caller, window: Window, code: str | None, reference: tuple[str, str] | None
) -> Listed[Project]:
    """Return the projects that the filters leave; an external id names one at most."""
    if reference is None:
        return await list_projects(store, caller, window, code=code)
    connection, external_id = reference
    references = await cross_references.list_all(
        store, caller, object_type="project", instance=connection, external_id=external_id, state=None
    )
    ids = sorted({one.canonical_id for one in references}, reverse=True)
    projects = [project for one in ids if (project := await find_project(store, caller, one))]
    return Listed(items=[project for project in projects if code in {None, project.code}], after=None)


async def _statuses(
    store: Store, systems: Systems, caller: Caller, projects: Sequence[Project], *, fresh: bool
) -> list[ProjectStatus]:
    """Return the status of each project; all systems of all of them are asked at once."""
    ids = [project.id for project in projects]
    references = await cross_references.list_all(store, caller, canonical_id=ids, object_type="project", state=None)
    known = [reference for reference in references if reference.valid_to is None]
    said = await asyncio.gather(*(systems.status_of(reference, fresh=fresh) for reference in known))
    names = await names_of(store, [project.customer for project in projects])
    onboardings = {
        process.id: process
        for process in (await processes.list_all(store, caller, Window(limit=10 * max(1, len(ids))), project=ids)).items
    }
    items = (
        await work_items.list_all(store, caller, Window(limit=10 * max(1, len(ids))), process_id=list(onboardings))
    ).items
    return [
        _status(
            store,
            project,
            names[project.customer],
            [word for reference, word in zip(known, said, strict=True) if reference.canonical_id == project.id],
            onboardings.get(project.onboarding_id or ""),
            [item for item in items if item.project == project.id or item.process_id == project.onboarding_id],
        )
        for project in projects
    ]


def _status(
    store: Store,
    project: Project,
    customer: str,
    said: list[SystemStatus],
    onboarding: Process | None,
    items: Sequence[WorkItem],
) -> ProjectStatus:
    moments = [word.as_of for word in said if word.as_of]
    return ProjectStatus(
        id=project.id,
        object=Object.project_status,
        code=project.code,
        name=project.name,
        legal_entity=project.legal_entity,
        customer=StatusCustomer(id=project.customer, name=customer),
        state=ProjectState(project.state),
        systems=said,
        onboarding=_onboarding(onboarding),
        blockers=[_blocker(item) for item in items],
        links=[Link(rel="onboarding", href=f"{ONBOARDINGS}/{project.onboarding_id}")] if onboarding else [],
        as_of=min(moments, default=store.now()),
        stale=any(word.stale for word in said),
    )


def _onboarding(process: Process | None) -> StatusOnboarding | None:
    if process is None:
        return None
    return StatusOnboarding(id=process.id, state=process.state, current_step=process.current_step)


def _blocker(item: WorkItem) -> Blocker:
    return Blocker(
        code=item.code,
        detail=item.detail,
        owner_queue=item.owner_queue,
        assignee=item.assignee,
        work_item_id=item.id,
        since=item.opened_at,
    )


def _pair(connection: str | None, external_id: str | None) -> tuple[str, str] | None:
    """Return the two together; an external id means something in its connection only."""
    if connection is not None and external_id is not None:
        return connection, external_id
    if connection is None and external_id is None:
        return None
    missing = "external_id" if connection is not None else "connection"
    detail = "Give connection and external_id together; an id means something in its connection only."
    violation = Violation(code=Code.request_parameter_invalid, pointer=f"#query/{missing}", detail=detail)
    raise Refused(Code.request_malformed, detail, violation)
