"""What an entry costs, and what each payer is to pay for it: amounts, accounts and taxes. Pure."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from openapi.common.types import Code
from openapi.system.psa.v1 import TimeEntry
from process_apis.ledger.contracts import ContractLine, SignedContract
from process_apis.ledger.entities import LegalEntity
from process_apis.ledger.mappings import Accounts, Mappings, PersonRow, TaxRow
from process_apis.ledger.money import PLACES, net_of, split
from process_apis.ledger.payers import Payer, unknown_of
from process_apis.ledger.projects import Project
from process_apis.time_transfer.known import Choice, Findings, Known, minutes_of


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


def worth(known: Known, choice: Choice | None) -> Decimal | None:
    """Return what the entry would bring, whatever else it breaks; None where that cannot be computed."""
    if (
        choice is None
        or choice.rate is None
        or known.entity is None
        or minutes_of(known.entry.minutes, known.entry.hours) <= 0
    ):
        return None
    return _net(known.entry, known.entity, choice.rate)


def valued(
    found: Findings, known: Known, contract: SignedContract, choice: Choice, person: PersonRow, on: date
) -> Judged | None:
    """Return what the entry costs and brings; None where it breaks a rule, here or before."""
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


def _net(entry: TimeEntry, entity: LegalEntity, rate: str) -> Decimal:
    return net_of(
        minutes=entry.minutes,
        quantity=Decimal(entry.hours),
        rate=Decimal(rate),
        places=PLACES[entity.currency],
        mode=entity.rounding,
    )
