"""The documents that an onboarding sends: a statement of work in the words of the system contracts. Pure.

Preview and workflow both take them from here, so that what is shown is what is sent.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from msgspec import UNSET, Struct
from msgspec.structs import replace

from openapi.common.types import Dimension
from openapi.process.project_onboarding.v1 import NewOnboarding, SowProject
from openapi.system.erp import v1 as erp
from openapi.system.psa import v1 as psa
from process_apis.ledger import keys
from process_apis.project_onboarding import tax_ids
from process_apis.project_onboarding.templates import ProjectTemplate, TemplateTask


class PlannedTask(Struct, frozen=True, kw_only=True):
    """A task to be made, and the key of the one that it is a part of."""

    code: str
    new: psa.NewTask
    parent_key: str | None

    def under(self, parent_id: str | None) -> psa.NewTask:
        """Return the task as a part of the one with the PSA's id."""
        return replace(self.new, parent_id=parent_id) if parent_id else self.new


class PlannedMilestone(Struct, frozen=True, kw_only=True):
    """A milestone to be made."""

    code: str
    new: psa.NewMilestone


class Plan(Struct, frozen=True, kw_only=True):
    """How the work is divided in the PSA; where nothing is to be made of a sort, why."""

    tasks: list[PlannedTask]
    no_tasks: str | None
    milestones: list[PlannedMilestone]
    no_milestones: str | None


def onboarding_key(body: NewOnboarding) -> str:
    """Return the business key of the onboarding."""
    return keys.onboarding_key(body.opportunity.crm, body.opportunity.id, body.statement_of_work.version)


def customer_key(body: NewOnboarding) -> str:
    """Return the business key of the customer, where we make it."""
    return keys.customer_key(body.opportunity.crm, body.customer.account)


def new_customer(body: NewOnboarding) -> erp.NewCustomer:
    """Return the customer as the ERP is asked to have it: under its legal name."""
    customer = body.customer
    tax_id = tax_ids.written(customer.tax_id, customer.country) if customer.tax_id else None
    return erp.NewCustomer(
        business_key=customer_key(body),
        legal_entity=body.legal_entity,
        name=customer.legal_name,
        tax_id=tax_id or UNSET,
        country=customer.country,
        payment_terms=body.payment_terms,
        billing_address=customer.billing_address,
    )


def new_psa_project(body: NewOnboarding, code: str, native_template: str | None) -> psa.NewProject:
    """Return the project as the PSA is asked to have it."""
    project, opportunity = body.project, body.opportunity
    return psa.NewProject(
        business_key=keys.psa_project_key(opportunity.crm, opportunity.id),
        legal_entity=body.legal_entity,
        code=code,
        name=project.name,
        customer=psa.ProjectCustomer(business_key=customer_key(body), name=body.customer.legal_name),
        start=project.start,
        end=project.end,
        manager=project.manager,
        native_template=native_template or UNSET,
    )


def new_erp_project(
    body: NewOnboarding, code: str, customer_id: str, dimensions: Sequence[Dimension]
) -> erp.NewAccountingProject:
    """Return the project as the ledger is asked to have it."""
    return erp.NewAccountingProject(
        business_key=keys.erp_project_key(body.opportunity.crm, body.opportunity.id),
        legal_entity=body.legal_entity,
        code=code,
        name=body.project.name,
        customer_id=customer_id,
        dimensions=list(dimensions),
    )


def reactivation() -> erp.CustomerChange:
    """Return the change that takes a customer up again."""
    return erp.CustomerChange(state=erp.CustomerState.active)


def deactivation() -> erp.CustomerChange:
    """Return the change that lays a customer down."""
    return erp.CustomerChange(state=erp.CustomerState.inactive)


def native_template(template: ProjectTemplate, capabilities: psa.Capabilities) -> str | None:
    """Return the PSA's own template to copy, or None where it has no such thing, or the template names none."""
    return template.native_templates.get(capabilities.vendor) if capabilities.native_templates else None


def plan(body: NewOnboarding, template: ProjectTemplate, capabilities: psa.Capabilities) -> Plan:
    """Return what the PSA is asked to make within the project."""
    native = native_template(template, capabilities)
    no_tasks = "native template" if native else _reason(lacks=not capabilities.tasks)
    no_milestones = _reason(lacks=not capabilities.milestones)
    return Plan(
        tasks=[] if no_tasks else list(_tasks(body, template)),
        no_tasks=no_tasks,
        milestones=[] if no_milestones else list(_milestones(body, template)),
        no_milestones=no_milestones,
    )


def _reason(*, lacks: bool) -> str | None:
    return "capability" if lacks else None


def _tasks(body: NewOnboarding, template: ProjectTemplate) -> Iterator[PlannedTask]:
    """Yield the template's tasks, parents first."""

    def key(task: TemplateTask) -> str:
        return keys.task_key(body.opportunity.crm, body.opportunity.id, task.code)

    for task, parent in template.walk():
        new = psa.NewTask(business_key=key(task), name=task.name, planned_hours=task.planned_hours or UNSET)
        yield PlannedTask(code=task.code, new=new, parent_key=key(parent) if parent else None)


def _milestones(body: NewOnboarding, template: ProjectTemplate) -> Iterator[PlannedMilestone]:
    """Yield the milestones: first those that are billed by, then the template's."""
    planned = [
        (f"{line.number}-{place}", part.milestone, part.due_on)
        for line in body.lines
        for place, part in enumerate(line.schedule or (), 1)
        if part.milestone
    ]
    planned += [(item.code, item.name, _day(body.project, item.days_after_start)) for item in template.milestones]
    for code, name, due_on in planned:
        key = keys.milestone_key(body.opportunity.crm, body.opportunity.id, code)
        yield PlannedMilestone(code=code, new=psa.NewMilestone(business_key=key, name=name, due_on=due_on))


def _day(project: SowProject, days_after_start: int) -> date:
    """Return the day, or the project's last where that comes first."""
    return date.fromordinal(min(project.start.toordinal() + days_after_start, project.end.toordinal()))
