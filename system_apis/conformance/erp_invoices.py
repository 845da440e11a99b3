"""What every ERP connector must pass: invoices from the draft to the payment."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

import pytest
from msgspec.structs import replace

from gateway.errors import Refused, WriteInProgress
from openapi.common.types import Code, Money
from openapi.system.erp.v1 import (
    AccountingProject,
    CustomerChange,
    CustomerState,
    Invoice,
    InvoiceState,
    NewInvoice,
    NewInvoiceLine,
)
from system_apis.conformance.erp import STRANGE_IDS
from system_apis.conformance.erp_books import today
from system_apis.conformance.erp_projects import a_project, made
from system_apis.conformance.keys import fresh
from system_apis.conformance.target import ErpTarget


async def a_billed_project(target: ErpTarget) -> AccountingProject:
    """Return a new project that takes postings, of a new customer."""
    project = await made(target, await a_project(target))
    return await target.port.activate_accounting_project(project.id)


async def an_invoice(target: ErpTarget, *nets: str, **other: object) -> NewInvoice:
    """Return an invoice that does not exist yet, with a line of each net."""
    project = await a_billed_project(target)
    assert project.customer_id is not None
    key = fresh("inv")
    new = NewInvoice(
        business_key=key,
        legal_entity=target.facts.legal_entity,
        customer_id=project.customer_id,
        currency=target.facts.currency,
        accounting_date=today(),
        payment_terms=target.facts.payment_terms[0],
        purchase_order="PO-7781",
        lines=[a_line(target, project, f"{key}_l{place}", net) for place, net in enumerate(nets or ("60.00",))],
    )
    return replace(new, **other)


def a_line(target: ErpTarget, project: AccountingProject, key: str, net: str) -> NewInvoiceLine:
    """Return a line of one net."""
    return NewInvoiceLine(
        business_key=key,
        description="Consultant, 0.33 h at 180.00: étape 1 发现",
        net=Money(amount=net, currency=target.facts.currency),
        account=target.facts.revenue_account,
        tax_code=target.facts.tax_code,
        project_id=project.id,
    )


async def drafted(target: ErpTarget, new: NewInvoice) -> Invoice:
    """Return what the guard made of it, as every caller writes."""
    return await target.writes.once(
        operation="create_invoice",
        key=new.business_key,
        payload=new,
        look=partial(target.port.find_invoice, new.business_key),
        act=partial(target.port.create_invoice, new),
    )


def money(target: ErpTarget, amount: str | Decimal) -> Money:
    """Return an amount of the ERP's currency."""
    return Money(amount=str(amount), currency=target.facts.currency)


async def test_draft_carries_every_line_as_it_was_sent(target: ErpTarget) -> None:
    new = await an_invoice(target, "60.00", "10.02", "0.01")

    draft = await drafted(target, new)

    assert (draft.business_key, draft.legal_entity) == (new.business_key, new.legal_entity)
    assert (draft.customer_id, draft.accounting_date) == (new.customer_id, new.accounting_date)
    assert (draft.state, draft.number) == (InvoiceState.draft, None)
    assert [(line.business_key, line.description, line.net) for line in draft.lines] == [
        (line.business_key, line.description, line.net) for line in new.lines
    ]
    assert [(line.account, line.tax_code, line.project_id) for line in draft.lines] == [
        (line.account, line.tax_code, line.project_id) for line in new.lines
    ]


async def test_tax_of_a_draft_is_what_was_computed_by_hand_and_is_posted_so(target: ErpTarget) -> None:
    for nets, tax in target.facts.taxed.items():
        net = sum(map(Decimal, nets), Decimal(0))
        draft = await drafted(target, await an_invoice(target, *nets))

        final = await target.port.post_invoice(draft.id, draft.version)

        for invoice in (draft, final):
            assert (invoice.net, invoice.tax) == (money(target, net), money(target, tax))
            assert invoice.gross == invoice.balance == money(target, net + Decimal(tax))
            assert [(one.tax_code, one.base, one.tax) for one in invoice.taxes] == [
                (target.facts.tax_code, money(target, net), money(target, tax))
            ]


async def test_posted_invoice_has_number_date_and_the_lines_of_the_draft(target: ErpTarget) -> None:
    new = await an_invoice(target, "60.00", "40.00")
    draft = await drafted(target, new)

    final = await target.port.post_invoice(draft.id, draft.version)

    assert final.state is InvoiceState.posted
    assert final.number
    assert final.invoice_date == today()
    assert final.due_date is not None
    assert final.due_date >= today()
    assert (final.id, final.lines, final.accounting_date) == (draft.id, draft.lines, draft.accounting_date)
    assert await target.port.find_invoice(new.business_key) == final
    assert await target.port.get_invoice(draft.id) == final


async def test_invoice_is_drafted_twice_with_one_key_and_there_once(target: ErpTarget) -> None:
    new = await an_invoice(target)

    first, again = await drafted(target, new), await drafted(target, new)

    assert again == first
    assert await target.port.get_invoice(first.id) == first
    assert await target.books.count_invoices(new.business_key) == 1


async def test_invoice_drafted_by_many_at_once_is_there_once(target: ErpTarget) -> None:
    new = await an_invoice(target)

    each = await asyncio.gather(*(drafted(target, new) for _ in range(8)), return_exceptions=True)

    assert all(isinstance(one, Invoice | WriteInProgress) for one in each)
    assert len({one.id for one in each if isinstance(one, Invoice)}) == 1
    assert await target.books.count_invoices(new.business_key) == 1


async def test_posting_again_answers_the_posted_invoice(target: ErpTarget) -> None:
    draft = await drafted(target, await an_invoice(target))
    final = await target.port.post_invoice(draft.id, draft.version)

    assert await target.port.post_invoice(draft.id, draft.version) == final


async def test_draft_that_somebody_changed_is_not_posted(target: ErpTarget) -> None:
    draft = await drafted(target, await an_invoice(target))
    await target.books.touch_invoice(draft.id)

    with pytest.raises(Refused) as refused:
        await target.port.post_invoice(draft.id, draft.version)

    changed = await target.port.get_invoice(draft.id)
    assert refused.value.code is Code.precondition_failed
    assert (changed.state, changed.number) == (InvoiceState.draft, None)
    assert changed.version != draft.version
    assert (await target.port.post_invoice(draft.id, changed.version)).net == changed.net


async def test_draft_that_is_cancelled_is_not_found_and_can_be_made_again(target: ErpTarget) -> None:
    new = await an_invoice(target)
    draft = await target.port.create_invoice(new)

    gone = await target.port.cancel_invoice(draft.id)
    again = await target.port.cancel_invoice(draft.id)
    found = await target.port.find_invoice(new.business_key)
    second = await target.port.create_invoice(new)

    assert (gone.state, gone.number, gone.balance) == (InvoiceState.cancelled, None, money(target, "0.00"))
    assert again == gone
    assert found is None
    assert second.id != draft.id
    assert await target.port.find_invoice(new.business_key) == second


async def test_cancelled_invoice_is_not_posted(target: ErpTarget) -> None:
    draft = await drafted(target, await an_invoice(target))
    await target.port.cancel_invoice(draft.id)

    with pytest.raises(Refused) as refused:
        await target.port.post_invoice(draft.id, draft.version)

    assert refused.value.code is Code.precondition_failed


async def test_posted_invoice_cannot_be_cancelled(target: ErpTarget) -> None:
    draft = await drafted(target, await an_invoice(target))
    final = await target.port.post_invoice(draft.id, draft.version)

    with pytest.raises(Refused) as refused:
        await target.port.cancel_invoice(draft.id)

    assert refused.value.code is Code.invoice_already_posted
    assert await target.port.get_invoice(draft.id) == final


async def test_invoice_is_not_posted_into_a_closed_period_until_it_is_opened(target: ErpTarget) -> None:
    day = target.facts.closable
    draft = await drafted(target, await an_invoice(target, accounting_date=day))

    await target.books.close_period(day)
    with pytest.raises(Refused) as refused:
        await target.port.post_invoice(draft.id, draft.version)
    kept = await target.port.get_invoice(draft.id)
    await target.books.open_period(day)
    final = await target.port.post_invoice(draft.id, draft.version)

    assert refused.value.code is Code.period_closed
    assert (kept.state, kept.version) == (InvoiceState.draft, draft.version)
    assert (final.state, final.accounting_date, final.invoice_date) == (InvoiceState.posted, day, today())


async def test_lines_that_cannot_be_posted_are_refused_each_by_its_place(target: ErpTarget) -> None:
    new = await an_invoice(target, "1.00", "2.00", "3.00", "4.001", "5.00")
    idle = await made(target, await a_project(target))
    lines: Sequence[NewInvoiceLine] = [
        new.lines[0],
        replace(new.lines[1], account=target.facts.other_account),
        replace(new.lines[2], tax_code="no such tax"),
        new.lines[3],
        replace(new.lines[4], project_id=idle.id),
    ]

    with pytest.raises(Refused) as refused:
        await drafted(target, replace(new, lines=list(lines)))

    assert [(one.pointer, one.code) for one in refused.value.violations] == [
        ("#/lines/1/account", Code.gl_mapping_missing),
        ("#/lines/2/tax_code", Code.tax_code_missing),
        ("#/lines/3/net/amount", Code.money_scale_exceeded),
        ("#/lines/4/project_id", Code.project_not_active),
    ]
    assert await target.books.count_invoices(new.business_key) == 0


async def test_head_that_does_not_fit_is_refused_and_nothing_is_made(target: ErpTarget) -> None:
    new = await an_invoice(target)
    wrong = {
        Code.customer_not_found: replace(new, customer_id="999999999"),
        Code.mapping_missing: replace(new, payment_terms="net_9999"),
        Code.entity_mapping_missing: replace(new, legal_entity="ZZ99"),
    }
    for code, asked in wrong.items():
        with pytest.raises(Refused) as refused:
            await target.port.create_invoice(asked)

        assert refused.value.code is code
    assert await target.books.count_invoices(new.business_key) == 0


async def test_inactive_customer_gets_no_invoice(target: ErpTarget) -> None:
    new = await an_invoice(target)
    await target.port.update_customer(new.customer_id, CustomerChange(state=CustomerState.inactive), None)

    with pytest.raises(Refused) as refused:
        await target.port.create_invoice(new)

    assert refused.value.code is Code.customer_inactive
    assert await target.books.count_invoices(new.business_key) == 0


async def test_two_invoices_with_one_key_are_a_break(target: ErpTarget) -> None:
    new = await an_invoice(target)
    await drafted(target, new)
    if not await target.books.plant_invoice(new.business_key, new.customer_id):
        assert await target.books.count_invoices(new.business_key) == 1
        return

    with pytest.raises(Refused) as refused:
        await target.port.find_invoice(new.business_key)

    assert refused.value.code is Code.upstream_conflict_stale


async def test_invoice_key_that_begins_or_resembles_another_finds_nothing(target: ErpTarget) -> None:
    new = await an_invoice(target)
    await drafted(target, new)
    key = new.business_key

    for alike in (key[:-1], f"{key}1", key.replace("_", "-"), key.upper(), "%", fresh("inv")):
        assert await target.port.find_invoice(alike) is None


@pytest.mark.parametrize("invoice_id", STRANGE_IDS)
async def test_invoice_with_an_unknown_id_is_not_there(target: ErpTarget, invoice_id: str) -> None:
    port = target.port
    for asked in (port.get_invoice, port.cancel_invoice, port.list_payments, partial(port.post_invoice, version="1")):
        with pytest.raises(Refused) as refused:
            await asked(invoice_id)

        assert refused.value.code is Code.resource_not_found


async def test_payments_are_told_and_lower_the_balance(target: ErpTarget) -> None:
    if not target.port.capabilities.payments:
        pytest.skip("not a capability")
    draft = await drafted(target, await an_invoice(target, "100.00"))
    final = await target.port.post_invoice(draft.id, draft.version)
    before = await target.port.list_payments(final.id)
    for amount in ("50.00", "20.00", "1.00"):
        await target.books.pay(final.id, amount, today())

    page = await target.port.list_payments(final.id, limit=2)
    rest = await target.port.list_payments(final.id, after=page.after, limit=2)

    paid = [*page.items, *rest.items]
    assert before.items == []
    assert [payment.amount for payment in paid] == [money(target, amount) for amount in ("50.00", "20.00", "1.00")]
    assert {payment.date for payment in paid} == {today()}
    assert rest.after is None
    assert (await target.port.get_invoice(final.id)).balance == money(target, "50.00")
