"""How an onboarding reverses what it wrote to other systems: cancelled or inactive, never deleted. Through the guard.

A document is found by its key, not by what a step returned: so what was made by a write whose answer was lost is undone
as well.
"""

from functools import partial

from gateway.caller import INSTALLATION
from gateway.durable import process_id
from gateway.errors import Refused
from gateway.store import cross_references, locks
from gateway.store.database import Store
from gateway.writes import Writes
from openapi.system.erp.v1 import AccountingProject, AccountingProjectState, Customer, CustomerState
from openapi.system.psa.v1 import Project, ProjectState
from process_apis.ledger import customers, projects
from process_apis.project_onboarding import documents
from process_apis.project_onboarding.order import OnboardingOrder
from system_apis.ports import Erp, Psa


async def deactivate_customer(store: Store, writes: Writes, erp: Erp, order: OnboardingOrder) -> None:
    """Leave the customer that we made inactive, unless somebody else uses it by now."""
    customer = await erp.find_customer(documents.customer_key(order.body))
    if customer is None or not erp.capabilities.update_customers or not await _is_ours_alone(store, order):
        return
    change = documents.deactivation()
    await writes.bound(erp).change(
        operation="update_customer",
        object_id=customer.id,
        payload=change,
        look=partial(customer_in, erp, customer.id, CustomerState.inactive),
        act=partial(erp.update_customer, customer.id, change, None),
    )
    await customers.mark_customer(store, order.customer, customers.INACTIVE)
    await locks.release(store, process_id(), [order.customer_lock])


async def unlink_customer(store: Store, order: OnboardingOrder) -> None:
    """End the link that we made, unless somebody else uses it by now."""
    if await _is_ours_alone(store, order):
        await cross_references.retire(store, order.customer, order.erp)


async def cancel_project(writes: Writes, psa: Psa, key: str) -> None:
    """Leave the PSA's project as a tombstone."""
    project = await psa.find_project(key)
    if project is None:
        return
    await writes.bound(psa).change(
        operation="cancel_project",
        object_id=project.id,
        look=partial(project_in, psa, project.id, ProjectState.cancelled),
        act=partial(psa.cancel_project, project.id),
    )


async def deactivate_accounting_project(writes: Writes, erp: Erp, key: str) -> None:
    """Leave the ledger's project inactive."""
    project = await erp.find_accounting_project(key)
    if project is None:
        return
    await writes.bound(erp).change(
        operation="deactivate_accounting_project",
        object_id=project.id,
        look=partial(accounting_project_in, erp, project.id, AccountingProjectState.inactive),
        act=partial(erp.deactivate_accounting_project, project.id),
    )


async def customer_in(erp: Erp, customer_id: str, state: CustomerState) -> Customer | None:
    """Return the customer where it is in the state."""
    customer = await erp.get_customer(customer_id)
    return customer if customer.state is state else None


async def project_in(psa: Psa, project_id: str, state: ProjectState) -> Project | None:
    """Return the PSA's project where it is in the state."""
    project = await psa.get_project(project_id)
    return project if project.state is state else None


async def accounting_project_in(erp: Erp, project_id: str, state: AccountingProjectState) -> AccountingProject | None:
    """Return the ledger's project where it is in the state."""
    project = await erp.get_accounting_project(project_id)
    return project if project.state is state else None


async def _is_ours_alone(store: Store, order: OnboardingOrder) -> bool:
    """Tell whether no other project needs the customer, and let none begin to until the lock is released."""
    try:
        await locks.take(store, process_id(), [order.customer_lock])
    except Refused:  # Somebody has it, and is about to use the customer.
        return False
    others = await projects.projects_of_customers(store, INSTALLATION, [order.customer])
    return not any(other.state in projects.LIVE for other in others if other.id != order.project)
