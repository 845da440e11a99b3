"""What the suite is given: a port, the guard of its writes, what the system's own books say, and what is in it."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from gateway.writes import BoundWrites
from openapi.common.types import Address, Dimension
from openapi.system.erp.v1 import TransactionKind
from system_apis.ports import Erp, Psa


class LedgerLine(Struct, frozen=True, kw_only=True, order=True):
    """One line of a posting, as the ledger has it."""

    account: str
    debit: Decimal
    credit: Decimal
    project_id: str | None


class ErpBooks(Protocol):
    """An ERP's own books, over its own interface and by its own user: never through the connector."""

    async def count_customers(self, business_key: str) -> int:
        """Return how many customers carry the key, inactive ones included."""

    async def count_projects(self, business_key: str) -> int:
        """Return how many projects carry the key."""

    async def plant_customer(self, business_key: str) -> bool:
        """Make one more customer with the key; False where the ERP itself refuses a second one."""

    async def plant_project(self, business_key: str) -> bool:
        """Make one more project with the key; False where the ERP itself refuses a second one."""

    async def touch_customer(self, customer_id: str) -> None:
        """Change the customer's address, as somebody at a desk would."""

    async def open_dimension(self, dimension: Dimension) -> None:
        """Make the dimension's value one that projects may carry."""

    async def count_transactions(self, business_key: str) -> int:
        """Return how many postings carry the key, drafts included."""

    async def ledger_lines(self, business_key: str) -> list[LedgerLine]:
        """Return the lines of the one posting with the key, by account."""

    async def plant_transaction(self, business_key: str) -> bool:
        """Make one more posting with the key; False where the ERP itself refuses a second one."""

    async def count_invoices(self, business_key: str) -> int:
        """Return how many invoices carry the key, cancelled ones left out."""

    async def plant_invoice(self, business_key: str, customer_id: str) -> bool:
        """Make one more draft with the key; False where the ERP itself refuses a second one."""

    async def touch_invoice(self, invoice_id: str) -> None:
        """Raise the price of a line of a draft, as somebody at a desk would."""

    async def pay(self, invoice_id: str, amount: str, on: date) -> None:
        """Enter a payment of a part of a posted invoice."""

    async def close_period(self, day: date) -> None:
        """Close the period that the day falls into, as finance would."""

    async def open_period(self, day: date) -> None:
        """Open the period that the day falls into again."""


class Booking(Struct, frozen=True, kw_only=True):
    """Time as a person books it."""

    project_id: str
    task_id: str
    person: str
    """The e-mail address."""
    day: date
    minutes: int
    description: str


class PsaBooks(Protocol):
    """A PSA's own books, over its own interface and by its own user: never through the connector."""

    async def count_projects(self, business_key: str) -> int:
        """Return how many projects carry the key."""

    async def count_tasks(self, business_key: str) -> int:
        """Return how many tasks carry the key."""

    async def plant_project(self, business_key: str) -> bool:
        """Make one more project with the key; False where the PSA itself refuses a second one."""

    async def book(self, project_id: str, day: date) -> bool:
        """Book an hour on the project or a task of it, as one of its people; False where the PSA refuses."""

    async def book_time(self, time: Booking) -> str:
        """Return the id of time that the person booked, open still."""

    async def approve(self, entry_id: str) -> None:
        """Approve the time, as the approver does."""

    async def recall(self, entry_id: str) -> None:
        """Take the approval back, as the approver does."""

    async def correct(self, entry_id: str, minutes: int) -> None:
        """Change how long it took, as the approver does, and leave the approval as it is."""

    async def delete_time(self, entry_id: str) -> None:
        """Delete the time, as the approver does."""

    async def approve_own(self, entry_id: str) -> bool:
        """Try to approve the time as the person who booked it; False where the PSA refuses."""

    async def count_notes(self, project_id: str, business_key: str) -> int:
        """Return how many notes on the project carry the key."""

    async def put_on_hold(self, project_id: str) -> None:
        """Show the project as held, as somebody at a desk does."""


class ErpFacts(Struct, frozen=True, kw_only=True):
    """What the tests may send to this ERP."""

    legal_entity: str
    currency: str
    address: Address
    other_address: Address
    tax_ids: tuple[str, str]
    """Valid in the country of the address; blanks in them do not count."""
    bad_tax_id: str | None
    """One that the ERP refuses, or None where it checks none."""
    payment_terms: tuple[str, str]
    dimension: Dimension | None
    """One that projects may carry, or None where they carry none."""
    staff: str | None
    """The name of somebody who is in the ERP and no customer, or None where it keeps such people apart."""
    accounts: Mapping[TransactionKind, tuple[str, str]]
    """By kind, the accounts that are debited and credited."""
    project_accounts: frozenset[str]
    """Those of the accounts that carry a project in the ledger; the others do not."""
    revenue_account: str
    other_account: str
    """One that invoices are not posted on."""
    tax_code: str
    taxed: Mapping[tuple[str, ...], str]
    """What the tax is, computed by hand, on an invoice with lines of these nets."""
    item: str | None
    """The code of an item, or None where the ERP keeps none."""
    closable: date
    """A day in a period that finance can close and open, and that nothing else is posted in."""


class PsaFacts(Struct, frozen=True, kw_only=True):
    """What the tests may send to this PSA."""

    legal_entity: str
    person: str
    """The e-mail address of somebody active."""
    approver: str | None
    """Whom the PSA names as approver of time that `PsaBooks.approve` approved, or None where it does not tell."""
    native_template: str | None
    """A template that the PSA keeps, or None where it keeps none."""
    template_tasks: tuple[str, ...] = ()
    """The names of its tasks."""


class ErpTarget(Struct, frozen=True, kw_only=True):
    """A running ERP, connected."""

    port: Erp
    writes: BoundWrites
    books: ErpBooks
    facts: ErpFacts
    lose_session: Callable[[], Awaitable[None]]
    """Make the vendor forget whatever the connector is logged in with; does nothing where it keeps no session."""


class PsaTarget(Struct, frozen=True, kw_only=True):
    """A running PSA, connected."""

    port: Psa
    writes: BoundWrites
    books: PsaBooks
    facts: PsaFacts
    lose_session: Callable[[], Awaitable[None]]
    """Make the vendor forget whatever the connector is logged in with; does nothing where it keeps no session."""
