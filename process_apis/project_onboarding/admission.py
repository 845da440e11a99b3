"""Whether an onboarding is taken: who asks, what is known of it, and what the installation and the systems say."""

from msgspec import Struct

from gateway.caller import INSTALLATION, Caller
from gateway.durable import Process, State, Window, find_process, list_processes
from gateway.errors import Refused
from gateway.store.database import Store
from openapi.common.types import Code, Violation
from openapi.process.project_onboarding.v1 import NewOnboarding
from process_apis.ledger import customers, projects
from process_apis.ledger.entities import Entities, LegalEntity
from process_apis.ledger.projects import Project
from process_apis.project_onboarding import documents, look_ups, rules
from process_apis.project_onboarding.customers import Choice
from process_apis.project_onboarding.order import payload_sha256
from process_apis.project_onboarding.project_codes import CodeQuestion
from process_apis.project_onboarding.rules import Application
from process_apis.project_onboarding.templates import ProjectTemplate, Templates
from process_apis.project_onboarding.workflow import KIND
from system_apis.ports import Landscape


class Accepted(Struct, frozen=True, kw_only=True):
    """A statement of work that breaks no rule, and who serves it."""

    body: NewOnboarding
    entity: LegalEntity
    template: ProjectTemplate
    erp: str
    psa: str
    customer: str | None
    """The canonical id; None where the account is new."""
    project: str | None
    """The canonical id; None where the opportunity is new."""

    @property
    def question(self) -> CodeQuestion:
        """Return the question for the project's code."""
        return CodeQuestion(
            body=self.body,
            pattern=self.entity.code_pattern,
            project=self.project or "",
            wanted=self.body.project.code or None,
        )


async def judge(
    landscape: Landscape, store: Store, entities: Entities, templates: Templates, caller: Caller, body: NewOnboarding
) -> Accepted:
    """Return the statement of work, accepted; raises Refused with every rule that it breaks."""
    if not caller.may_see(legal_entity=body.legal_entity):
        raise Refused(Code.auth_entity_not_allowed, f"Ask for the claim on {body.legal_entity}.")
    code, entity = body.legal_entity, entities.get(body.legal_entity)
    ledger = landscape.erp(landscape.erp_of(code)).capabilities if entity else None
    rules.check(Application(body=body, entity=entity, template=templates.get(body.project.template), ledger=ledger))
    customer, project = await _known(store, caller, body)
    return Accepted(
        body=body,
        entity=entities[code],
        template=templates[body.project.template],
        erp=landscape.erp_of(code),
        psa=landscape.psa_of(code),
        customer=customer,
        project=project,
    )


async def _known(store: Store, caller: Caller, body: NewOnboarding) -> tuple[str | None, str | None]:
    """Return customer and project, where they are known. To who is limited to some, the others do not exist."""
    crm = body.opportunity.crm
    customer = await customers.find_customer(store, caller, crm, body.customer.account)
    found = await projects.find_project_of(store, INSTALLATION, crm, body.opportunity.id)
    project = found if found and _sees(caller, found) else None
    unseen = (customer is None and caller.customers != "*") or (project is None and caller.projects != "*")
    if unseen:
        detail = "There is no such customer, or you may not see it."
        violation = Violation(code=Code.customer_not_found, pointer="#/customer/account", detail=detail)
        raise Refused(Code.customer_not_found, detail, violation)
    if found and project is None:
        # A new version would take the project over: it is another entity's, or another customer's.
        raise Refused(Code.auth_entity_not_allowed, "The opportunity's project belongs to what you may not see.")
    return customer.id if customer else None, project.id if project else None


def _sees(caller: Caller, project: Project) -> bool:
    return caller.may_see(legal_entity=project.legal_entity, customer=project.customer, project=project.id)


async def meet(store: Store, accepted: Accepted) -> Process | None:
    """Return the onboarding that carries the key, unless it was cancelled; None where there is none.

    Raises Refused where it has another payload, or where another version of the statement of work is live.
    """
    key = documents.onboarding_key(accepted.body)
    met = await find_process(store, INSTALLATION, KIND, key)
    if met and met.state != State.cancelled:
        if met.payload_sha256 != payload_sha256(accepted.body):
            detail = "This version of the statement of work is known with another content. Send a new version."
            raise Refused(Code.process_payload_conflict, detail, process_id=met.id)
        return met
    if accepted.project:
        others = await list_processes(store, INSTALLATION, Window(limit=100), kind=KIND, project=accepted.project)
        for other in others.items:
            if other.business_key != key and other.state != State.cancelled:
                detail = "Another version of this statement of work is under way or active."
                raise Refused(Code.amendment_conflict, detail, process_id=other.id)
    return None


async def look_up(landscape: Landscape, store: Store, caller: Caller, accepted: Accepted) -> Choice:
    """Return which customer is meant; raises Refused with all that one of the systems would not take.

    To who is limited to some customers, the others' names are not told.
    """
    erp, psa = landscape.erp(accepted.erp), landscape.psa(accepted.psa)
    try:
        return await look_ups.check(store, erp, psa, accepted.question, accepted.customer)
    except Refused as refused:
        if caller.is_limited:
            raise Refused(refused.code, refused.detail, *refused.violations) from refused
        raise
