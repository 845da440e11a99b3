"""A double-entry ledger in memory, which knows nothing of facts and invoices: what tests ask for the truth."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from openapi.common.types import Code, Money
from tests.fakes.vendor import refuse_unless

ZERO = Decimal("0.00")


class Line(NamedTuple):
    """One line of an entry; of debit and credit, one is zero."""

    account: str
    debit: Decimal
    credit: Decimal
    project_id: str | None


class Entry(NamedTuple):
    """One entry of the journal; `origin` is the business key of what it was made for."""

    legal_entity: str
    on: date
    currency: str
    origin: str | None
    lines: tuple[Line, ...]


class Books:
    """The journal of one ERP: it only grows, and every entry is balanced."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def post(self, entry: Entry) -> None:
        """Enter it; an entry that is not balanced is a mistake of the ERP's."""
        assert sum(line.debit - line.credit for line in entry.lines) == 0, entry
        self.entries.append(entry)

    def balance(self, account: str, *, project_id: str | None = None, legal_entity: str | None = None) -> Decimal:
        """Return debits less credits: of all projects and entities, or of one."""
        lines = (
            line
            for entry in self.entries
            if legal_entity in {None, entry.legal_entity}
            for line in entry.lines
            if line.account == account and project_id in {None, line.project_id}
        )
        return sum((line.debit - line.credit for line in lines), ZERO)

    def entries_of(self, origin: str) -> list[Entry]:
        """Return what was posted for a business key; more than one is what must not be."""
        return [entry for entry in self.entries if entry.origin == origin]

    def accounts(self) -> set[str]:
        """Return the accounts that anything was posted to."""
        return {line.account for entry in self.entries for line in entry.lines}


def debit(account: str, amount: Decimal, project_id: str | None = None) -> Line:
    """Return a line on the debit side; a negative amount stands on the other side, as ledgers write it."""
    return Line(account, max(amount, ZERO), max(-amount, ZERO), project_id)


def credit(account: str, amount: Decimal, project_id: str | None = None) -> Line:
    """Return a line on the credit side; a negative amount stands on the other side."""
    return debit(account, -amount, project_id)


def exact(money: Money, currency: str) -> Decimal:
    """Return the amount; the ERP takes its own currency, and no fractions of a cent."""
    refuse_unless(money.currency == currency, Code.currency_mismatch, "It keeps these books in another currency.")
    amount = Decimal(money.amount)
    refuse_unless(amount == round(amount, 2), Code.money_scale_exceeded, "There is no such coin.")
    return amount


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return their sum."""
    return sum(amounts, ZERO)


def as_money(amount: Decimal, currency: str) -> Money:
    """Return the amount as contracts write it."""
    return Money(amount=f"{amount:.2f}", currency=currency)
