"""Handlers of invoices: one draft, compared, posted once with the version that was compared, or cancelled."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.caller import INSTALLATION, Caller
from gateway.errors import Unavailable, Uncertain
from openapi.common.types import Code, Money
from openapi.system.erp.v1 import CustomerState, Invoice, InvoiceState, NewInvoice, NewInvoiceLine, Rounding
from system_apis.erp import v1 as erp_api
from tests.fakes.erp_master import BANK, RECEIVABLE, REVENUE, TAX
from tests.fakes.vendor import Fault
from tests.system_stage import NOBODY, PAGE, SPAIN, Stage, refusal

KEY = "inv_ES01_C-1_contract_2026-11_1"


def line(net: str, tax_code: str = "VAT 21%", currency: str = "EUR", **changes: object) -> NewInvoiceLine:
    """Return a line on the first project."""
    new = NewInvoiceLine(
        business_key=f"{KEY}_1",
        description="Consultant",
        net=Money(amount=net, currency=currency),
        account=REVENUE,
        tax_code=tax_code,
        project_id="1",
    )
    return replace(new, **changes)


def new(*lines: NewInvoiceLine, **changes: object) -> NewInvoice:
    """Return an invoice of two taxes, or of the lines."""
    both = [line("60.00"), line("10.00", "VAT 10%"), line("33.33")]
    wanted = NewInvoice(
        business_key=KEY,
        legal_entity="ES01",
        customer_id="1",
        currency="EUR",
        accounting_date=date(2026, 11, 30),
        lines=list(lines) or both,
        payment_terms="net_30",
    )
    return replace(wanted, **changes)


async def create(stage: Stage, body: NewInvoice | None = None, caller: Caller = SPAIN) -> Invoice:
    """Return the draft."""
    return await erp_api.create_invoice(**stage.on_erp, caller=caller, body=body or new())


async def post(stage: Stage, invoice: Invoice, caller: Caller = SPAIN) -> Invoice:
    """Return the invoice, posted as it was compared."""
    return await erp_api.post_invoice(**stage.on_erp, caller=caller, invoice_id=invoice.id, if_match=invoice.version)


async def cancel(stage: Stage, invoice: Invoice, caller: Caller = SPAIN) -> Invoice:
    """Return the invoice, cancelled."""
    return await erp_api.cancel_invoice(**stage.on_erp, caller=caller, invoice_id=invoice.id)


@pytest.fixture(autouse=True)
def project(stage: Stage) -> None:
    """Make the first project and its customer, so that lines fall on it."""
    stage.erp.make_project("P-1")


async def test_draft_has_its_tax_of_each_rate_and_no_number(stage: Stage) -> None:
    invoice = await create(stage)

    amounts = [one.amount for one in (invoice.net, invoice.tax, invoice.gross, invoice.balance)]
    assert amounts == ["103.33", "20.60", "123.93", "123.93"]
    taxes = [(one.tax_code, one.base.amount, one.tax.amount) for one in invoice.taxes]
    assert taxes == [("VAT 21%", "93.33", "19.60"), ("VAT 10%", "10.00", "1.00")]
    assert (invoice.state, invoice.number, invoice.invoice_date) == (InvoiceState.draft, None, None)
    assert not stage.erp.books.entries


@pytest.mark.parametrize(
    ("rounding", "net", "tax"),
    [
        (Rounding.half_up, "0.50", "0.11"),
        (Rounding.half_even, "0.50", "0.10"),
        (Rounding.half_even, "1.50", "0.32"),
        (Rounding.down, "0.51", "0.10"),
        (Rounding.half_up, "-0.50", "-0.11"),
    ],
)
async def test_tax_is_rounded_as_the_erp_declares(stage: Stage, rounding: Rounding, net: str, tax: str) -> None:
    stage.erp.capabilities = replace(stage.erp.capabilities, rounding=rounding)

    assert (await create(stage, new(line(net)))).tax.amount == tax


async def test_invoice_that_comes_again_is_the_same_one(stage: Stage) -> None:
    invoice = await create(stage)

    assert await create(stage) == invoice
    assert (await refusal(create(stage, new(line("60.01"))))).code is Code.process_payload_conflict
    assert stage.erp.live_invoices(KEY) == [invoice]


async def test_invoice_whose_answer_is_lost_is_found(stage: Stage) -> None:
    stage.erp.plan("create_invoice", Fault.lost_after)
    with pytest.raises(Uncertain):
        await create(stage)

    assert [await create(stage)] == stage.erp.live_invoices(KEY)


async def test_invoice_that_somebody_has_changed_is_not_what_was_wanted(stage: Stage) -> None:
    invoice = await create(stage)
    stage.erp.edit_draft(invoice.id, "60.00", "10.00", "33.34")

    refused = await refusal(create(stage))

    assert refused.code is Code.upstream_conflict_stale
    told = [(one.pointer, one.expected, one.actual) for one in refused.violations]
    assert told == [("#/lines", "10 EUR, 33.33 EUR, 60 EUR", "10 EUR, 33.34 EUR, 60 EUR")]


async def test_invoice_of_another_customer_and_currency_is_not_what_was_wanted(stage: Stage) -> None:
    invoice = await create(stage)
    pounds = Money(amount="103.33", currency="GBP")
    stage.erp.invoices.put(replace(invoice, customer_id="2", net=pounds), stage.clock())

    refused = await refusal(create(stage))

    assert [one.pointer for one in refused.violations] == ["#/customer_id", "#/currency"]


async def test_posted_invoice_has_a_number_and_stands_in_the_books(stage: Stage) -> None:
    posted = await post(stage, await create(stage))
    later = await post(stage, await create(stage, new(business_key="inv_2")))

    assert (posted.state, posted.number) == (InvoiceState.posted, "INV2026/0001")
    assert later.number == "INV2026/0002"
    assert (posted.invoice_date, posted.due_date) == (date(2026, 11, 24), date(2026, 12, 24))
    (entry,) = stage.erp.books.entries_of(KEY)
    assert entry.on == date(2026, 11, 30)
    balances = {account: stage.erp.books.balance(account) for account in (RECEIVABLE, REVENUE, TAX)}
    assert balances == {RECEIVABLE: Decimal("247.86"), REVENUE: Decimal("-206.66"), TAX: Decimal("-41.20")}


async def test_invoice_is_posted_once_whatever_is_lost_and_whoever_asks_again(stage: Stage) -> None:
    draft = await create(stage)
    stage.erp.plan("post_invoice", Fault.lost_after)
    with pytest.raises(Uncertain):
        await post(stage, draft)

    first, again = await post(stage, draft), await post(stage, draft)

    assert first == again == stage.erp.invoices.get(draft.id)
    assert len(stage.erp.books.entries_of(KEY)) == 1
    assert stage.erp.effects["post_invoice"] == 1


async def test_draft_that_has_changed_since_it_was_compared_is_not_posted(stage: Stage) -> None:
    draft = await create(stage)
    stage.erp.edit_draft(draft.id, "60.00", "10.00", "33.34")

    assert (await refusal(post(stage, draft))).code is Code.precondition_failed
    assert not stage.erp.books.entries


async def test_draft_is_not_posted_into_a_period_that_is_closed(stage: Stage) -> None:
    draft = await create(stage)
    stage.erp.close_period(draft.accounting_date or date.max)

    assert (await refusal(post(stage, draft))).code is Code.period_closed
    stage.erp.open_period(draft.accounting_date or date.max)
    assert (await post(stage, draft)).number == "INV2026/0001"


async def test_cancelled_draft_is_gone_for_its_key_and_used_no_number(stage: Stage) -> None:
    draft = await create(stage)

    cancelled, again = await cancel(stage, draft), await cancel(stage, draft)
    found = await erp_api.find_invoices(erp=stage.erp, caller=SPAIN, business_key=KEY)

    assert cancelled == again
    assert (cancelled.state, cancelled.number, cancelled.balance.amount) == (InvoiceState.cancelled, None, "0.00")
    assert found.items == []
    assert (await refusal(post(stage, cancelled))).code is Code.upstream_rejected


async def test_posted_invoice_is_not_cancelled(stage: Stage) -> None:
    posted = await post(stage, await create(stage))

    assert (await refusal(cancel(stage, posted))).code is Code.invoice_already_posted
    assert stage.erp.live_invoices(KEY) == [posted]


async def test_payments_are_listed_and_an_invoice_that_is_paid_stays_posted(stage: Stage) -> None:
    posted = await post(stage, await create(stage))
    stage.erp.pay(posted.id, "100.00", on=date(2026, 12, 20))
    stage.erp.pay(posted.id, on=date(2027, 1, 5))
    asked: dict[str, Any] = {"erp": stage.erp, "caller": SPAIN, "invoice_id": posted.id, "cursors": PAGE["cursors"]}

    first = await erp_api.list_payments(**asked, limit=1, cursor=None)
    last = await erp_api.list_payments(**asked, limit=1, cursor=first.next_cursor)
    paid = await post(stage, posted)

    assert [one.amount.amount for one in (*first.items, *last.items)] == ["100.00", "23.93"]
    assert last.next_cursor is None
    assert (paid.state, paid.balance.amount) == (InvoiceState.paid, "0.00")
    assert stage.erp.books.balance(BANK) == Decimal("123.93")
    assert stage.erp.books.balance(RECEIVABLE) == Decimal("0.00")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (new(customer_id="77"), Code.customer_not_found),
        (new(line("1.00", account="9.9.9")), Code.gl_mapping_missing),
        (new(line("1.00", "VAT 19%")), Code.tax_code_missing),
        (new(line("1.00", project_id="77")), Code.project_not_in_erp),
        (new(line("1.001")), Code.money_scale_exceeded),
        (new(payment_terms="net_99"), Code.mapping_missing),
        (new(line("1.00", currency="GBP"), currency="GBP"), Code.currency_mismatch),
    ],
)
async def test_invoice_that_the_erp_does_not_take_says_why(stage: Stage, body: NewInvoice, code: Code) -> None:
    assert (await refusal(create(stage, body))).code is code
    assert not len(stage.erp.invoices)


async def test_customer_who_is_not_invoiced_any_more_is_refused(stage: Stage) -> None:
    customer = stage.erp.customers.get("1")
    stage.erp.customers.put(replace(customer, state=CustomerState.inactive), stage.clock())

    assert (await refusal(create(stage))).code is Code.customer_inactive


async def test_lines_that_make_no_invoice_are_refused_before_the_erp_is_asked(stage: Stage) -> None:
    stage.erp.capabilities = replace(stage.erp.capabilities, max_invoice_lines=2)
    pounds = line("1.00", currency="GBP")

    many = await refusal(create(stage))
    mixed = await refusal(create(stage, new(line("1.00"), pounds)))

    assert [(one.code, one.pointer) for one in many.violations] == [(Code.invoice_line_limit_exceeded, "#/lines")]
    assert [(one.code, one.pointer) for one in mixed.violations] == [(Code.currency_mismatch, "#/lines/1/net/currency")]
    assert not stage.erp.calls


@pytest.mark.parametrize(
    ("entity", "caller", "code"),
    [("DE01", SPAIN, Code.auth_entity_not_allowed), ("GB01", INSTALLATION, Code.entity_mapping_missing)],
)
async def test_books_that_the_caller_may_not_write_are_refused(
    stage: Stage, entity: str, caller: Caller, code: Code
) -> None:
    assert (await refusal(create(stage, new(legal_entity=entity), caller))).code is code
    assert not stage.erp.calls


async def test_invoice_is_found_and_read_where_the_caller_may_see_it(stage: Stage) -> None:
    invoice = await create(stage)

    found = await erp_api.find_invoices(erp=stage.erp, caller=SPAIN, business_key=KEY)
    hidden = await erp_api.find_invoices(erp=stage.erp, caller=NOBODY, business_key=KEY)

    assert (found.items, hidden.items) == ([invoice], [])
    assert await erp_api.get_invoice(erp=stage.erp, caller=SPAIN, invoice_id=invoice.id) == invoice


@pytest.mark.parametrize(
    "asking",
    [
        lambda stage, one: erp_api.get_invoice(erp=stage.erp, caller=NOBODY, invoice_id=one.id),
        lambda stage, one: erp_api.list_payments(erp=stage.erp, caller=NOBODY, **PAGE, invoice_id=one.id),
        lambda stage, one: post(stage, one, NOBODY),
        lambda stage, one: cancel(stage, one, NOBODY),
        lambda stage, one: post(stage, replace(one, id="77")),
    ],
)
async def test_invoice_of_another_entity_is_not_there(stage: Stage, asking: Callable[[Stage, Invoice], Any]) -> None:
    invoice = await create(stage)

    assert (await refusal(asking(stage, invoice))).code is Code.resource_not_found
    assert stage.erp.live_invoices(KEY) == [invoice]


async def test_erp_that_tells_no_payments_is_not_asked(stage: Stage) -> None:
    invoice = await create(stage)
    stage.erp.capabilities = replace(stage.erp.capabilities, payments=False)

    told = await refusal(erp_api.list_payments(erp=stage.erp, caller=SPAIN, **PAGE, invoice_id=invoice.id))

    assert (told.code, told.violations) == (Code.capability_missing, ())
    assert not stage.erp.calls["list_payments"]


async def test_two_invoices_with_one_key_are_refused_and_a_search_that_is_away_is_no_answer(stage: Stage) -> None:
    stage.erp.search_away = True
    with pytest.raises(Unavailable):
        await create(stage)
    stage.erp.search_away = False
    for _ in range(2):
        await stage.erp.create_invoice(new())

    assert (await refusal(create(stage))).code is Code.upstream_conflict_stale


async def test_tax_that_nobody_expects_is_shown_on_the_draft(stage: Stage) -> None:
    stage.erp.tax_off_by = Decimal("0.03")

    invoice = await create(stage)

    assert [one.tax.amount for one in invoice.taxes] == ["19.63", "1.00"]
    assert (invoice.tax.amount, invoice.gross.amount) == ("20.63", "123.96")
