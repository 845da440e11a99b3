"""Moves, invoices and their set-up, as Tryton shapes them; parties and analytic accounts stand in `tryton/wire.py`."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct, field

from system_apis.connectors.tryton.wire import Coded, Flag, Named


class Currency(Struct, frozen=True, kw_only=True):
    """`currency.currency`."""

    id: int
    code: str
    digits: int


class Owner(Struct, frozen=True, kw_only=True):
    """`company.company` behind a move, with what it keeps its books in."""

    id: int
    currency: Currency = field(name="currency.")


OWNER: Final = ("currency.code", "currency.digits")


class AccountType(Struct, frozen=True, kw_only=True):
    """`account.account.type`: whether an account is of the balance sheet, and whether invoices may sell on it."""

    statement: str | None = None
    revenue: Flag | None = None


class GlAccount(Struct, frozen=True, kw_only=True):
    """`account.account`."""

    id: int
    code: str | None = None
    party_required: Flag | None = None
    type: AccountType | None = field(name="type.", default=None)

    @property
    def carries_projects(self) -> bool:
        """Tell whether lines on it have analytic lines: those of income and expense do."""
        return self.type is not None and self.type.statement == "income"


GL_ACCOUNT: Final = ("code", "party_required", "type.statement", "type.revenue")


class Period(Struct, frozen=True, kw_only=True):
    """`account.period`."""

    id: int
    stamp: str = field(name="_timestamp")
    name: str
    state: str
    start_date: date
    end_date: date


PERIOD: Final = ("_timestamp", "name", "state", "start_date", "end_date")


class Product(Struct, frozen=True, kw_only=True):
    """`product.product`."""

    id: int
    stamp: str = field(name="_timestamp")
    code: str | None = None
    name: str | None = None
    active: Flag
    default_uom: Named | None = field(name="default_uom.", default=None)


PRODUCT: Final = ("_timestamp", "code", "name", "active", "default_uom.name")


class Tax(Struct, frozen=True, kw_only=True):
    """`account.tax`."""

    id: int
    stamp: str = field(name="_timestamp")
    name: str
    type: str
    rate: Decimal | None = None
    active: Flag


TAX: Final = ("_timestamp", "name", "type", "rate", "active")


class AnalyticLine(Struct, frozen=True, kw_only=True):
    """`analytic_account.line`."""

    id: int
    account: int


class MoveLine(Struct, frozen=True, kw_only=True):
    """`account.move.line`."""

    id: int
    account: int
    debit: Decimal
    credit: Decimal
    state: str
    analytic_lines: list[AnalyticLine] = field(name="analytic_lines.", default_factory=list)


class Move(Struct, frozen=True, kw_only=True):
    """`account.move`."""

    id: int
    stamp: str = field(name="_timestamp")
    description: str | None = None
    number: str | None = None
    state: str
    date: date
    company: Owner = field(name="company.")
    lines: list[MoveLine] = field(name="lines.", default_factory=list)


MOVE: Final = (
    *("_timestamp", "description", "number", "state", "date"),
    *(f"company.{name}" for name in OWNER),
    *(f"lines.{name}" for name in ("account", "debit", "credit", "state", "analytic_lines.account")),
)


class InvoiceDefaults(Struct, frozen=True, kw_only=True):
    """What the form of an invoice fills in for a party."""

    account: int | None = None
    invoice_address: int | None = None
    payment_term: int | None = None
    party_tax_identifier: int | None = None


class Entry(Struct, frozen=True, kw_only=True):
    """`analytic.account.entry`."""

    id: int
    account: int | None = None


class InvoiceLine(Struct, frozen=True, kw_only=True):
    """`account.invoice.line`."""

    id: int
    type: str
    description: str | None = None
    note: str | None = None
    quantity: float | None = None
    unit_price: Decimal | None = None
    amount: Decimal | None = None
    account: Coded | None = field(name="account.", default=None)
    taxes: list[Named] = field(name="taxes.", default_factory=list)
    analytic_accounts: list[Entry] = field(name="analytic_accounts.", default_factory=list)


class InvoiceTax(Struct, frozen=True, kw_only=True):
    """`account.invoice.tax`."""

    id: int
    description: str | None = None
    base: Decimal
    amount: Decimal
    tax: Named | None = field(name="tax.", default=None)


class Due(Struct, frozen=True, kw_only=True):
    """`account.move.line` that a customer owes."""

    id: int
    maturity_date: date | None = None


class Invoice(Struct, frozen=True, kw_only=True):
    """`account.invoice` of a customer."""

    id: int
    stamp: str = field(name="_timestamp")
    reference: str | None = None
    number: str | None = None
    state: str
    company: int
    party: int
    invoice_address: int | None = None
    account: int
    payment_term: int | None = None
    description: str | None = None
    invoice_date: date | None = None
    accounting_date: date | None = None
    untaxed_amount: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    amount_to_pay: Decimal
    last_modified_at: datetime | None = None
    currency: Currency = field(name="currency.")
    lines_to_pay: list[Due] = field(name="lines_to_pay.", default_factory=list)
    taxes: list[InvoiceTax] = field(name="taxes.", default_factory=list)
    lines: list[InvoiceLine] = field(name="lines.", default_factory=list)


INVOICE: Final = (
    *("_timestamp", "reference", "number", "state", "company", "party", "invoice_address", "account", "payment_term"),
    *("description", "invoice_date", "accounting_date", "untaxed_amount", "tax_amount", "total_amount"),
    *("amount_to_pay", "last_modified_at", "currency.code", "currency.digits", "lines_to_pay.maturity_date"),
    *(f"taxes.{name}" for name in ("description", "base", "amount", "tax.name")),
    *(f"lines.{name}" for name in ("type", "description", "note", "quantity", "unit_price", "amount")),
    *(f"lines.{name}" for name in ("account.code", "taxes.name", "analytic_accounts.account")),
)


class Paid(Struct, frozen=True, kw_only=True):
    """`account.move.line` that pays an invoice."""

    id: int
    date: date
    debit: Decimal
    credit: Decimal
    description: str | None = None


class Payments(Struct, frozen=True, kw_only=True):
    """`account.invoice`, as far as it says what was paid: what pays it in part, and what it was settled with."""

    id: int
    company: Owner = field(name="company.")
    payment_lines: list[Paid] = field(name="payment_lines.", default_factory=list)
    reconciliation_lines: list[Paid] = field(name="reconciliation_lines.", default_factory=list)


PAYMENTS: Final = (
    *(f"company.{name}" for name in OWNER),
    *(f"{lines}.{name}" for lines in ("payment_lines", "reconciliation_lines") for name in Paid.__struct_fields__[1:]),
)
