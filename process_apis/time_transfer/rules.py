"""The checks of time before it is posted, each with its code. Pure: all was looked up before.

What an entry breaks is told altogether, the most relevant first: who mends one thing is not told of the next an hour
later.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from msgspec import Struct

from openapi.common.types import Code, Violation
from openapi.system.psa.v1 import TimeEntry
from process_apis.ledger import projects
from process_apis.ledger.contracts import ACTIVE, SignedContract
from process_apis.ledger.mappings import PersonRow
from process_apis.ledger.periods import accounting_date
from process_apis.time_transfer.known import Choice, Findings, Known, minutes_of
from process_apis.time_transfer.valuing import Judged, valued, worth

HOUR: Final = "hour"
A_DAY: Final = Decimal(24 * 60)
"""In minutes: thirds of an hour are not exact."""
BY_THE_HOUR: Final = "time_and_materials"
ENTITY_MISSING: Final = Code.entity_mapping_missing


class Verdict(Struct, frozen=True, kw_only=True):
    """What came of the checks."""

    judged: Judged | None
    violations: Sequence[Violation]
    at_risk: Decimal | None
    """What the entry would bring, where that can be computed, in the entity's currency."""
    currency: str | None


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
    at_risk = worth(known, choice)
    judged = None
    if contract and choice and person and booked_on and known.project and known.entity:
        judged = valued(found, known, contract, choice, person, booked_on)
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
    is_sold = billable is True and len(others) < len(contract.lines)  # Somebody says so, and time is paid for.
    if others and not is_sold:
        return Choice(line=others[0], rate=None)
    if contract.lines:
        advice = " Have one agreed, or mark the time as not billable." if others else ""
        found.add(Code.rate_missing, "#/resource_email", f"The contract has no hourly rate for {person.role}.{advice}")
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
    policy, today = known.entity.period_policy, known.entity.today(known.now)
    return found.tried("#/work_date", accounting_date, day, known.periods, policy, today=today)
