"""What a strict ERP in memory knows before anything is posted: entities, periods, items, taxes, accounts, terms."""

from calendar import monthrange
from collections.abc import Callable
from datetime import date, datetime

from gateway.store.database import utc_now
from openapi.common.types import Code
from openapi.system.erp.v1 import (
    AccountingProject,
    Activity,
    Capabilities,
    Customer,
    Item,
    LegalEntity,
    Period,
    PeriodState,
    TaxBasis,
    TaxCode,
)
from system_apis.ports import Found
from tests.fakes.erp_books import Books
from tests.fakes.vendor import Book, Vendor, page, refuse_unless

ENTITIES = {"ES01": ("EUR", "ES"), "DE01": ("EUR", "DE"), "GB01": ("GBP", "GB")}
YEARS = (2025, 2026, 2027)
BANK, RECEIVABLE, TAX = "1.1.1", "1.3.1", "2.3.1"
"""Where the ERP itself posts: payments, what customers owe, taxes on sales."""
ACCRUED_INCOME, OWED_TO_STAFF, REVENUE, COST_OF_SALES = "1.4.2", "2.2.4", "4.2.2", "5.1.3"
"""Where facts and lines are posted to, by the sample's mappings."""


class MasterData(Vendor):
    """The part of the port `Erp` that only reads, and the checks that all documents have in common."""

    def __init__(self, capabilities: Capabilities, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(clock)
        self.capabilities = capabilities
        self.connection = capabilities.connection
        self.customers: Book[Customer] = Book()
        self.projects: Book[AccountingProject] = Book()
        self.books = Books()
        self.payment_terms = {"net_30", "immediate"}
        self.departments = {"DATA", "CLOUD"}
        self.accounts = {BANK, RECEIVABLE, TAX, ACCRUED_INCOME, OWED_TO_STAFF, REVENUE, COST_OF_SALES, "4.1.2"}
        self.revenue_accounts = {REVENUE, "4.1.2"}
        """Those of the accounts that invoices are posted on."""
        self.taxes = {"VAT 21%": "21", "VAT 10%": "10", "VAT 0%": "0"}
        """The percentage of each tax, by its name."""
        self.items = [item(1, "CONS-H", "Consulting hour"), item(2, "CONSULTING", "Consulting")]
        self.years: tuple[int, ...] = YEARS
        """For which there are books."""
        self._period_states: dict[str, PeriodState] = {}

    def set_period(self, on: date, state: PeriodState, legal_entity: str = "ES01") -> None:
        """Open or close the period that the day falls into; all are open before."""
        self._period_states[period_id(legal_entity, on)] = state

    def close_period(self, on: date, legal_entity: str = "ES01") -> None:
        """Close the period so that it can be opened again."""
        self.set_period(on, PeriodState.soft_closed, legal_entity)

    def open_period(self, on: date, legal_entity: str = "ES01") -> None:
        """Open the period, again or for the first time."""
        self.set_period(on, PeriodState.open, legal_entity)

    async def list_legal_entities(self) -> list[LegalEntity]:
        """Return the entities of the capabilities."""
        return await self.read("list_legal_entities", lambda: [entity(c) for c in self.capabilities.legal_entities])

    async def list_periods(
        self, legal_entity: str, *, on: date | None = None, after: str | None = None, limit: int = 20
    ) -> Found[Period]:
        """Return the entity's months, the earliest first."""

        def fitting() -> Found[Period]:
            self.check_entity(legal_entity)
            months = [date(year, month, 1) for year in self.years for month in range(1, 13)]
            asked = [month for month in months if on is None or month == on.replace(day=1)]
            return page([self._period(legal_entity, month) for month in asked], after, limit)

        return await self.read("list_periods", fitting)

    async def list_items(self, *, code: str | None = None, after: str | None = None, limit: int = 20) -> Found[Item]:
        """Return what can be sold."""

        def fitting() -> Found[Item]:
            refuse_unless(self.capabilities.items, Code.capability_missing, "No items.")
            return page([one for one in self.items if code in {None, one.code}], after, limit)

        return await self.read("list_items", fitting)

    async def list_tax_codes(self, legal_entity: str, *, after: str | None = None, limit: int = 20) -> Found[TaxCode]:
        """Return the taxes; every entity charges the same."""

        def listed() -> Found[TaxCode]:
            self.check_entity(legal_entity)
            taxes = enumerate(self.taxes.items(), 1)
            return page([tax_code(number, legal_entity, *each) for number, each in taxes], after, limit)

        return await self.read("list_tax_codes", listed)

    def check_entity(self, legal_entity: str) -> None:
        """Return where the ERP keeps the entity's books."""
        served = legal_entity in self.capabilities.legal_entities
        refuse_unless(served, Code.entity_mapping_missing, "No books are kept for it.")

    def check_terms(self, terms: str | None) -> None:
        """Return where the ERP knows the terms, or none are given."""
        refuse_unless(terms is None or terms in self.payment_terms, Code.mapping_missing, "Unknown terms.")

    def check_period(self, legal_entity: str, on: date) -> None:
        """Return where the books are open on the day."""
        state = self._state(legal_entity, on)
        refuse_unless(state is not PeriodState.future, Code.period_not_open_yet, "The period is not open yet.")
        refuse_unless(state is PeriodState.open, Code.period_closed, "The period is closed.")

    def check_account(self, code: str) -> None:
        """Return where the ERP has the account."""
        refuse_unless(code in self.accounts, Code.gl_mapping_missing, "There is no such account.")

    def _state(self, legal_entity: str, on: date) -> PeriodState:
        unforeseen = PeriodState.open if on.year in self.years else PeriodState.future
        return self._period_states.get(period_id(legal_entity, on), unforeseen)

    def _period(self, legal_entity: str, first: date) -> Period:
        state = self._state(legal_entity, first)
        return Period(
            id=period_id(legal_entity, first),
            version=state.value,
            legal_entity=legal_entity,
            name=f"{first:%Y-%m}",
            start=first,
            end=first.replace(day=monthrange(first.year, first.month)[1]),
            state=state,
            references=[],
        )


def period_id(legal_entity: str, on: date) -> str:
    """Return the id of the period that the day falls into."""
    return f"{legal_entity}-{on:%Y-%m}"


def entity(code: str) -> LegalEntity:
    """Return an entity as the ERP has it."""
    currency, country = ENTITIES[code]
    return LegalEntity(
        id=code.lower(),
        version="1",
        code=code,
        name=f"Meridian {code}",
        currency=currency,
        country=country,
        time_zone="UTC",
        tax_basis=TaxBasis.per_rate_group,
        references=[],
    )


def item(number: int, code: str, name: str) -> Item:
    """Return an item, sold by the hour."""
    return Item(id=str(number), version="1", code=code, name=name, unit="hour", state=Activity.active, references=[])


def tax_code(number: int, legal_entity: str, code: str, percent: str) -> TaxCode:
    """Return a tax as the ERP lists it."""
    return TaxCode(
        id=str(number),
        version="1",
        legal_entity=legal_entity,
        code=code,
        name=code,
        percent=percent,
        state=Activity.active,
        references=[],
    )
