"""What must hold before an invoice is sent. Pure: each rule returns what breaks it, `refuse` tells it altogether."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from gateway.errors import Refused
from openapi.common.types import Code, Violation
from openapi.decimals import text_of
from openapi.process.invoice_release.v1 import ExcludedFact, MissingTime, ReleaseHold
from openapi.system.erp.v1 import CreditStatus, Customer, CustomerState
from process_apis.invoice_release.selection import LeftOut
from process_apis.ledger import contracts
from process_apis.ledger.contracts import SignedContract
from process_apis.ledger.entities import LegalEntity
from process_apis.ledger.facts import Fact
from process_apis.ledger.holds import Hold
from process_apis.ledger.money import PLACES, money

SAYS: Final = {
    Code.contract_not_active: "The contract is not active.",
    Code.amendment_conflict: "The contract has changed since.",
    Code.po_missing: "There is no purchase order that still holds. Have a new one, and record it.",
    Code.contract_po_exhausted: "The purchase order does not cover it. Have it raised, or release less.",
    Code.customer_inactive: "The ERP invoices this customer no more.",
    Code.customer_credit_hold: "The ERP holds the customer's credit.",
    Code.invoice_mixed_currency: "An invoice has one currency.",
    Code.fx_rate_missing: "The entity keeps its books in another currency, and no rate is agreed.",
    Code.invoice_unusual: "It is not like the contract's others. Where it is right, have a second person approve it.",
    Code.invoice_line_limit_exceeded: "The ERP takes no invoice of so many lines. Release an earlier day first.",
}


class Exceeded(NamedTuple):
    """For how much a hold was overridden, and what the request comes to instead."""

    approved: str
    net: str
    unit: str


class Held(Refused):
    """A hold stops the request. A class, because the request keeps which ones, and what it would come to."""

    def __init__(
        self,
        holds: Sequence[Hold],
        exceeded: Mapping[str, Exceeded] | None = None,
        amounts: Mapping[str, str] | None = None,
    ) -> None:
        detail = "Billing is held. Have the holds lifted, then release again."
        violations = [_held(hold, (exceeded or {}).get(hold.id)) for hold in holds]
        super().__init__(Code.billing_hold_active, detail, *violations)
        self.holds = [shown(hold) for hold in holds]
        self.amounts = amounts or {}


def _held(hold: Hold, exceeded: Exceeded | None) -> Violation:
    detail = f"The hold {hold.id} is in force on {hold.scope.type} {hold.scope.id}."
    if exceeded is None:
        return Violation(code=Code.billing_hold_active, pointer="#", detail=detail)
    approved = f"{exceeded.approved} {exceeded.unit}"
    return Violation(
        code=Code.billing_hold_active,
        pointer="#",
        detail=f"{detail} It was overridden for {approved}, and this comes to more.",
        expected=f"{approved} at most",
        actual=f"{exceeded.net} {exceeded.unit}",
    )


def shown(hold: Hold) -> ReleaseHold:
    """Return the hold as callers see it: neither its note nor who placed it."""
    return ReleaseHold(id=hold.id, scope=hold.scope.type.value, scope_id=hold.scope.id, reason=hold.reason)


def refuse(found: Sequence[Violation]) -> None:
    """Return where nothing is wrong; raises Refused with the first code and all violations."""
    if found:
        raise Refused(found[0].code, SAYS[found[0].code], *found)


def of_contract(contract: SignedContract, version: int) -> list[Violation]:
    """Return what keeps the contract from being billed as it was selected."""
    if contract.state != contracts.ACTIVE:
        return [_violation(Code.contract_not_active, expected=contracts.ACTIVE, actual=contract.state)]
    if contract.contract_version != version:
        return [_violation(Code.amendment_conflict, expected=str(version), actual=str(contract.contract_version))]
    return []


def of_purchase_order(contract: SignedContract, *, invoiced: Decimal, net: Decimal, on: date) -> list[Violation]:
    """Return why the purchase order does not cover the net, beside what it has covered already."""
    found = []
    if contract.po_valid_to is not None and contract.po_valid_to < on:
        actual = contract.po_valid_to.isoformat()
        found.append(_violation(Code.po_missing, expected=f"{on.isoformat()} or later", actual=actual))
    if contract.po_limit is not None and contract.po_number is None:
        found.append(_violation(Code.po_missing, expected="a purchase order", actual="none"))
    if contract.po_limit is not None and invoiced + net > Decimal(contract.po_limit):
        left = text_of(Decimal(contract.po_limit) - invoiced, PLACES[contract.currency])
        actual = text_of(net, PLACES[contract.currency])
        found.append(_violation(Code.contract_po_exhausted, expected=f"{left} at most", actual=actual))
    return found


def of_facts(facts: Sequence[Fact], contract: SignedContract, entity: LegalEntity) -> list[Violation]:
    """Return which currencies do not belong on the invoice."""
    strange = sorted({fact.currency for fact in facts} - {contract.currency})
    found = [
        _violation(Code.invoice_mixed_currency, expected=contract.currency, actual=currency) for currency in strange
    ]
    if contract.currency != entity.currency:
        found.append(_violation(Code.fx_rate_missing, expected=entity.currency, actual=contract.currency))
    return found


def of_lines(lines: int, most: int) -> list[Violation]:
    """Return whether the ERP takes so many lines."""
    if lines <= most:
        return []
    return [_violation(Code.invoice_line_limit_exceeded, expected=f"{most} at most", actual=str(lines))]


def of_customer(customer: Customer) -> list[Violation]:
    """Return why the ERP's customer is not invoiced."""
    if customer.state is not CustomerState.active:
        return [_violation(Code.customer_inactive, expected=CustomerState.active, actual=customer.state)]
    if customer.credit_status is CreditStatus.hold:
        return [_violation(Code.customer_credit_hold, expected=CreditStatus.ok, actual=customer.credit_status)]
    return []


def of_completeness(missing: Sequence[MissingTime], unread: Sequence[MissingTime], psa: str) -> None:
    """Return where nothing is missing; raises Refused with each day, and with what of the PSA waits unread."""
    if missing or unread:
        found = [
            Violation(
                code=Code.dependency_not_ready,
                pointer=f"#/{day.work_date.isoformat()}",
                detail=f"{day.entries} time entries of {day.minutes} minutes are not in the books yet.",
                actual=day.net.amount if day.net else "not priced",
            )
            for day in missing
        ]
        found += [
            Violation(
                code=Code.dependency_not_ready,
                pointer="#",
                detail=f"{waiting.entries} time entries of {psa} wait to be taken over; some may be this project's.",
            )
            for waiting in unread
        ]
        detail = "Approved time is not in the books yet. Wait for it, or allow an incomplete release."
        raise Refused(Code.dependency_not_ready, detail, *found)


def excluded(left: LeftOut) -> ExcludedFact:
    """Return what was left out, as callers see it."""
    fact = left.fact
    return ExcludedFact(
        fact=fact.id,
        source_id=fact.source_id,
        work_date=fact.work_date,
        net=money(Decimal(fact.net), fact.currency),
        code=left.code,
        detail=left.detail,
    )


def _violation(code: Code, *, expected: str, actual: str) -> Violation:
    return Violation(code=code, pointer="#", detail=SAYS[code], expected=str(expected), actual=str(actual))
