"""Invoices of a strict ERP in memory, from the draft to the payment; it counts in whole cents, and for itself."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from gateway.errors import Refused
from gateway.store.database import utc_now
from openapi.common.types import Code, Violation
from openapi.system.erp.v1 import (
    AccountingProjectState,
    Capabilities,
    CustomerState,
    Invoice,
    InvoiceLine,
    InvoiceState,
    InvoiceTax,
    NewInvoice,
    NewInvoiceLine,
    Payment,
    Rounding,
)
from system_apis.ports import Found
from tests.fakes.erp_books import ZERO, Entry, as_money, credit, debit, total
from tests.fakes.erp_master import BANK, ENTITIES, RECEIVABLE, TAX, MasterData
from tests.fakes.vendor import Book, given, page, refuse_unless

DAYS = {"net_30": 30}
"""When an invoice is due; by all other terms it is at once."""
POSTED = {InvoiceState.posted, InvoiceState.paid}


class Invoices(MasterData):
    """The part of the port `Erp` that invoices. Keys are unique nowhere; numbers have no gaps."""

    def __init__(self, capabilities: Capabilities, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(capabilities, clock)
        self.invoices: Book[Invoice] = Book()
        self.orders: dict[str, NewInvoice] = {}
        """What each invoice was made from, by its id."""
        self.payments: dict[str, list[Payment]] = {}
        self.tax_off_by = ZERO
        """By how much the ERP's tax is not what anybody expects."""

    async def find_invoice(self, business_key: str) -> Invoice | None:
        """Return the invoice that carries the key, once the index has it."""

        def fits(invoice: Invoice) -> bool:
            return invoice.business_key == business_key and invoice.state is not InvoiceState.cancelled

        return await self.read("find_invoice", lambda: self.find(self.invoices, fits))

    async def get_invoice(self, invoice_id: str) -> Invoice:
        """Return the invoice."""
        return await self.read("get_invoice", lambda: self.invoices.get(invoice_id))

    async def create_invoice(self, new: NewInvoice) -> Invoice:
        """Return a new draft, whoever else carries the key."""
        return await self.write("create_invoice", lambda: self._created_invoice(new))

    async def post_invoice(self, invoice_id: str, version: str) -> Invoice:
        """Return the invoice with its number, in the books."""
        return await self.write(
            "post_invoice",
            lambda: self._posted_invoice(invoice_id, version),
            lock=f"postings of {self._entity_of(invoice_id)}",
            at_once=self.capabilities.postings_at_once,
        )

    async def cancel_invoice(self, invoice_id: str) -> Invoice:
        """Return the draft as a tombstone."""
        return await self.write("cancel_invoice", lambda: self._cancelled_invoice(invoice_id))

    async def list_payments(self, invoice_id: str, *, after: str | None = None, limit: int = 20) -> Found[Payment]:
        """Return what was paid, the earliest first."""

        def listed() -> Found[Payment]:
            refuse_unless(self.capabilities.payments, Code.capability_missing, "No payments.")
            self.invoices.get(invoice_id)
            return page(sorted(self.payments.get(invoice_id, []), key=lambda one: one.date), after, limit)

        return await self.read("list_payments", listed)

    def live_invoices(self, business_key: str) -> list[Invoice]:
        """Return what carries the key and is not cancelled; more than one is what must not be."""
        carrying = self.invoices.carrying(business_key)
        return [invoice for invoice in carrying if invoice.state is not InvoiceState.cancelled]

    def edit_draft(self, invoice_id: str, *nets: str) -> Invoice:
        """Return the draft as somebody has changed it by hand: its lines have other nets."""
        invoice = self.invoices.get(invoice_id)
        assert invoice.state is InvoiceState.draft, "A posted invoice stays as it is."
        currency = invoice.net.currency
        lines = [
            replace(line, net=as_money(Decimal(net), currency)) for line, net in zip(invoice.lines, nets, strict=True)
        ]
        return self._put_invoice(self._computed(replace(invoice, lines=lines)))

    def pay(self, invoice_id: str, amount: str | None = None, *, on: date | None = None) -> Payment:
        """Return the payment that has come in: of all that is owed, or of a part."""
        invoice = self.invoices.get(invoice_id)
        assert invoice.state is InvoiceState.posted, "Only what is posted is owed."
        owed, currency, day = Decimal(invoice.balance.amount), invoice.net.currency, on or self.clock().date()
        paid = owed if amount is None else Decimal(amount)
        made = self.payments.setdefault(invoice_id, [])
        payment = Payment(
            id=f"{invoice_id}-{len(made) + 1}", date=day, amount=as_money(paid, currency), reference=invoice.number
        )
        made.append(payment)
        lines = debit(BANK, paid), credit(RECEIVABLE, paid)
        self.books.post(Entry(invoice.legal_entity, day, currency, None, lines))
        state = InvoiceState.paid if paid == owed else InvoiceState.posted
        self._put_invoice(replace(invoice, balance=as_money(owed - paid, currency), state=state))
        return payment

    def _created_invoice(self, new: NewInvoice) -> Invoice:
        self._check_new(new)
        wrong = [each for number, line in enumerate(new.lines) for each in self._faults_of(number, line, new)]
        if wrong:
            raise Refused(wrong[0].code, "It has lines that cannot be posted.", *wrong)
        nothing = as_money(ZERO, new.currency)
        invoice = Invoice(
            id=self.invoices.next_id(),
            version="",
            business_key=new.business_key,
            legal_entity=new.legal_entity,
            customer_id=new.customer_id,
            number=None,
            state=InvoiceState.draft,
            invoice_date=None,
            accounting_date=new.accounting_date,
            due_date=None,
            net=nothing,
            tax=nothing,
            gross=nothing,
            balance=nothing,
            taxes=[],
            lines=[_line(line) for line in new.lines],
            updated_at=None,
            references=[],
        )
        self.orders[invoice.id] = new
        return self._put_invoice(self._computed(invoice))

    def _check_new(self, new: NewInvoice) -> None:
        self.check_entity(new.legal_entity)
        self.check_terms(given(new, "payment_terms"))
        customer = next((one for one in self.customers if one.id == new.customer_id), None)
        refuse_unless(customer, Code.customer_not_found, "Nobody to invoice.")
        active = customer is not None and customer.state is CustomerState.active
        refuse_unless(active, Code.customer_inactive, "Nobody to invoice any more.")
        kept_in = ENTITIES[new.legal_entity][0]
        refuse_unless(new.currency == kept_in, Code.currency_mismatch, "The books are kept in another currency.")
        fits = len(new.lines) <= self.capabilities.max_invoice_lines
        refuse_unless(fits, Code.invoice_line_limit_exceeded, "Too many lines.")

    def _faults_of(self, number: int, line: NewInvoiceLine, new: NewInvoice) -> Iterator[Violation]:
        """Yield what is wrong with a line, and where."""
        project = next((one for one in self.projects if one.id == line.project_id), None)
        known = project is not None and project.legal_entity == new.legal_entity
        active = project is not None and project.state is AccountingProjectState.active
        for holds, code, field in (
            (line.net.currency == new.currency, Code.currency_mismatch, "net/currency"),
            (Decimal(line.net.amount) == round(Decimal(line.net.amount), 2), Code.money_scale_exceeded, "net/amount"),
            (line.account in self.revenue_accounts, Code.gl_mapping_missing, "account"),
            (line.tax_code in self.taxes, Code.tax_code_missing, "tax_code"),
            (known, Code.project_not_in_erp, "project_id"),
            (active or not known, Code.project_not_active, "project_id"),
        ):
            if not holds:
                yield Violation(code=code, pointer=f"#/lines/{number}/{field}", detail="The ERP does not take it.")

    def _computed(self, invoice: Invoice) -> Invoice:
        """Return the invoice with its tax: on the sum of each tax's lines, rounded once."""
        currency = invoice.net.currency
        bases: dict[str, Decimal] = {}
        for line in invoice.lines:
            bases[line.tax_code or ""] = bases.get(line.tax_code or "", ZERO) + Decimal(line.net.amount)
        off_by = dict.fromkeys(list(bases)[:1], self.tax_off_by)
        taxes = {code: self._tax_on(base, code) + off_by.get(code, ZERO) for code, base in bases.items()}
        net, tax = total(bases.values()), total(taxes.values())
        return replace(
            invoice,
            net=as_money(net, currency),
            tax=as_money(tax, currency),
            gross=as_money(net + tax, currency),
            balance=as_money(net + tax, currency),
            taxes=[
                InvoiceTax(tax_code=code, base=as_money(base, currency), tax=as_money(taxes[code], currency))
                for code, base in bases.items()
            ],
        )

    def _tax_on(self, base: Decimal, code: str) -> Decimal:
        cents, hundredths = int(base * 100), int(Decimal(self.taxes[code]) * 100)
        whole, rest = divmod(abs(cents) * hundredths, 10_000)
        up = {
            Rounding.half_up: rest >= 5_000,
            Rounding.half_even: rest > 5_000 or (rest == 5_000 and whole % 2 == 1),
            Rounding.down: False,
        }[self.capabilities.rounding]
        return Decimal(whole + up) / 100 * (-1 if cents < 0 else 1)

    def _posted_invoice(self, invoice_id: str, version: str) -> Invoice:
        invoice = self.invoices.get(invoice_id)
        if invoice.state in POSTED:
            return invoice
        refuse_unless(invoice.version == version, Code.precondition_failed, "It has changed.")
        refuse_unless(invoice.state is InvoiceState.draft, Code.upstream_rejected, "It is no draft any more.")
        on, today = invoice.accounting_date or self.clock().date(), self.clock().date()
        self.check_period(invoice.legal_entity, on)
        self._enter(invoice, on)
        terms = DAYS.get(given(self.orders[invoice_id], "payment_terms") or "", 0)
        posted = replace(
            invoice,
            state=InvoiceState.posted,
            number=f"INV{on.year}/{self._numbered(invoice.legal_entity, on.year) + 1:04}",
            invoice_date=today,
            due_date=today + timedelta(days=terms),
        )
        return self._put_invoice(posted)

    def _entity_of(self, invoice_id: str) -> str:
        return next((invoice.legal_entity for invoice in self.invoices if invoice.id == invoice_id), "")

    def _enter(self, invoice: Invoice, on: date) -> None:
        revenue = (credit(line.account or "", Decimal(line.net.amount), line.project_id) for line in invoice.lines)
        taxes = (credit(TAX, Decimal(one.tax.amount)) for one in invoice.taxes)
        lines = (debit(RECEIVABLE, Decimal(invoice.gross.amount)), *revenue, *taxes)
        self.books.post(Entry(invoice.legal_entity, on, invoice.net.currency, invoice.business_key, lines))

    def _numbered(self, legal_entity: str, year: int) -> int:
        begins = f"INV{year}/"
        return sum(one.legal_entity == legal_entity and (one.number or "").startswith(begins) for one in self.invoices)

    def _cancelled_invoice(self, invoice_id: str) -> Invoice:
        invoice = self.invoices.get(invoice_id)
        refuse_unless(invoice.state not in POSTED, Code.invoice_already_posted, "It is posted.")
        if invoice.state is InvoiceState.cancelled:
            return invoice
        nothing = as_money(ZERO, invoice.net.currency)
        return self._put_invoice(replace(invoice, state=InvoiceState.cancelled, balance=nothing))

    def _put_invoice(self, invoice: Invoice) -> Invoice:
        changed = replace(invoice, version=self.version(), updated_at=self.clock())
        return self.invoices.put(changed, self.clock())


def _line(new: NewInvoiceLine) -> InvoiceLine:
    return InvoiceLine(
        business_key=new.business_key,
        description=new.description,
        net=new.net,
        account=new.account,
        tax_code=new.tax_code,
        project_id=new.project_id,
    )
