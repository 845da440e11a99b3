"""Tryton's invoices and payments ↔ the contract's. Pure.

The key is the invoice's `reference`, a line's key its `note`. A line is one unit at its net: Tryton would round
quantities, and compute with floats.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import UNSET, Struct

from gateway.errors import Refused
from openapi.common.types import Code, Money
from openapi.decimals import text_of
from openapi.system.erp.v1 import Invoice, InvoiceLine, InvoiceState, InvoiceTax, NewInvoice, NewInvoiceLine, Payment
from system_apis.connectors.tryton import wire as shared
from system_apis.connectors.tryton.erp import wire
from system_apis.connectors.tryton.records import entity_of
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import Values

STATES: Final[Mapping[str, InvoiceState]] = {
    "draft": InvoiceState.draft,
    "validated": InvoiceState.draft,  # Frozen, but without a number, and it can still be cancelled.
    "posted": InvoiceState.posted,
    "paid": InvoiceState.paid,
    "cancelled": InvoiceState.cancelled,
}
OUTSIDE_OF_VERSION: Final = frozenset(
    {"id", "stamp", "state", "number", "last_modified_at", "lines_to_pay", "amount_to_pay"}
)
"""What validating or posting changes, and what follows from the rest."""
NIL: Final = Decimal(0)


class Position(Struct, frozen=True, kw_only=True):
    """Where a line is posted: Tryton's ids for what the document names."""

    net: Decimal
    account: int
    tax: int
    project: shared.Account


class Head(Struct, frozen=True, kw_only=True):
    """What stands above the lines."""

    party: int
    journal: int
    currency: int
    defaults: wire.InvoiceDefaults
    payment_term: int | None


def from_new_invoice(new: NewInvoice, head: Head, positions: Sequence[Position]) -> Values:
    """Return the values of an invoice without a date: it is the day of posting."""
    purchase_order = None if new.purchase_order is UNSET else f"Purchase order {new.purchase_order}"
    return {
        "type": "out",
        "party": head.party,
        "journal": head.journal,
        "currency": head.currency,
        "account": head.defaults.account,
        "invoice_address": head.defaults.invoice_address,
        "party_tax_identifier": head.defaults.party_tax_identifier,
        "payment_term": head.payment_term,
        "reference": new.business_key,
        "description": purchase_order,
        "accounting_date": new.accounting_date,
        "lines": [["create", [_from_line(*pair) for pair in zip(new.lines, positions, strict=True)]]],
    }


def _from_line(line: NewInvoiceLine, position: Position) -> Values:
    project = position.project
    return {
        "type": "line",
        "description": line.description,
        "quantity": 1,
        "unit_price": position.net,
        "account": position.account,
        "taxes": [["add", [position.tax]]],
        "analytic_accounts": [["create", [{"root": project.root, "account": project.id}]]],
        "note": line.business_key,
    }


def version_of(invoice: wire.Invoice) -> str:
    """Return the version: it changes with everything that would be posted, and with nothing else."""
    posted = {name: getattr(invoice, name) for name in invoice.__struct_fields__ if name not in OUTSIDE_OF_VERSION}
    for records in ("lines", "taxes"):  # Tryton answers them in any order.
        posted[records] = sorted(posted[records], key=lambda record: record.id)
    return sha256(msgspec.json.encode(posted, order="deterministic")).hexdigest()[:20]


def to_invoice(invoice: wire.Invoice, settings: Settings) -> Invoice:
    """Return the canonical invoice; a state without a row in STATES is refused."""
    if invoice.state not in STATES:
        raise Refused(Code.mapping_missing, f"Give Tryton's invoice state {invoice.state!r} a row.")
    currency = invoice.currency
    return Invoice(
        id=str(invoice.id),
        version=version_of(invoice),
        business_key=invoice.reference or None,
        legal_entity=entity_of(invoice.company, settings),
        customer_id=str(invoice.party),
        number=invoice.number or None,
        state=STATES[invoice.state],
        invoice_date=invoice.invoice_date,
        accounting_date=invoice.accounting_date or invoice.invoice_date,
        due_date=max((due.maturity_date for due in invoice.lines_to_pay if due.maturity_date), default=None),
        net=_money(invoice.untaxed_amount, currency),
        tax=_money(invoice.tax_amount, currency),
        gross=_money(invoice.total_amount, currency),
        balance=_money(_balance(invoice), currency),
        taxes=[_to_tax(tax, currency) for tax in invoice.taxes],
        lines=[_to_line(line, currency) for line in _lines(invoice)],
        updated_at=invoice.last_modified_at,
        references=[],
    )


def _balance(invoice: wire.Invoice) -> Decimal:
    """Return what is owed, or would be: Tryton tells it of posted invoices alone."""
    if STATES[invoice.state] is InvoiceState.draft:
        return invoice.total_amount
    return NIL if invoice.state == "cancelled" else invoice.amount_to_pay


def _lines(invoice: wire.Invoice) -> list[wire.InvoiceLine]:
    """Return the lines in the order in which they were made; titles and subtotals are none."""
    return sorted((line for line in invoice.lines if line.type == "line"), key=lambda line: line.id)


def _to_line(line: wire.InvoiceLine, currency: wire.Currency) -> InvoiceLine:
    projects = [entry.account for entry in line.analytic_accounts if entry.account is not None]
    return InvoiceLine(
        business_key=line.note or None,
        description=line.description or "",
        net=_money(line.amount or NIL, currency),
        account=line.account.code if line.account else None,
        tax_code=line.taxes[0].name if len(line.taxes) == 1 else None,
        project_id=str(projects[0]) if projects else None,
    )


def _to_tax(tax: wire.InvoiceTax, currency: wire.Currency) -> InvoiceTax:
    name = tax.tax.name if tax.tax else tax.description
    return InvoiceTax(tax_code=name or "", base=_money(tax.base, currency), tax=_money(tax.amount, currency))


def to_payments(invoice: wire.Payments) -> list[Payment]:
    """Return what was paid, the earliest first; a part payment is among what the whole was settled with, too."""
    currency = invoice.company.currency
    paid = {line.id: line for line in (*invoice.payment_lines, *invoice.reconciliation_lines)}
    return [
        Payment(
            id=str(line.id),
            date=line.date,
            amount=_money(line.credit - line.debit, currency),
            reference=line.description or None,
        )
        for line in sorted(paid.values(), key=lambda line: (line.date, line.id))
    ]


def _money(amount: Decimal, currency: wire.Currency) -> Money:
    return Money(amount=text_of(amount, currency.digits), currency=currency.code)
