"""The checks of time before it is posted, each with its code, and what it is worth. Pure: all was looked up before.

What an entry breaks is told altogether, the most relevant first: who mends one thing is not told of the next an hour
later.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar

from msgspec import Struct

from gateway.errors import Refused
from openapi.common.types import Code, Violation
from openapi.system.psa.v1 import TimeEntry
from process_apis.ledger import projects
from process_apis.ledger.contracts import ACTIVE, ContractLine, SignedContract
from process_apis.ledger.entities import LegalEntity
from process_apis.ledger.mappings import Accounts, Mappings, PersonRow, TaxRow
from process_apis.ledger.money import PLACES, net_of, split
from process_apis.ledger.payers import Payer, unknown_of
from process_apis.ledger.periods import KnownPeriod, accounting_date
from process_apis.ledger.projects import Project

T = TypeVar("T")
HOUR: Final = "hour"
A_DAY: Final = Decimal(24 * 60)
"""In minutes: thirds of an hour are not exact."""
BY_THE_HOUR: Final = "time_and_materials"
ENTITY_MISSING: Final = Code.entity_mapping_missing


class Known(Struct, frozen=True, kw_only=True):
    """One entry, and all that its checks go by."""

    entry: TimeEntry
    project: Project | None
    entity: LegalEntity | None
    erp: str | None
    erp_project_id: str | None
    contracts: Sequence[SignedContract]
    payers: Mapping[str, Sequence[Payer]]
    """Who pays, by the contract's id, as far as they are known."""
    periods: Sequence[KnownPeriod] | None
    """None where the ERP keeps no postings of ours."""
    other_minutes: Decimal
    """What else the person has booked on that day, as far as it is approved."""
    mappings: Mappings


class Sale(Struct, frozen=True, kw_only=True):
    """What one payer is to pay for the entry."""

    payer: Payer
    net: Decimal
    tax: TaxRow


class Judged(Struct, frozen=True, kw_only=True):
    """An entry that breaks no rule, with what it costs and brings."""

    entry: TimeEntry
    project: Project
    entity: LegalEntity
    erp: str
    erp_project_id: str
    contract: SignedContract
    line: ContractLine
    person: PersonRow
    accounting_date: date
    cost: Decimal
    cost_accounts: Accounts
    rate: str | None
    """Of an hour; None where the customer pays otherwise."""
    sales: Sequence[Sale]
    sale_accounts: Accounts | None
    revenue_account: str | None


class Verdict(Struct, frozen=True, kw_only=True):
    """What came of the checks."""

    judged: Judged | None
    violations: Sequence[Violation]
    at_risk: Decimal | None
    """What the entry would bring, where that can be computed, in the entity's currency."""
    currency: str | None


class Findings:
    """Collects what is broken, so that each check may go on without what another one lacks."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def add(self, code: Code, pointer: str, detail: str) -> None:
        """Note a violation."""
        self.violations.append(Violation(code=code, pointer=pointer, detail=detail))

    def tried(self, pointer: str, look: Callable[..., T], *args: Any, **kwargs: Any) -> T | None:  # noqa: ANN401 - passed on
        """Return what the look-up says; where it refuses, that is a violation, and the answer None."""
        try:
            return look(*args, **kwargs)
        except Refused as refused:
            self.add(refused.code, pointer, refused.detail)
            return None


def is_nothing(entry: TimeEntry) -> bool:
    """Tell whether there is nothing to post: it is acknowledged, and ignored."""
    return Decimal(entry.hours) == 0 and not entry.minutes


def judge(known: Known) -> Verdict:
    """Return what the entry costs and brings, or everything that it breaks."""
    found, entry = Findings(), known.entry
    _check_approval(found, entry)
    _check_quantity(found, known)
    _check_project(found, known)
    person = found.tried("#/resource_email", known.mappings.person, entry.resource_email, entry.work_date)
    _check_employment(found, known, person)
    contract = _contract(found, known)
    choice = _line(found, contract, person, billable=entry.billable)
    booked_on = _accounting_date(found, known)
    at_risk = _worth(known, choice)
    judged = None
    if contract and choice and person and booked_on and known.project and known.entity:
        judged = _valued(found, known, contract, choice, person, booked_on)
    complete = judged if not found.violations else None
    currency = known.entity.currency if known.entity else None
    return Verdict(judged=complete, violations=found.violations, at_risk=at_risk, currency=currency)


def _check_approval(found: Findings, entry: TimeEntry) -> None:
    by = (entry.approval.approved_by or "").casefold()
    if by and by in {entry.resource_id.casefold(), (entry.resource_email or "").casefold()}:
        found.add(Code.entry_not_approved, "#/approval/approved_by", "Somebody else than its owner has to approve it.")


def _check_quantity(found: Findings, known: Known) -> None:
    minutes = minutes_of(known.entry.minutes, known.entry.hours)
    if not 0 < minutes <= A_DAY:
        found.add(Code.quantity_out_of_range, "#/hours", "An entry is more than 0 hours and 24 at most.")
    elif minutes + known.other_minutes > A_DAY:
        found.add(Code.quantity_out_of_range, "#/hours", "With what else is booked the person's day has over 24 hours.")


def minutes_of(minutes: int | None, hours: str) -> Decimal:
    """Return the minutes; by the hours, where the PSA keeps none."""
    return Decimal(hours) * 60 if minutes is None else Decimal(minutes)


def _check_project(found: Findings, known: Known) -> None:
    project, day = known.project, known.entry.work_date
    if project is None:
        found.add(Code.project_not_known, "#/project_id", "The PSA's project is not known here. Have it onboarded.")
        return
    if project.state != projects.ACTIVE:
        found.add(Code.project_not_active, "#/project_id", f"The project is {project.state}.")
    if not project.starts_on <= day <= project.ends_on:
        within = f"The project runs from {project.starts_on} to {project.ends_on}."
        found.add(Code.project_date_out_of_range, "#/work_date", within)
    if known.entity is None or known.erp is None:
        found.add(ENTITY_MISSING, "#/project_id", f"Give {project.legal_entity} settings and an ERP.")
    elif known.erp_project_id is None:
        found.add(Code.project_not_in_erp, "#/project_id", "The ERP has no project for it, or it is not linked.")


def _check_employment(found: Findings, known: Known, person: PersonRow | None) -> None:
    if person and known.project and person.legal_entity != known.project.legal_entity:
        detail = f"The person works for {person.legal_entity}, the project is {known.project.legal_entity}'s."
        found.add(Code.entity_intercompany_relationship_missing, "#/resource_email", detail)


def _contract(found: Findings, known: Known) -> SignedContract | None:
    if known.project is None:
        return None
    active = [contract for contract in known.contracts if contract.state == ACTIVE]
    if len(active) == 1:
        return active[0]
    if active:
        found.add(Code.mapping_ambiguous, "#/project_id", f"{len(active)} active contracts have the project.")
    elif known.contracts:
        found.add(Code.contract_not_active, "#/project_id", "The project's contract is not active.")
    else:
        found.add(Code.contract_not_found, "#/project_id", "The project has no contract.")
    return None


class Choice(Struct, frozen=True, kw_only=True):
    """The line that an entry is delivered under, and the price of an hour, where it has one."""

    line: ContractLine
    rate: str | None


def _line(
    found: Findings, contract: SignedContract | None, person: PersonRow | None, *, billable: bool | None
) -> Choice | None:
    """Return the one line that has the role's rate; a line that is paid otherwise takes the cost only."""
    if contract is None or person is None:
        return None
    priced = list(_priced(contract, person.role))
    if billable is False and contract.lines:
        return Choice(line=priced[0].line if priced else contract.lines[0], rate=None)
    if len(priced) == 1:
        return priced[0]
    if priced:
        found.add(Code.mapping_ambiguous, "#/project_id", f"{len(priced)} lines have a rate for {person.role}.")
        return None
    others = [line for line in contract.lines if line.billing_method != BY_THE_HOUR]
    if others:
        return Choice(line=others[0], rate=None)
    if contract.lines:
        found.add(Code.rate_missing, "#/resource_email", f"The contract has no hourly rate for {person.role}.")
    else:
        found.add(Code.billing_rule_missing, "#/project_id", "The contract has no line that says how time is billed.")
    return None


def _priced(contract: SignedContract, role: str) -> Iterator[Choice]:
    for line in contract.lines:
        rates = [rate.rate for rate in line.rates if (rate.role, rate.unit) == (role, HOUR)]
        if line.billing_method == BY_THE_HOUR and rates:
            yield Choice(line=line, rate=rates[0])


def _accounting_date(found: Findings, known: Known) -> date | None:
    day = known.entry.work_date
    if known.entity is None or known.periods is None:
        return day
    return found.tried("#/work_date", accounting_date, day, known.periods, known.entity.period_policy)


def _worth(known: Known, choice: Choice | None) -> Decimal | None:
    if (
        choice is None
        or choice.rate is None
        or known.entity is None
        or minutes_of(known.entry.minutes, known.entry.hours) <= 0
    ):
        return None
    return _net(known.entry, known.entity, choice.rate)


def _net(entry: TimeEntry, entity: LegalEntity, rate: str) -> Decimal:
    return net_of(
        minutes=entry.minutes,
        quantity=Decimal(entry.hours),
        rate=Decimal(rate),
        places=PLACES[entity.currency],
        mode=entity.rounding,
    )


def _valued(
    found: Findings, known: Known, contract: SignedContract, choice: Choice, person: PersonRow, on: date
) -> Judged | None:
    entry, project, entity, mappings = known.entry, known.project, known.entity, known.mappings
    if project is None or entity is None:
        return None
    item, day = choice.line.item, entry.work_date
    found.tried("#/project_id", mappings.item, item, day)
    where = (entity.code, project.project_type)
    cost_accounts = _accounts(found, mappings, "cost", item, where, day)
    sales = _sales(found, known, contract, choice)
    sale_accounts = _accounts(found, mappings, "unbilled_sale", item, where, day) if choice.rate else None
    revenue = (
        found.tried("#/project_id", mappings.revenue_account, entity.code, item, project.project_type, day)
        if choice.rate
        else None
    )
    if cost_accounts is None or found.violations or known.erp is None or known.erp_project_id is None:
        return None
    return Judged(
        entry=entry,
        project=project,
        entity=entity,
        erp=known.erp,
        erp_project_id=known.erp_project_id,
        contract=contract,
        line=choice.line,
        person=person,
        accounting_date=on,
        cost=_net(entry, entity, person.cost_rate),
        cost_accounts=cost_accounts,
        rate=choice.rate,
        sales=sales,
        sale_accounts=sale_accounts,
        revenue_account=revenue,
    )


def _accounts(
    found: Findings,
    mappings: Mappings,
    kind: Literal["cost", "unbilled_sale"],
    item: str,
    where: tuple[str, str],
    day: date,
) -> Accounts | None:
    return found.tried("#/project_id", mappings.posting_accounts, where[0], kind, item, where[1], day)


def _sales(found: Findings, known: Known, contract: SignedContract, choice: Choice) -> list[Sale]:
    """Return what each payer is to pay; the parts sum to the whole, to the cent."""
    entity = known.entity
    if choice.rate is None or entity is None:
        return []
    if contract.currency != entity.currency:
        rate = f"There is no rate from {contract.currency} to {entity.currency}."
        found.add(Code.fx_rate_missing, "#/project_id", rate)
        return []
    payers = _payers(found, known, contract)
    if not payers:
        return []
    net = _net(known.entry, entity, choice.rate)
    parts = split(net, [payer.percent for payer in payers], PLACES[entity.currency])
    taxes = [_tax(found, known, entity, choice.line, payer) for payer in payers]
    return [Sale(payer=payer, net=part, tax=tax) for payer, part, tax in zip(payers, parts, taxes, strict=True) if tax]


def _payers(found: Findings, known: Known, contract: SignedContract) -> list[Payer]:
    payers = known.payers.get(contract.id, ())
    if not payers and not contract.splits:
        found.add(Code.customer_not_found, "#/project_id", "The contract's customer is not known. Have it onboarded.")
    for part in unknown_of(contract, payers):
        detail = f"Nobody is known as {part.account}, who pays {part.percent} %."
        found.add(Code.customer_not_found, "#/project_id", detail)
    return [payer for payer in payers if payer.percent > 0]


def _tax(found: Findings, known: Known, entity: LegalEntity, line: ContractLine, payer: Payer) -> TaxRow | None:
    return found.tried(
        "#/project_id",
        known.mappings.tax,
        entity.code,
        line.tax_category,
        home=entity.country,
        customer_country=payer.country,
        day=known.entry.work_date,
    )
