"""A strict ERP in memory: it has its own books, refuses what an ERP refuses, and loses what `Fault` says."""

from collections.abc import Callable
from datetime import datetime

from msgspec import UNSET
from msgspec.structs import replace
from stdnum import get_cc_module

from gateway.store.database import utc_now
from openapi.common.types import Address, Code, DimensionType
from openapi.system.erp.v1 import (
    AccountingProject,
    AccountingProjectState,
    BillableTransactions,
    Capabilities,
    CreditStatus,
    Customer,
    CustomerChange,
    CustomerState,
    Environment,
    Idempotency,
    LineNet,
    NewAccountingProject,
    NewCustomer,
    OptimisticLock,
    Rounding,
    SearchCustomer,
)
from system_apis.ports import Finding, Found
from tests.fakes.erp_invoices import Invoices
from tests.fakes.erp_postings import Postings
from tests.fakes.vendor import given, page, refuse_unless

CAPABILITIES = Capabilities(
    connection="books",
    vendor="fake",
    environment=Environment.sandbox,
    legal_entities=["ES01", "DE01"],
    search_customers=[SearchCustomer.tax_id, SearchCustomer.name],
    create_customers=True,
    update_customers=True,
    accounting_projects=True,
    dimensions=[DimensionType.department],
    max_dimensions=1,
    contracts=False,
    billing_schedules=False,
    funding_splits=False,
    idempotency=Idempotency.none,
    optimistic_lock=OptimisticLock.required,
    settle_s=0.0,
    billable_transactions=BillableTransactions.journal,
    batch_size=50,
    postings_at_once=1,
    line_net=LineNet.exact,
    rounding=Rounding.half_up,
    max_invoice_lines=200,
    items=True,
    payments=True,
)


class FakeErp(Postings, Invoices):
    """The port `Erp`. Codes of projects are unique within an entity; keys of documents are unique nowhere."""

    def __init__(self, capabilities: Capabilities = CAPABILITIES, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(capabilities, clock)

    def make_project(self, code: str, legal_entity: str = "ES01") -> AccountingProject:
        """Return a project that somebody has made in the ERP itself, with a customer, and that takes postings."""
        customer = NewCustomer(
            business_key=f"cus_{code}",
            legal_entity=legal_entity,
            name=f"Customer of {code}",
            country="ES",
            billing_address=Address(street="1 Market Street", city="Valencia", country="ES"),
        )
        project = NewAccountingProject(
            business_key=f"prj_{code}_erp",
            legal_entity=legal_entity,
            code=code,
            name=f"Project {code}",
            customer_id=self._created_customer(customer).id,
            dimensions=[],
        )
        return self._moved(self._created_project(project).id, AccountingProjectState.active)

    async def examine(self) -> list[Finding]:
        """Return that there is nothing to mend."""
        return [Finding(subject="access", holds=not self.away, detail="The books are in memory.")]

    async def search_customers(
        self, *, tax_id: str | None = None, name: str | None = None, after: str | None = None, limit: int = 20
    ) -> Found[Customer]:
        """Return customers by tax id or by a part of the name."""

        def fits(customer: Customer) -> bool:
            if tax_id is not None:
                return customer.tax_id == compact(tax_id)
            return (name or "").casefold() in customer.name.casefold()

        return await self.read("search_customers", lambda: page(self.search(self.customers, fits), after, limit))

    async def find_customer(self, business_key: str) -> Customer | None:
        """Return the customer that carries the key, once the index has it."""
        return await self.read(
            "find_customer", lambda: self.find(self.customers, lambda one: one.business_key == business_key)
        )

    async def get_customer(self, customer_id: str) -> Customer:
        """Return the customer."""
        return await self.read("get_customer", lambda: self.customers.get(customer_id))

    async def create_customer(self, new: NewCustomer) -> Customer:
        """Return a new customer, whoever else carries the key."""
        return await self.write("create_customer", lambda: self._created_customer(new))

    async def update_customer(self, customer_id: str, change: CustomerChange, version: str | None) -> Customer:
        """Return the changed customer."""
        return await self.write("update_customer", lambda: self._updated_customer(customer_id, change, version))

    async def search_accounting_projects(
        self, *, code: str, after: str | None = None, limit: int = 20
    ) -> Found[AccountingProject]:
        """Return the projects with the code."""
        return await self.read(
            "search_accounting_projects",
            lambda: page(self.search(self.projects, lambda one: one.code == code), after, limit),
        )

    async def find_accounting_project(self, business_key: str) -> AccountingProject | None:
        """Return the project that carries the key, once the index has it."""
        return await self.read(
            "find_accounting_project", lambda: self.find(self.projects, lambda one: one.business_key == business_key)
        )

    async def get_accounting_project(self, project_id: str) -> AccountingProject:
        """Return the project."""
        return await self.read("get_accounting_project", lambda: self.projects.get(project_id))

    async def create_accounting_project(self, new: NewAccountingProject) -> AccountingProject:
        """Return a new project in draft."""
        return await self.write("create_accounting_project", lambda: self._created_project(new))

    async def activate_accounting_project(self, project_id: str) -> AccountingProject:
        """Return the project, taking postings."""
        state = AccountingProjectState.active
        return await self.write("activate_accounting_project", lambda: self._moved(project_id, state))

    async def deactivate_accounting_project(self, project_id: str) -> AccountingProject:
        """Return the project, taking none."""
        state = AccountingProjectState.inactive
        return await self.write("deactivate_accounting_project", lambda: self._moved(project_id, state))

    def _created_customer(self, new: NewCustomer) -> Customer:
        refuse_unless(self.capabilities.create_customers, Code.capability_missing, "By hand only.")
        self.check_entity(new.legal_entity)
        self.check_terms(given(new, "payment_terms"))
        customer = Customer(
            id=self.customers.next_id(),
            version=self.version(),
            business_key=new.business_key,
            name=new.name.strip(),
            tax_id=checked_tax_id(new.country, given(new, "tax_id")),
            country=new.country,
            state=CustomerState.active,
            credit_status=CreditStatus.ok,
            payment_terms=given(new, "payment_terms"),
            billing_address=new.billing_address,
            updated_at=self.clock(),
            references=[],
        )
        return self.customers.put(customer, self.clock())

    def _updated_customer(self, customer_id: str, change: CustomerChange, version: str | None) -> Customer:
        customer = self.customers.get(customer_id)
        refuse_unless(self.capabilities.update_customers, Code.capability_missing, "By hand only.")
        refuse_unless(version in {None, customer.version}, Code.precondition_failed, "It has changed.")
        self.check_terms(given(change, "payment_terms"))
        values = {name: getattr(change, name) for name in change.__struct_fields__}
        values = {name: value for name, value in values.items() if value is not UNSET}
        if "tax_id" in values:
            values["tax_id"] = checked_tax_id(customer.country or "", values["tax_id"])
        changed = replace(customer, **values, version=self.version(), updated_at=self.clock())
        return self.customers.put(changed, self.clock())

    def _created_project(self, new: NewAccountingProject) -> AccountingProject:
        refuse_unless(self.capabilities.accounting_projects, Code.capability_missing, "No projects.")
        self.check_entity(new.legal_entity)
        customer = next((one for one in self.customers if one.id == new.customer_id), None)
        if customer is None or customer.state is not CustomerState.active:
            code = Code.customer_inactive if customer else Code.customer_not_found
            refuse_unless(holds=False, code=code, detail="Nobody to invoice.")
        taken = any((one.legal_entity, one.code) == (new.legal_entity, new.code) for one in self.projects)
        refuse_unless(not taken, Code.project_code_collision, "The code is in use.")
        self._check_dimensions(new)
        project = AccountingProject(
            id=self.projects.next_id(),
            version=self.version(),
            business_key=new.business_key,
            legal_entity=new.legal_entity,
            code=new.code,
            name=new.name.strip(),
            customer_id=new.customer_id,
            state=AccountingProjectState.draft,
            dimensions=new.dimensions,
            updated_at=self.clock(),
            references=[],
        )
        return self.projects.put(project, self.clock())

    def _moved(self, project_id: str, state: AccountingProjectState) -> AccountingProject:
        project = replace(self.projects.get(project_id), state=state, version=self.version(), updated_at=self.clock())
        return self.projects.put(project, self.clock())

    def _check_dimensions(self, new: NewAccountingProject) -> None:
        kinds = [dimension.type for dimension in new.dimensions]
        carried = set(kinds) <= set(self.capabilities.dimensions) and len(kinds) <= self.capabilities.max_dimensions
        refuse_unless(carried, Code.unsupported_field, "It cannot carry these dimensions.")
        known = all(dimension.code in self.departments for dimension in new.dimensions)
        refuse_unless(known, Code.dimension_invalid_combination, "Unknown value.")


def compact(tax_id: str) -> str:
    """Return the tax id as the ERP keeps it."""
    return "".join(filter(str.isalnum, tax_id)).upper()


def checked_tax_id(country: str, tax_id: str | None) -> str | None:
    """Return the tax id as the ERP keeps it, where its country's rules hold."""
    if tax_id is None:
        return None
    rules = get_cc_module(country.lower(), "vat")
    number = compact(tax_id).removeprefix(country)
    refuse_unless(rules is None or rules.is_valid(number), Code.customer_tax_id_invalid, "Not a tax id.")
    return compact(tax_id)
