"""What the conformance suite asks of a system's own books, answered by the fakes: they keep to it as connectors do."""

from datetime import date
from decimal import Decimal

from msgspec.structs import replace

from gateway.errors import Refused
from openapi.common.types import Address, Dimension
from openapi.system.erp.v1 import NewInvoice
from openapi.system.psa.v1 import ProjectState
from system_apis.conformance.target import Booking, LedgerLine
from tests.fakes.erp import FakeErp
from tests.fakes.erp_books import as_money
from tests.fakes.psa import FakePsa
from tests.fakes.psa_time import CHLOE


class FakeErpBooks:
    """The books of an ERP in memory, past its port."""

    def __init__(self, erp: FakeErp) -> None:
        self._erp = erp

    async def count_customers(self, business_key: str) -> int:
        return len(self._erp.customers.carrying(business_key))

    async def count_projects(self, business_key: str) -> int:
        return len(self._erp.projects.carrying(business_key))

    async def plant_customer(self, business_key: str) -> bool:
        first = self._erp.customers.carrying(business_key)[0]
        self._erp.customers.put(replace(first, id=self._erp.customers.next_id()), self._erp.clock())
        return True

    async def plant_project(self, business_key: str) -> bool:
        first = self._erp.projects.carrying(business_key)[0]
        self._erp.projects.put(replace(first, id=self._erp.projects.next_id(), code="T-1"), self._erp.clock())
        return True

    async def touch_customer(self, customer_id: str) -> None:
        moved = Address(street="2 Moved Street", city="Valencia", country="ES")
        customer = self._erp.customers.get(customer_id)
        changed = replace(customer, billing_address=moved, version=self._erp.version())
        self._erp.customers.put(changed, self._erp.clock())

    async def open_dimension(self, dimension: Dimension) -> None:
        self._erp.departments.add(dimension.code)

    async def count_transactions(self, business_key: str) -> int:
        return len(self._erp.transactions.carrying(business_key))

    async def ledger_lines(self, business_key: str) -> list[LedgerLine]:
        (entry,) = self._erp.books.entries_of(business_key)
        return sorted(LedgerLine(**line._asdict()) for line in entry.lines)

    async def plant_transaction(self, business_key: str) -> bool:
        self._erp.leave_draft(self._erp.facts[self._erp.transactions.carrying(business_key)[0].id])
        return True

    async def count_invoices(self, business_key: str) -> int:
        return len(self._erp.live_invoices(business_key))

    async def plant_invoice(self, business_key: str, customer_id: str) -> bool:
        order: NewInvoice = self._erp.orders[self._erp.invoices.carrying(business_key)[0].id]
        await self._erp.create_invoice(replace(order, customer_id=customer_id))
        return True

    async def touch_invoice(self, invoice_id: str) -> None:
        first, *rest = (line.net.amount for line in self._erp.invoices.get(invoice_id).lines)
        self._erp.edit_draft(invoice_id, as_money(Decimal(first) + 1, "EUR").amount, *rest)

    async def pay(self, invoice_id: str, amount: str, on: date) -> None:
        self._erp.pay(invoice_id, amount, on=on)

    async def close_period(self, day: date) -> None:
        self._erp.close_period(day)

    async def open_period(self, day: date) -> None:
        self._erp.open_period(day)


class FakePsaBooks:
    """The books of a PSA in memory, past its port."""

    def __init__(self, psa: FakePsa) -> None:
        self._psa = psa

    async def count_projects(self, business_key: str) -> int:
        return len(self._psa.projects.carrying(business_key))

    async def count_tasks(self, business_key: str) -> int:
        return len(self._psa.tasks.carrying(business_key))

    async def plant_project(self, business_key: str) -> bool:
        first = self._psa.projects.carrying(business_key)[0]
        self._psa.projects.put(replace(first, id=self._psa.projects.next_id(), code="T-1"), self._psa.clock())
        return True

    async def book(self, project_id: str, day: date) -> bool:
        try:
            self._psa.book_time(project_id, 60, on=day)
        except Refused:
            return self._psa.projects.get(project_id).state is ProjectState.open
        return True

    async def book_time(self, time: Booking) -> str:
        entry = self._psa.book_time(
            time.project_id,
            time.minutes,
            on=time.day,
            by=time.person,
            task_id=time.task_id,
            description=time.description,
        )
        return entry.id

    async def approve(self, entry_id: str) -> None:
        self._psa.approve(entry_id)

    async def recall(self, entry_id: str) -> None:
        self._psa.recall(entry_id)

    async def correct(self, entry_id: str, minutes: int) -> None:
        self._psa.edit(entry_id, minutes=minutes)

    async def delete_time(self, entry_id: str) -> None:
        self._psa.delete(entry_id)

    async def approve_own(self, entry_id: str) -> bool:
        return self._psa.entry(entry_id).resource_email == CHLOE

    async def count_notes(self, project_id: str, business_key: str) -> int:
        return sum(note.project_id == project_id for note in self._psa.notes.carrying(business_key))

    async def put_on_hold(self, project_id: str) -> None:
        self._psa.flag(project_id, held=True)
