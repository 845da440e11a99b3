"""What an onboarding keeps for life, and what it says in the words of the ledger. Pure."""

import hashlib

from msgspec import UNSET, Struct, json
from msgspec.structs import replace

from openapi.common.types import Money
from openapi.process.project_onboarding.v1 import NewOnboarding, SowLine
from openapi.system.psa.v1 import Capabilities
from process_apis.ledger import keys
from process_apis.ledger.contracts import Contract, ContractLine, FundingSplit, Rate
from process_apis.ledger.customers import NewCustomer
from process_apis.ledger.money import amount_of, money, total
from process_apis.ledger.projects import Terms
from process_apis.ledger.schedules import ScheduleLine
from process_apis.project_onboarding import tax_ids
from process_apis.project_onboarding.templates import ProjectTemplate


class OnboardingOrder(Struct, frozen=True, kw_only=True):
    """What must not change under way: the connections, what the PSA can, the template, the statement of work."""

    erp: str
    psa: str
    psa_capabilities: Capabilities
    """As they were: which steps there are follows from them, and a release of ours may change them."""
    code_pattern: str
    customer: str
    """The canonical id."""
    project: str
    """The canonical id."""
    template: ProjectTemplate
    body: NewOnboarding

    @property
    def locks(self) -> tuple[str, str]:
        """Return the names of the customer's and the opportunity's lock."""
        return self.customer_lock, f"opportunity:{self.project}"

    @property
    def customer_lock(self) -> str:
        """Return the name of the customer's lock."""
        return f"customer:{self.customer}"


def customer_of(body: NewOnboarding) -> NewCustomer:
    """Return the customer as the ledger keeps it."""
    customer = body.customer
    return NewCustomer(
        crm=body.opportunity.crm,
        account=customer.account,
        name=customer.name,
        legal_name=customer.legal_name,
        country=customer.country,
        tax_id=tax_ids.written(customer.tax_id, customer.country) if customer.tax_id else None,
    )


def terms_of(body: NewOnboarding, template: ProjectTemplate, customer: str) -> Terms:
    """Return the project as the ledger keeps it."""
    return Terms(
        crm=body.opportunity.crm,
        opportunity=body.opportunity.id,
        legal_entity=body.legal_entity,
        customer=customer,
        name=body.project.name,
        project_type=template.project_type,
        template=template.code,
        template_version=template.version,
        starts_on=body.project.start,
        ends_on=body.project.end,
        manager=body.project.manager,
    )


def contract_of(order: OnboardingOrder) -> Contract:
    """Return the contract as the ledger keeps it; without splits the customer pays all."""
    body, statement, purchase = order.body, order.body.statement_of_work, order.body.purchase_order
    splits = [FundingSplit(account=one.account, percent=one.percent) for one in body.splits or ()]
    return Contract(
        business_key=keys.contract_key(body.opportunity.crm, body.opportunity.id),
        number=statement.number,
        title=statement.title,
        legal_entity=body.legal_entity,
        customer=order.customer,
        project=order.project,
        currency=body.currency,
        sow_version=statement.version,
        signed_at=statement.signed_at,
        document_sha256=statement.document_sha256,
        payment_terms=body.payment_terms,
        po_number=purchase.number if purchase else None,
        po_limit=purchase.limit.amount if purchase and purchase.limit else None,
        po_valid_to=(purchase.valid_to or None) if purchase else None,
        lines=[_line(line) for line in body.lines],
        splits=splits or [FundingSplit(account=body.customer.account, percent="100")],
    )


def schedule_of(body: NewOnboarding) -> list[ScheduleLine]:
    """Return what is billed when, as the ledger keeps it."""
    return [
        ScheduleLine(
            line_number=line.number,
            place=place,
            due_on=part.due_on,
            amount=part.amount.amount,
            milestone=part.milestone or None,
        )
        for line in body.lines
        for place, part in enumerate(line.schedule or (), 1)
    ]


def value_of(body: NewOnboarding) -> Money | None:
    """Return what the lines with a value come to: what is at risk while the project does not start."""
    values = [amount_of(line.value) for line in body.lines if line.value]
    return money(total(values), body.currency) if values else None


def payload_sha256(body: NewOnboarding) -> str:
    """Return what tells this payload from another; what was decided about the customer is no part of it."""
    customer = replace(body.customer, link_to=UNSET, confirmed_new=UNSET)
    return hashlib.sha256(json.encode(replace(body, customer=customer), order="deterministic")).hexdigest()


def _line(line: SowLine) -> ContractLine:
    return ContractLine(
        number=line.number,
        description=line.description,
        billing_method=line.billing_method.value,
        value=line.value.amount if line.value else None,
        cap=line.cap.amount if line.cap else None,
        rates=[Rate(role=one.role, unit=one.unit.value, rate=one.rate) for one in line.rates or ()],
        tax_category=line.tax_category,
        item=line.item,
    )
