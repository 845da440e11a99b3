"""Handlers of `openapi/process/status/v1.yaml`: the projects that the caller may see, wherever they are known."""

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.errors import Refused
from gateway.listing import Listing, require_exactly_one
from gateway.store import cross_references
from gateway.store.database import Store
from gateway.store.pages import Listed, Window
from openapi.common.types import Code, Violation
from openapi.process.status.v1 import BillingStatusList, ProjectStatus, ProjectStatusPage
from process_apis.ledger.projects import Project, find_project, list_projects
from process_apis.status import billing
from process_apis.status.projects import refresh_invoices, statuses
from process_apis.status.systems import Systems


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
    items = await statuses(store, systems, caller, found.items, fresh=False)
    return ProjectStatusPage(items=items, next_cursor=listing.next_cursor(found.after))


async def get_project_status(
    *, store: Store, systems: Systems, caller: Caller, project_id: str, fresh: bool
) -> ProjectStatus:
    """Return the project's status; `fresh` asks the systems now."""
    project = await find_project(store, caller, project_id)
    if project is None:
        raise Refused(Code.resource_not_found, "There is no such project, or you may not see it.")
    await refresh_invoices(store, systems, caller, project, fresh=fresh)
    return (await statuses(store, systems, caller, [project], fresh=fresh))[0]


async def list_billing_statuses(  # noqa: PLR0913 - the contract's parameters
    *,
    store: Store,
    systems: Systems,
    caller: Caller,
    project: str | None,
    invoice: str | None,
    entry: str | None,
    connection: str | None,
    fresh: bool,
) -> BillingStatusList:
    """Return the billing of a project, an invoice or a time entry, as far as the caller may see it."""
    require_exactly_one(project=project, invoice=invoice, entry=entry)
    if (entry is None) != (connection is None):
        _pair(connection, entry, name="entry")
    asked = billing.Asked(project=project, invoice=invoice, entry=entry, connection=connection)
    return BillingStatusList(items=await billing.statuses(store, systems, caller, asked, fresh=fresh))


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


def _pair(connection: str | None, external_id: str | None, name: str = "external_id") -> tuple[str, str] | None:
    """Return the two together; an external id means something in its connection only."""
    if connection is not None and external_id is not None:
        return connection, external_id
    if connection is None and external_id is None:
        return None
    missing = name if connection is not None else "connection"
    detail = f"Give connection and {name} together; an id means something in its connection only."
    violation = Violation(code=Code.request_parameter_invalid, pointer=f"#query/{missing}", detail=detail)
    raise Refused(Code.request_malformed, detail, violation)
