"""Onboardings as they are answered: the process, its steps, and what the ledger knows of customer and project."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json
from msgspec.structs import replace

from gateway.caller import Caller
from gateway.store import cross_references, process_steps, work_items
from gateway.store.cross_references import CrossReference
from gateway.store.database import Store
from gateway.store.pages import Window
from gateway.store.process_steps import ProcessStep
from gateway.store.processes import Process
from gateway.store.work_items import WorkItem
from openapi.common.types import Candidate
from openapi.process.project_onboarding.v1 import (
    OnboardedCustomer,
    OnboardedProject,
    Onboarding,
    OnboardingLink,
    OnboardingObject,
    OnboardingReference,
    OnboardingState,
    OnboardingStep,
    OpportunityReference,
    ReferencedObject,
)
from process_apis.ledger import projects
from process_apis.ledger.projects import Project
from process_apis.project_onboarding.look_ups import LIVE
from process_apis.project_onboarding.order import OnboardingOrder

STATUS: Final = "/process/status/v1/project-statuses"
ALL: Final = Window(limit=1000)


class Around(Struct, frozen=True, kw_only=True):
    """What is known around some processes, by the ids that it belongs to."""

    steps: dict[str, list[ProcessStep]]
    items: list[WorkItem]
    references: list[CrossReference]
    projects: dict[str, Project]


class Facts(Struct, frozen=True, kw_only=True):
    """What a work item says that helps to decide."""

    candidates: list[Candidate] = []


async def onboardings(store: Store, caller: Caller, found: Sequence[Process]) -> list[Onboarding]:
    """Return the processes as they are answered; what is around one that the caller may not see stays out."""
    ids = [process.id for process in found]
    owned = [owner for process in found for owner in (process.customer, process.project) if owner]
    references = await cross_references.list_all(store, caller, canonical_id=owned, state=None)
    around = Around(
        steps=await process_steps.list_all(store, caller, ids),
        items=(await work_items.list_all(store, caller, ALL, process_id=ids)).items if ids else [],
        references=[reference for reference in references if reference.state in LIVE],
        projects=await projects.projects_by_id(store, caller, owned),
    )
    shown = [_onboarding(process, around) for process in found]
    # Candidates are other customers: who is limited to some is not told of them.
    return [replace(one, candidates=[]) for one in shown] if caller.is_limited else shown


def _onboarding(process: Process, around: Around) -> Onboarding:
    order = json.decode(process.order, type=OnboardingOrder)
    body = order.body
    project = around.projects.get(order.project)
    items = [item for item in around.items if item.process_id == process.id]
    return Onboarding(
        id=process.id,
        object=OnboardingObject.onboarding,
        version=process.version,
        business_key=process.business_key,
        attempt=process.attempt,
        state=OnboardingState(process.state),
        outcome=process.outcome,
        current_step=process.current_step,
        legal_entity=process.legal_entity,
        opportunity=OpportunityReference(crm=body.opportunity.crm, id=body.opportunity.id),
        customer=OnboardedCustomer(id=order.customer, name=body.customer.name, account=body.customer.account),
        project=OnboardedProject(id=order.project, name=body.project.name, code=project.code if project else None),
        steps=[step.shown_as(OnboardingStep) for step in around.steps[process.id]],
        work_items=[item.id for item in items],
        candidates=[candidate for item in items for candidate in _candidates(item)],
        cross_references=[
            _reference(reference)
            for reference in around.references
            if reference.canonical_id in {order.customer, order.project}
        ],
        links=_links(order),
        correlation_id=process.correlation_id,
        created_at=process.created_at,
        updated_at=process.updated_at,
    )


def _candidates(item: WorkItem) -> list[Candidate]:
    return json.decode(item.facts, type=Facts).candidates


def _reference(reference: CrossReference) -> OnboardingReference:
    return OnboardingReference(
        object=ReferencedObject(reference.object_type),
        connection=reference.instance,
        external_id=reference.external_id,
        state=reference.state.value,
    )


def _links(order: OnboardingOrder) -> list[OnboardingLink]:
    links = [OnboardingLink(rel="status", href=f"{STATUS}/{order.project}")]
    if order.body.opportunity.url:
        links.append(OnboardingLink(rel="opportunity", href=order.body.opportunity.url))
    return links + [OnboardingLink(rel=link.rel, href=link.href) for link in order.body.links or ()]
