"""What postings are collected on: projects are found, made, read and moved between their states."""

from functools import partial
from typing import Final

from gateway.agreement import agreeing
from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.listing import Listing, require_exactly_one
from gateway.writes import BoundWrites
from openapi.system.erp.v1 import (
    AccountingProject,
    AccountingProjectPage,
    AccountingProjectState,
    NewAccountingProject,
)
from system_apis.access import not_there, require, require_entity, sees_entity, there
from system_apis.ports import Erp

NO_PROJECTS: Final = "This ERP keeps no projects."


async def search_accounting_projects(
    *,
    erp: Erp,
    caller: Caller,
    cursors: Cursors,
    code: str | None,
    business_key: str | None,
    limit: int,
    cursor: str | None,
) -> AccountingProjectPage:
    """Return the projects found, of the entities that the caller may see."""
    require_exactly_one(code=code, business_key=business_key)
    require(capability=erp.capabilities.accounting_projects, advice=NO_PROJECTS)
    filters = {"connection": erp.connection, "code": code, "business_key": business_key}
    listing = Listing(cursors, "system/erp/v1:search_accounting_projects", caller, **filters)
    after, following = listing.after(cursor), None
    if code is not None:
        found = await erp.search_accounting_projects(code=code, after=after, limit=limit)
        projects, following = found.items, found.after
    else:
        one = await erp.find_accounting_project(business_key or "")
        projects = [one] if one else []
    seen = [project for project in projects if sees_entity(caller, erp.capabilities, project.legal_entity)]
    return AccountingProjectPage(items=seen, next_cursor=listing.next_cursor(following))


async def create_accounting_project(
    *, erp: Erp, writes: BoundWrites, caller: Caller, body: NewAccountingProject
) -> AccountingProject:
    """Return the project that carries the key, created now or earlier."""
    require(capability=erp.capabilities.accounting_projects, advice=NO_PROJECTS)
    require_entity(caller, erp.capabilities, body.legal_entity)
    return await writes.once(
        operation="create_accounting_project",
        key=body.business_key,
        payload=body,
        look=partial(erp.find_accounting_project, body.business_key),
        act=partial(erp.create_accounting_project, body),
        agree=agreeing(body, "legal_entity", "code", "customer_id"),
    )


async def get_accounting_project(*, erp: Erp, caller: Caller, project_id: str) -> AccountingProject:
    """Return the project; one of another entity is not there."""
    require(capability=erp.capabilities.accounting_projects, advice=NO_PROJECTS)
    project = await there(erp.get_accounting_project(project_id))
    if not sees_entity(caller, erp.capabilities, project.legal_entity):
        raise not_there()
    return project


async def activate_accounting_project(
    *, erp: Erp, writes: BoundWrites, caller: Caller, project_id: str
) -> AccountingProject:
    """Return the project, taking postings."""
    await get_accounting_project(erp=erp, caller=caller, project_id=project_id)
    return await writes.change(
        operation="activate_accounting_project",
        object_id=project_id,
        look=partial(_in_state, erp, project_id, AccountingProjectState.active),
        act=partial(erp.activate_accounting_project, project_id),
    )


async def deactivate_accounting_project(
    *, erp: Erp, writes: BoundWrites, caller: Caller, project_id: str
) -> AccountingProject:
    """Return the project, taking none."""
    await get_accounting_project(erp=erp, caller=caller, project_id=project_id)
    return await writes.change(
        operation="deactivate_accounting_project",
        object_id=project_id,
        look=partial(_in_state, erp, project_id, AccountingProjectState.inactive),
        act=partial(erp.deactivate_accounting_project, project_id),
    )


async def _in_state(erp: Erp, project_id: str, state: AccountingProjectState) -> AccountingProject | None:
    project = await there(erp.get_accounting_project(project_id))
    return project if project.state is state else None
