"""Tryton behind the ERP port: client and mapping, joined."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from msgspec import UNSET

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.erp.v1 import (
    AccountingProject,
    BillableTransaction,
    Capabilities,
    Customer,
    CustomerChange,
    CustomerState,
    Invoice,
    Item,
    LegalEntity,
    NewAccountingProject,
    NewBillableTransaction,
    NewCustomer,
    NewInvoice,
    Payment,
    Period,
    TaxCode,
)
from system_apis.connectors.tryton import marks, wire
from system_apis.connectors.tryton.client import TrytonClient, effect_is_there
from system_apis.connectors.tryton.erp import books_mapping, mapping
from system_apis.connectors.tryton.erp.books import Books
from system_apis.connectors.tryton.erp.changes import changes_of, more_than_state
from system_apis.connectors.tryton.erp.examination import examine
from system_apis.connectors.tryton.erp.invoices import Invoices
from system_apis.connectors.tryton.erp.names import matches, pattern
from system_apis.connectors.tryton.erp.postings import Postings
from system_apis.connectors.tryton.erp.setup import ACCOUNT, LedgerSetup
from system_apis.connectors.tryton.records import company_of, following, not_found, one, page, record_id, refused
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import ANY_STATE, Domain, Values, escaped
from system_apis.ports import Finding, Found

PARTY: Final = "party.party"


class TrytonErp:
    """The port `Erp` of one Tryton database."""

    def __init__(self, capabilities: Capabilities, settings: Settings, client: TrytonClient) -> None:
        self.connection, self.capabilities = capabilities.connection, capabilities
        self._settings, self._client, self._setup = settings, client, LedgerSetup(client, settings)
        self._books = Books(client, settings)
        self._postings = Postings(client, settings, self._books)
        self._invoices = Invoices(client, settings, self._setup, self._books)

    async def examine(self) -> list[Finding]:
        return await examine(self._client, self._settings, self.capabilities)

    async def list_legal_entities(self) -> list[LegalEntity]:
        codes = {company: code for code, company in self._settings.companies.items()}
        companies = await self._client.search(
            "company.company", [["id", "in", sorted(codes)]], wire.Company, wire.COMPANY
        )
        return [
            mapping.to_legal_entity(company, codes[company.id], await self._client.tax_rounding(company.id))
            for company in companies
        ]

    async def search_customers(
        self, *, tax_id: str | None = None, name: str | None = None, after: str | None = None, limit: int = 20
    ) -> Found[Customer]:
        wanted = _by_tax_id(tax_id) if tax_id is not None else ["name", "ilike", pattern(name or "")]
        found = await self._client.search(
            PARTY, [wanted, ANY_STATE, *following(after)], wire.Party, wire.PARTY, limit=limit + 1
        )
        shown, next_after = page(found, limit)
        alike = [party for party in shown if name is None or matches(party.name, name)]
        customers = await self._without_staff(alike)
        return Found(items=[self._to_customer(party) for party in customers], after=next_after)

    async def find_customer(self, business_key: str) -> Customer | None:
        if not mapping.is_key(business_key):
            return None
        domain = [["code", "=", business_key], ANY_STATE]
        party = one(await self._client.search(PARTY, domain, wire.Party, wire.PARTY, limit=2))
        return self._to_customer(party) if party else None

    async def get_customer(self, customer_id: str) -> Customer:
        return self._to_customer(await self._party(customer_id))

    async def create_customer(self, new: NewCustomer) -> Customer:
        company = company_of(new.legal_entity, self._settings)
        values = mapping.from_new_customer(
            new,
            country=await self._setup.country(new.billing_address.country),
            term=None if new.payment_terms is UNSET else await self._setup.term(new.payment_terms),
        )
        created = await self._client.create(PARTY, values, company=company)
        with effect_is_there():
            return self._to_customer(await self._one_party(created))

    async def update_customer(self, customer_id: str, change: CustomerChange, version: str | None) -> Customer:
        party = await self._party(customer_id)
        if version is not None and version != mapping.version_of(party):
            raise Refused(Code.precondition_failed, "The customer has changed. Read it again, decide again.")
        if not party.active and (change.state is not CustomerState.active or more_than_state(change)):
            detail = "Tryton changes no inactive customer. Reactivate it in a call of its own, then change it."
            raise refused(Code.customer_inactive, "#/state", detail)
        address = change.billing_address
        values = changes_of(
            party,
            change,
            country=UNSET if address is UNSET else await self._setup.country(address.country),
            term=UNSET if change.payment_terms is UNSET else await self._setup.term(change.payment_terms),
        )
        stamps = None if version is None else mapping.stamps_of(party)
        await self._client.write(PARTY, [party.id], values, stamps=stamps)
        with effect_is_there():
            return self._to_customer(await self._one_party(party.id))

    async def search_accounting_projects(
        self, *, code: str, after: str | None = None, limit: int = 20
    ) -> Found[AccountingProject]:
        found = await self._accounts([["code", "=", code], *following(after)], limit + 1)
        shown, next_after = page(found, limit)
        return Found(items=[mapping.to_accounting_project(one, self._settings) for one in shown], after=next_after)

    async def find_accounting_project(self, business_key: str) -> AccountingProject | None:
        found = await self._accounts([marks.clause("note", business_key)], None)
        account = one([each for each in found if marks.key_of(each.note) == business_key])
        return mapping.to_accounting_project(account, self._settings) if account else None

    async def get_accounting_project(self, project_id: str) -> AccountingProject:
        return mapping.to_accounting_project(await self._account(record_id(project_id)), self._settings)

    async def create_accounting_project(self, new: NewAccountingProject) -> AccountingProject:
        company = company_of(new.legal_entity, self._settings)
        parent = await self._setup.parent(mapping.department_of(new.dimensions), company)
        values = mapping.from_new_accounting_project(new, parent, await self._payer(new.customer_id))
        created = await self._client.create(ACCOUNT, values, company=company)
        with effect_is_there():
            return mapping.to_accounting_project(await self._account(created), self._settings)

    async def activate_accounting_project(self, project_id: str) -> AccountingProject:
        return await self._put(record_id(project_id), {"state": "opened"})

    async def deactivate_accounting_project(self, project_id: str) -> AccountingProject:
        return await self._put(record_id(project_id), {"state": "closed"})

    async def list_periods(
        self, legal_entity: str, *, on: date | None = None, after: str | None = None, limit: int = 20
    ) -> Found[Period]:
        shown, following_one = await self._books.periods(company_of(legal_entity, self._settings), on, after, limit)
        return Found(items=[books_mapping.to_period(one, legal_entity) for one in shown], after=following_one)

    async def list_items(self, *, code: str | None = None, after: str | None = None, limit: int = 20) -> Found[Item]:
        shown, following_one = await self._books.products(code, after, limit)
        return Found(items=[books_mapping.to_item(one) for one in shown], after=following_one)

    async def list_tax_codes(self, legal_entity: str, *, after: str | None = None, limit: int = 20) -> Found[TaxCode]:
        shown, following_one = await self._books.taxes(company_of(legal_entity, self._settings), after, limit)
        return Found(items=[books_mapping.to_tax_code(one, legal_entity) for one in shown], after=following_one)

    async def find_billable_transactions(self, keys: Sequence[str]) -> Mapping[str, BillableTransaction]:
        return await self._postings.find(keys)

    async def post_billable_transactions(
        self, new: Sequence[NewBillableTransaction]
    ) -> Mapping[str, BillableTransaction | Refused]:
        return await self._postings.post(new)

    async def find_invoice(self, business_key: str) -> Invoice | None:
        return await self._invoices.find(business_key)

    async def get_invoice(self, invoice_id: str) -> Invoice:
        return await self._invoices.get(invoice_id)

    async def create_invoice(self, new: NewInvoice) -> Invoice:
        return await self._invoices.create(new)

    async def post_invoice(self, invoice_id: str, version: str) -> Invoice:
        return await self._invoices.post(invoice_id, version)

    async def cancel_invoice(self, invoice_id: str) -> Invoice:
        return await self._invoices.cancel(invoice_id)

    async def list_payments(self, invoice_id: str, *, after: str | None = None, limit: int = 20) -> Found[Payment]:
        return await self._invoices.payments(invoice_id, after, limit)

    async def _put(self, account_id: int, values: Values) -> AccountingProject:
        account = await self._account(account_id)
        if not account.active:  # The other fields of an inactive record are read-only.
            await self._client.write(ACCOUNT, [account_id], {"active": True})
        await self._client.write(ACCOUNT, [account_id], values)
        with effect_is_there():
            return mapping.to_accounting_project(await self._account(account_id), self._settings)

    async def _payer(self, customer_id: str) -> wire.Party:
        """Return the customer of a project. Tryton would take any text here: what it is worth is seen to now."""
        try:
            party = await self._party(customer_id)
        except Refused as error:
            raise refused(Code.customer_not_found, "#/customer_id", "Tryton has no such customer.") from error
        if not party.active:
            raise refused(Code.customer_inactive, "#/customer_id", "Have the customer reactivated first.")
        return party

    async def _accounts(self, domain: Domain, limit: int | None) -> list[wire.Account]:
        here = [
            ["root.code", "=", self._settings.analytic_root],
            ["type", "=", "normal"],
            ["company", "in", sorted(self._settings.companies.values())],
            ANY_STATE,
        ]
        return await self._client.search(ACCOUNT, [*here, *domain], wire.Account, wire.ACCOUNT, limit=limit)

    async def _account(self, account_id: int) -> wire.Account:
        found = await self._accounts([["id", "=", account_id]], 1)
        if not found:
            raise not_found()
        return found[0]

    async def _party(self, customer_id: str) -> wire.Party:
        party = await self._one_party(record_id(customer_id))
        if not await self._without_staff([party]):
            raise not_found()
        return party

    async def _one_party(self, party_id: int) -> wire.Party:
        found = await self._client.search(PARTY, [["id", "=", party_id], ANY_STATE], wire.Party, wire.PARTY)
        if not found:
            raise not_found()
        return found[0]

    async def _without_staff(self, parties: Sequence[wire.Party]) -> list[wire.Party]:
        """Return those that are neither employees nor companies of Tryton's own; who has a key of ours is neither."""
        doubtful = [party.id for party in parties if not mapping.is_key(party.code)]
        staff = await self._setup.staff(doubtful) if doubtful else ()
        return [party for party in parties if party.id not in staff]

    def _to_customer(self, party: wire.Party) -> Customer:
        return mapping.to_customer(party, self._settings)


def _by_tax_id(tax_id: str) -> Domain:
    """Return what finds a tax id: Tryton keeps those that it can check without blanks and hyphens, others as typed."""
    typed = tax_id.replace(" ", "")
    compact = "".join(filter(str.isalnum, typed))
    return ["OR", *(["identifiers.code_compact", "ilike", escaped(form)] for form in sorted({typed, compact}))]
