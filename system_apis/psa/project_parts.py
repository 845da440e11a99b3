"""What a project is made of: tasks and milestones are listed and made."""

from functools import partial
from typing import Final

from gateway.agreement import agreeing
from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.listing import Listing
from gateway.writes import BoundWrites
from openapi.system.psa.v1 import Milestone, MilestonePage, NewMilestone, NewTask, Task, TaskPage
from system_apis.access import require
from system_apis.ports import Psa
from system_apis.psa.projects import get_project

NO_TASKS: Final = "This PSA keeps no tasks."
NO_MILESTONES: Final = "This PSA keeps no milestones."


async def list_tasks(
    *, psa: Psa, caller: Caller, cursors: Cursors, project_id: str, limit: int, cursor: str | None
) -> TaskPage:
    """Return the project's tasks, parents before children."""
    require(capability=psa.capabilities.tasks, advice=NO_TASKS)
    filters = {"connection": psa.connection, "project_id": project_id}
    listing = Listing(cursors, "system/psa/v1:list_tasks", caller, **filters)
    after = listing.after(cursor)
    await get_project(psa=psa, caller=caller, project_id=project_id)
    found = await psa.list_tasks(project_id, after=after, limit=limit)
    return TaskPage(items=found.items, next_cursor=listing.next_cursor(found.after))


async def create_task(*, psa: Psa, writes: BoundWrites, caller: Caller, project_id: str, body: NewTask) -> Task:
    """Return the task that carries the key, created now or earlier."""
    require(capability=psa.capabilities.tasks, advice=NO_TASKS)
    await get_project(psa=psa, caller=caller, project_id=project_id)
    return await writes.once(
        operation="create_task",
        key=body.business_key,
        payload=body,
        look=partial(psa.find_task, project_id, body.business_key),
        act=partial(psa.create_task, project_id, body),
        agree=agreeing(body, "name"),
    )


async def list_milestones(
    *, psa: Psa, caller: Caller, cursors: Cursors, project_id: str, limit: int, cursor: str | None
) -> MilestonePage:
    """Return the project's milestones, the earliest first."""
    require(capability=psa.capabilities.milestones, advice=NO_MILESTONES)
    filters = {"connection": psa.connection, "project_id": project_id}
    listing = Listing(cursors, "system/psa/v1:list_milestones", caller, **filters)
    after = listing.after(cursor)
    await get_project(psa=psa, caller=caller, project_id=project_id)
    found = await psa.list_milestones(project_id, after=after, limit=limit)
    return MilestonePage(items=found.items, next_cursor=listing.next_cursor(found.after))


async def create_milestone(
    *, psa: Psa, writes: BoundWrites, caller: Caller, project_id: str, body: NewMilestone
) -> Milestone:
    """Return the milestone that carries the key, created now or earlier."""
    require(capability=psa.capabilities.milestones, advice=NO_MILESTONES)
    await get_project(psa=psa, caller=caller, project_id=project_id)
    return await writes.once(
        operation="create_milestone",
        key=body.business_key,
        payload=body,
        look=partial(psa.find_milestone, project_id, body.business_key),
        act=partial(psa.create_milestone, project_id, body),
        agree=agreeing(body, "name"),
    )
