"""Whether a posting or an invoice is what was wanted: amounts by value, and not what the ERP does not tell."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from gateway.agreement import Difference, agreeing
from openapi.common.types import Money
from openapi.system.erp.v1 import BillableTransaction, Invoice, NewBillableTransaction, NewInvoice


def differences_of_fact(wanted: NewBillableTransaction, found: BillableTransaction) -> list[Difference]:
    """Return in which fields the posting is not what was wanted."""
    fields = ["legal_entity", "date", *(["project_id"] if found.project_id is not None else [])]
    return [*agreeing(wanted, *fields)(found), *_amounts("net", [wanted.net], [found.net])]


def agreeing_invoice(wanted: NewInvoice) -> Callable[[Invoice], list[Difference]]:
    """Return the comparison of an invoice with `wanted`: whose, for whom, and the net of each line in any order."""

    def differences(found: Invoice) -> list[Difference]:
        plain = agreeing(wanted, "legal_entity", "customer_id")(found)
        lines = _amounts("lines", [line.net for line in wanted.lines], [line.net for line in found.lines])
        return [*plain, *_currency(wanted, found), *lines]

    return differences


def _currency(wanted: NewInvoice, found: Invoice) -> list[Difference]:
    if found.net.currency == wanted.currency:
        return []
    return [Difference(field="currency", expected=wanted.currency, actual=found.net.currency)]


def _amounts(field: str, wanted: Iterable[Money], found: Iterable[Money]) -> list[Difference]:
    expected, actual = _shown(wanted), _shown(found)
    return [] if expected == actual else [Difference(field=field, expected=expected, actual=actual)]


def _shown(amounts: Iterable[Money]) -> str:
    """Return the amounts as text, the least first; 60.0 is 60.00."""
    pairs = sorted((Decimal(one.amount).normalize(), one.currency) for one in amounts)
    return ", ".join(f"{amount:f} {currency}" for amount, currency in pairs)
