"""Where work is planned and time is booked: projects are found, made, read and moved between their states."""

from functools import partial
from typing import Final

from msgspec import UNSET

from gateway.agreement import agreeing
from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.listing import Listing, require_exactly_one
from gateway.writes import BoundWrites
from openapi.system.psa.v1 import NewProject, Project, ProjectPage, ProjectState
from system_apis.access import not_there, require, require_entity, sees_entity, there
from system_apis.ports import Psa

NO_TEMPLATES: Final = "This PSA has no templates of its own. Leave `native_template` out."
NO_CLOSING: Final = "This PSA cannot stop people from booking time on a project that exists."


async def search_projects(
    *,
    psa: Psa,
    caller: Caller,
    cursors: Cursors,
    code: str | None,
    business_key: str | None,
    limit: int,
    cursor: str | None,
) -> ProjectPage:
    """Return the projects found, of the entities that the caller may see."""
    require_exactly_one(code=code, business_key=business_key)
    filters = {"connection": psa.connection, "code": code, "business_key": business_key}
    listing = Listing(cursors, "system/psa/v1:search_projects", caller, **filters)
    after, following = listing.after(cursor), None
    if code is not None:
        found = await psa.search_projects(code=code, after=after, limit=limit)
        projects, following = found.items, found.after
    else:
        one = await psa.find_project(business_key or "")
        projects = [one] if one else []
    seen = [project for project in projects if sees_entity(caller, psa.capabilities, project.legal_entity)]
    return ProjectPage(items=seen, next_cursor=listing.next_cursor(following))


async def create_project(*, psa: Psa, writes: BoundWrites, caller: Caller, body: NewProject) -> Project:
    """Return the project that carries the key, created now or earlier."""
    templated = body.native_template is not UNSET
    can_copy = psa.capabilities.native_templates or not templated
    require(capability=can_copy, advice=NO_TEMPLATES, pointer="#/native_template")
    require_entity(caller, psa.capabilities, body.legal_entity)
    return await writes.once(
        operation="create_project",
        key=body.business_key,
        payload=body,
        look=partial(psa.find_project, body.business_key),
        act=partial(psa.create_project, body),
        agree=agreeing(body, "code"),
    )


async def get_project(*, psa: Psa, caller: Caller, project_id: str) -> Project:
    """Return the project; one of another entity is not there."""
    project = await there(psa.get_project(project_id))
    if not sees_entity(caller, psa.capabilities, project.legal_entity):
        raise not_there()
    return project


async def open_project(*, psa: Psa, writes: BoundWrites, caller: Caller, project_id: str) -> Project:
    """Return the project, taking time."""
    require(capability=psa.capabilities.close_for_time, advice=NO_CLOSING)
    await get_project(psa=psa, caller=caller, project_id=project_id)
    return await writes.change(
        operation="open_project",
        object_id=project_id,
        look=partial(_in_state, psa, project_id, ProjectState.open),
        act=partial(psa.open_project, project_id),
    )


async def close_project(*, psa: Psa, writes: BoundWrites, caller: Caller, project_id: str) -> Project:
    """Return the project, taking no time."""
    require(capability=psa.capabilities.close_for_time, advice=NO_CLOSING)
    await get_project(psa=psa, caller=caller, project_id=project_id)
    return await writes.change(
        operation="close_project",
        object_id=project_id,
        look=partial(_in_state, psa, project_id, ProjectState.closed),
        act=partial(psa.close_project, project_id),
    )


async def cancel_project(*, psa: Psa, writes: BoundWrites, caller: Caller, project_id: str) -> Project:
    """Return the project as a tombstone."""
    await get_project(psa=psa, caller=caller, project_id=project_id)
    return await writes.change(
        operation="cancel_project",
        object_id=project_id,
        look=partial(_in_state, psa, project_id, ProjectState.cancelled),
        act=partial(psa.cancel_project, project_id),
    )


async def _in_state(psa: Psa, project_id: str, state: ProjectState) -> Project | None:
    project = await there(psa.get_project(project_id))
    return project if project.state is state else None
