"""The onboarding of a project: check, reserve, make it closed in both systems, compare, open the ledger, then the PSA.

Names of steps are stored for years; a write bears its operation's name. What the run goes by comes from its order and
its steps: a release in between may change everything else.
"""

from functools import partial
from typing import Final

from msgspec import Struct

from gateway.durable import finish, skip, step, submit, undo, workflow
from gateway.store.cross_references import EstablishedBy
from gateway.store.database import Store
from gateway.writes import Writes
from openapi.process.project_onboarding.v1 import OnboardingDecision, OnboardingState
from openapi.system.erp.v1 import AccountingProject, AccountingProjectState, CustomerState, NewAccountingProject
from openapi.system.psa.v1 import Project, ProjectState
from process_apis.ledger import contracts, schedules
from process_apis.project_onboarding import documents, project_codes, steps, undoing
from process_apis.project_onboarding.customers import Choice
from process_apis.project_onboarding.order import OnboardingOrder
from process_apis.project_onboarding.steps import Made
from system_apis.ports import Erp, Landscape, Psa

KIND: Final = "project_onboarding"
CAPABILITY: Final = "capability"
EXISTS: Final = "exists"


class Onboarded(Struct, frozen=True, kw_only=True):
    """What came of it."""

    project: str
    made: Made


class Run(Struct, frozen=True, kw_only=True):
    """What the parts of an onboarding have in common."""

    store: Store
    writes: Writes
    erp: Erp
    psa: Psa
    order: OnboardingOrder


@workflow(name=KIND, refusals="park", decision=OnboardingDecision, completed=OnboardingState.active)
async def onboard_project(landscape: Landscape, store: Store, writes: Writes, order: OnboardingOrder) -> Onboarded:
    """Set up the project that a statement of work was signed for, or leave nothing of it active."""
    erp, psa = landscape.erp(order.erp), landscape.psa(order.psa)
    run = Run(store=store, writes=writes, erp=erp, psa=psa, order=order)

    await step("lock_customer_and_opportunity", steps.begin, store, order)
    undo("withdraw_project", steps.withdraw, store, psa, order)
    choice = await step("check_customer", steps.check_customer, store, erp, order, on=order.erp)
    customer_id = await have_customer(run, choice)
    code = await step("reserve_code", steps.reserve_code, store, psa, erp, order)
    undo("release_code", steps.release_code, store, psa, order)
    contract = await record_contract(run)

    project = await have_project(run, code)
    await divide_project(run, project)
    dimensions = await step("decide_dimensions", steps.decided_dimensions, store, order)
    new = documents.new_erp_project(order.body, code, customer_id, dimensions)
    ledger_project = await have_accounting_project(run, new)
    await record_schedule(run, contract)

    made = Made(
        code=code,
        customer_id=customer_id,
        customer_is_new=choice.customer is None,
        psa_project_id=project.id,
        erp_project_id=ledger_project.id,
        dimensions=dimensions,
    )
    await step("read_back", steps.compare, erp, psa, order, made)
    await activate_accounting_project(run, ledger_project.id, new.business_key)

    # The pivot: from here on people book time. A refusal up to it parks; what comes after it finishes.
    await submit(
        "open_project",
        on=psa,
        object_id=project.id,
        look=partial(undoing.project_in, psa, project.id, ProjectState.open),
        act=partial(psa.open_project, project.id),
        pivot=True,
    )
    await finish(step("activate_references", steps.activate_references, store, order, contract))
    await finish(step("announce_activation", steps.announce, store, order, made))
    skip("notify_crm", CAPABILITY)
    return Onboarded(project=order.project, made=made)


async def have_customer(run: Run, choice: Choice) -> str:
    """Return the ERP's id of the customer: found, taken up again, or made; linked to ours."""
    erp, order = run.erp, run.order
    customer = choice.customer
    laying_down = partial(undoing.deactivate_customer, run.store, run.writes, erp, order)
    if customer is None:
        new = documents.new_customer(order.body)
        customer = await submit(
            "create_customer",
            on=erp,
            key=new.business_key,
            payload=new,
            look=partial(erp.find_customer, new.business_key),
            act=partial(erp.create_customer, new),
            agree=("tax_id", "name"),
            undone_by=("deactivate_customer", laying_down),
        )
    elif choice.to_reactivate:
        change = documents.reactivation()
        await submit(
            "update_customer",
            on=erp,
            object_id=customer.id,
            payload=change,
            look=partial(undoing.customer_in, erp, customer.id, CustomerState.active),
            act=partial(erp.update_customer, customer.id, change, None),
            undone_by=("deactivate_customer", laying_down),
        )
    else:
        skip("create_customer", EXISTS, on=order.erp)
    how = EstablishedBy.manual if choice.customer else EstablishedBy.write
    vendor = erp.capabilities.vendor
    args = (run.store, vendor, order, customer.id, how)
    # Somebody may have linked it for another account since it was chosen: then it is chosen again.
    if await step("link_customer", steps.link_customer, *args, again_from="check_customer"):
        undo("unlink_customer", undoing.unlink_customer, run.store, order)
    return customer.id


async def record_contract(run: Run) -> str:
    """Return the id of our copy of the contract; the systems have none of their own."""
    contract = await step("record_contract", steps.record_contract, run.store, run.order)
    undo("cancel_contract", contracts.move_contract, run.store, contract, contracts.CANCELLED)
    skip("create_contract", CAPABILITY, on=run.order.erp)
    skip("create_contract", CAPABILITY, on=run.order.psa)
    return contract


async def have_project(run: Run, code: str) -> Project:
    """Return the PSA's project, closed for time: made, or found and taken up again."""
    psa, order = run.psa, run.order
    native = documents.native_template(order.template, order.psa_capabilities)
    new = documents.new_psa_project(order.body, code, native)
    cancelling = partial(undoing.cancel_project, run.writes, psa, new.business_key)
    project: Project = await submit(
        "create_project",
        on=psa,
        key=new.business_key,
        payload=new,
        look=partial(psa.find_project, new.business_key),
        act=partial(psa.create_project, new),
        fence=partial(project_codes.require_own, run.store, order.project, code),
        agree=("code",),
        again_from="reserve_code",
        undone_by=("cancel_project", cancelling),
    )
    if project.state is ProjectState.cancelled:
        await submit(
            "close_project",
            on=psa,
            object_id=project.id,
            look=partial(undoing.project_in, psa, project.id, ProjectState.closed),
            act=partial(psa.close_project, project.id),
            undone_by=("cancel_project", cancelling),
        )
    vendor = psa.capabilities.vendor
    await step("link_project", steps.link_project, run.store, vendor, order.psa, project.id, order)
    undo("unlink_project", steps.unlink, run.store, order.project, order.psa)
    return project


async def divide_project(run: Run, project: Project) -> None:
    """Make the template's tasks and the milestones in the PSA, as far as it has such things."""
    psa, made = run.psa, dict[str | None, str]()
    plan = documents.plan(run.order.body, run.order.template, run.order.psa_capabilities)
    for task in plan.tasks:
        new_task = task.under(made.get(task.parent_key))
        made[new_task.business_key] = (
            await submit(
                "create_task",
                on=psa,
                key=new_task.business_key,
                payload=new_task,
                look=partial(psa.find_task, project.id, new_task.business_key),
                act=partial(psa.create_task, project.id, new_task),
                agree=("name",),
            )
        ).id
    if plan.no_tasks:
        skip("create_task", plan.no_tasks, on=run.order.psa)
    for milestone in plan.milestones:
        new = milestone.new
        await submit(
            "create_milestone",
            on=psa,
            key=new.business_key,
            payload=new,
            look=partial(psa.find_milestone, project.id, new.business_key),
            act=partial(psa.create_milestone, project.id, new),
            agree=("name",),
        )
    if plan.no_milestones:
        skip("create_milestone", plan.no_milestones, on=run.order.psa)


async def have_accounting_project(run: Run, new: NewAccountingProject) -> AccountingProject:
    """Return the ledger's project, which takes no postings yet: made, or found."""
    erp, order = run.erp, run.order
    deactivating = partial(undoing.deactivate_accounting_project, run.writes, erp, new.business_key)
    project: AccountingProject = await submit(
        "create_accounting_project",
        on=erp,
        key=new.business_key,
        payload=new,
        look=partial(erp.find_accounting_project, new.business_key),
        act=partial(erp.create_accounting_project, new),
        agree=("legal_entity", "code", "customer_id"),
        again_from="decide_dimensions",
        undone_by=("deactivate_accounting_project", deactivating),
    )
    vendor = erp.capabilities.vendor
    await step("link_accounting_project", steps.link_project, run.store, vendor, order.erp, project.id, order)
    undo("unlink_accounting_project", steps.unlink, run.store, order.project, order.erp)
    return project


async def record_schedule(run: Run, contract: str) -> None:
    """Record what is billed when; the systems have no such thing of their own."""
    await step("record_schedule", steps.record_schedule, run.store, run.order, contract)
    undo("cancel_schedule", schedules.cancel_schedule, run.store, contract)
    skip("create_schedule", CAPABILITY, on=run.order.erp)
    skip("create_schedule", CAPABILITY, on=run.order.psa)


async def activate_accounting_project(run: Run, project_id: str, key: str) -> None:
    """Let the ledger take postings on the project."""
    erp = run.erp
    await submit(
        "activate_accounting_project",
        on=erp,
        object_id=project_id,
        look=partial(undoing.accounting_project_in, erp, project_id, AccountingProjectState.active),
        act=partial(erp.activate_accounting_project, project_id),
        undone_by=(
            "deactivate_accounting_project",
            partial(undoing.deactivate_accounting_project, run.writes, erp, key),
        ),
    )
