"""Invoices of one ledger: drafted and validated, compared, posted with the stamp of what was compared.

A validated invoice takes no changed lines, and setting it back to draft changes its stamp. So nothing is posted but
what `version` told.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import UNSET

from gateway.errors import Refused
from openapi.common.types import Code, Violation
from openapi.system.erp.v1 import Invoice, InvoiceState, NewInvoice, NewInvoiceLine, Payment
from system_apis.connectors.tryton import wire as shared
from system_apis.connectors.tryton.client import TrytonClient, effect_is_there
from system_apis.connectors.tryton.erp import invoices_mapping as mapping
from system_apis.connectors.tryton.erp import wire
from system_apis.connectors.tryton.erp.books import Books, taking
from system_apis.connectors.tryton.erp.invoices_mapping import Head, Position
from system_apis.connectors.tryton.erp.postings_mapping import net_of
from system_apis.connectors.tryton.erp.setup import LedgerSetup
from system_apis.connectors.tryton.records import company_of, not_found, one, record_id, refused
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import ANY_STATE, Domain
from system_apis.ports import Found

MODEL: Final = "account.invoice"
CHANGED: Final = "The invoice is not what it was. Read it again, compare again."


class Invoices:
    """The invoices to customers of one ledger."""

    def __init__(self, client: TrytonClient, settings: Settings, setup: LedgerSetup, books: Books) -> None:
        self._client, self._settings, self._setup, self._books = client, settings, setup, books

    async def find(self, business_key: str) -> Invoice | None:
        """Return the invoice that carries the key; cancelled ones are none."""
        domain = [["reference", "=", business_key], ["state", "!=", "cancelled"]]
        found = one(await self._search(domain, limit=2))
        return mapping.to_invoice(found, self._settings) if found else None

    async def get(self, invoice_id: str) -> Invoice:
        """Return the invoice."""
        return mapping.to_invoice(await self._invoice(record_id(invoice_id)), self._settings)

    async def create(self, new: NewInvoice) -> Invoice:
        """Return the new invoice, validated: with Tryton's tax, and frozen."""
        company = company_of(new.legal_entity, self._settings)
        projects = await self._books.projects({line.project_id for line in new.lines}, company)
        positions = await self._positions(new, company, projects)
        values = mapping.from_new_invoice(new, await self._head(new, company), positions)
        created = await self._client.create(MODEL, values, company=company)
        with effect_is_there():
            await self._client.press(MODEL, "validate_invoice", [created], company=company)
            return mapping.to_invoice(await self._invoice(created), self._settings)

    async def post(self, invoice_id: str, version: str) -> Invoice:
        """Return the invoice, posted; one that is posted already as it is."""
        invoice = await self._invoice(record_id(invoice_id))
        state = mapping.to_invoice(invoice, self._settings).state
        if state in {InvoiceState.posted, InvoiceState.paid}:
            return mapping.to_invoice(invoice, self._settings)
        if state is InvoiceState.cancelled:
            raise Refused(Code.precondition_failed, "The invoice was cancelled. Create it again.")
        _require(invoice, version)
        if invoice.state == "draft":  # Its validation was lost: as a draft, changed lines would leave its stamp alone.
            await self._press("validate_invoice", invoice)
            invoice = await self._invoice(invoice.id)
            _require(invoice, version)
        return await self._pressed("post", invoice)

    async def cancel(self, invoice_id: str) -> Invoice:
        """Return the draft, cancelled; it stays in Tryton, without a number."""
        invoice = await self._invoice(record_id(invoice_id))
        state = mapping.to_invoice(invoice, self._settings).state
        if state in {InvoiceState.posted, InvoiceState.paid}:
            raise Refused(Code.invoice_already_posted, "A posted invoice is credited, not cancelled.")
        if state is InvoiceState.cancelled:
            return mapping.to_invoice(invoice, self._settings)
        return await self._pressed("cancel", invoice)

    async def payments(self, invoice_id: str, after: str | None, limit: int) -> Found[Payment]:
        """Return a page of what was paid, the earliest first."""
        domain = [["id", "=", record_id(invoice_id)], *self._here()]
        found = await self._client.search(MODEL, domain, wire.Payments, wire.PAYMENTS)
        if not found:
            raise not_found()
        paid = mapping.to_payments(found[0])
        start = next((place + 1 for place, payment in enumerate(paid) if payment.id == after), 0)
        shown = paid[start : start + limit]
        return Found(items=shown, after=shown[-1].id if paid[start + limit :] else None)

    async def _pressed(self, button: str, invoice: wire.Invoice) -> Invoice:
        """Return what a button made of the invoice, which nobody has touched since it was read."""
        await self._press(button, invoice)
        with effect_is_there():
            return mapping.to_invoice(await self._invoice(invoice.id), self._settings)

    async def _press(self, button: str, invoice: wire.Invoice) -> None:
        stamps = {f"{MODEL},{invoice.id}": invoice.stamp}
        await self._client.press(MODEL, button, [invoice.id], company=invoice.company, stamps=stamps)

    async def _head(self, new: NewInvoice, company: int) -> Head:
        party = await self._customer(new.customer_id)
        currency = await self._books.currency(company)
        if new.currency != currency.code:
            raise refused(Code.currency_mismatch, "#/currency", f"These books are kept in {currency.code}.")
        values = {"party": party, "type": "out", "company": company}
        defaults = await self._client.on_change(MODEL, "party", values, wire.InvoiceDefaults, company=company)
        if defaults.invoice_address is None or defaults.account is None:
            detail = "The customer has no address in Tryton, or no receivable account. Have it completed there."
            raise refused(Code.upstream_rejected, "#/customer_id", detail)
        term = new.payment_terms
        return Head(
            party=party,
            journal=await self._books.journal(self._settings.invoices_journal),
            currency=currency.id,
            defaults=defaults,
            payment_term=defaults.payment_term if term is UNSET else await self._setup.term(term),
        )

    async def _customer(self, customer_id: str) -> int:
        """Return the party. Tryton invoices inactive ones too: what they are worth is seen to now."""
        try:
            domain = [["id", "=", record_id(customer_id)], ANY_STATE]
        except Refused as error:
            raise refused(Code.customer_not_found, "#/customer_id", "Tryton has no such customer.") from error
        found = await self._client.search("party.party", domain, shared.Party, shared.PARTY)
        if not found:
            raise refused(Code.customer_not_found, "#/customer_id", "Tryton has no such customer.")
        if not found[0].active:
            raise refused(Code.customer_inactive, "#/customer_id", "Have the customer reactivated first.")
        return found[0].id

    async def _positions(self, new: NewInvoice, company: int, projects: Mapping[str, shared.Account]) -> list[Position]:
        """Return where each line is posted; raises Refused with every line that cannot be."""
        positions, violations = [], list[Violation]()
        for place, line in enumerate(new.lines):
            try:
                positions.append(await self._position(line, company, projects, f"#/lines/{place}"))
            except Refused as error:
                if not error.violations:
                    raise
                violations += error.violations
        if violations:
            raise Refused(violations[0].code, violations[0].detail, *violations)
        return positions

    async def _position(
        self, line: NewInvoiceLine, company: int, projects: Mapping[str, shared.Account], pointer: str
    ) -> Position:
        account = await self._books.account(line.account, company, f"{pointer}/account")
        if account.type is None or not account.type.revenue:
            detail = f"Tryton invoices on accounts of revenue alone, and {line.account} is none. Map another one."
            raise refused(Code.gl_mapping_missing, f"{pointer}/account", detail)
        return Position(
            net=net_of(line.net, await self._books.currency(company), f"{pointer}/net"),
            account=account.id,
            tax=await self._books.tax(line.tax_code, company, f"{pointer}/tax_code"),
            project=taking(projects, line.project_id, f"{pointer}/project_id"),
        )

    async def _invoice(self, invoice_id: int) -> wire.Invoice:
        found = await self._search([["id", "=", invoice_id]])
        if not found:
            raise not_found()
        return found[0]

    async def _search(self, domain: Domain, limit: int | None = None) -> list[wire.Invoice]:
        return await self._client.search(MODEL, [*domain, *self._here()], wire.Invoice, wire.INVOICE, limit=limit)

    def _here(self) -> Domain:
        return [["type", "=", "out"], ["company", "in", sorted(self._settings.companies.values())]]


def _require(invoice: wire.Invoice, version: str) -> None:
    if mapping.version_of(invoice) != version:
        raise Refused(Code.precondition_failed, CHANGED)
