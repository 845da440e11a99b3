"""Invoices whose validation, posting or reading back goes wrong, and what a version tells apart."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.errors import Refused, Unavailable, Uncertain
from openapi.common.types import Code, Money
from openapi.system.erp.v1 import Activity, InvoiceState, NewInvoice, NewInvoiceLine, PeriodState
from system_apis.connectors.tryton.erp import books_mapping, wire
from system_apis.connectors.tryton.erp import invoices_mapping as mapping
from system_apis.connectors.tryton.wire import decoded
from tests.connectors.scripted import SETTINGS, ScriptedTryton, erp

HERE = Path(__file__).parent / "tryton"
LEDGER, RECORDS = (json.loads((HERE / name).read_text()) for name in ("ledger.json", "records.json"))
VALIDATED, POSTED = LEDGER["validated invoice"], LEDGER["posted invoice"]
DRAFT = {**VALIDATED, "state": "draft", "_timestamp": "before"}
PARTY, PROJECT = RECORDS["party"], RECORDS["account"]
AWAY = Unavailable(Code.upstream_unavailable, "away")
STALE = Refused(Code.precondition_failed, "as Tryton says")
WARNED = Refused(Code.upstream_rejected, "as Tryton says")
NEW = NewInvoice(
    business_key="inv_1",
    legal_entity="ES01",
    customer_id="7",
    currency="EUR",
    accounting_date=date(2026, 11, 20),
    lines=[
        NewInvoiceLine(
            business_key="inv_1_l1",
            description="Consultant",
            net=Money(amount="2.50", currency="EUR"),
            account="4.1.2",
            tax_code="VAT 21%",
            project_id=str(PROJECT["id"]),
        )
    ],
)


def invoice(record: dict[str, Any]) -> wire.Invoice:
    return decoded(json.dumps(record).encode(), wire.Invoice)


VERSION = mapping.version_of(invoice(VALIDATED))
ID = str(VALIDATED["id"])


def ready() -> ScriptedTryton:
    """Return a Tryton in which an invoice can be made."""
    http = ScriptedTryton()
    http.always("analytic_account.account.search_read", [PROJECT])
    http.always("account.account.search_read", [LEDGER["revenue account"]])
    http.always("company.company.search_read", [LEDGER["owner"]])
    http.always("account.tax.search", [1])
    http.always("party.party.search_read", [PARTY])
    http.always("account.journal.search", [1])
    defaults = {"account": 39, "invoice_address": 8, "payment_term": 11, "party_tax_identifier": 4, "party.": {}}
    http.always("account.invoice.on_change_party", defaults)
    http.always("account.invoice.create", [VALIDATED["id"]])
    return http


async def test_invoice_is_made_without_a_date_for_one_unit_of_each_net() -> None:
    http = ready()
    http.plan("account.invoice.validate_invoice", None)
    http.plan("account.invoice.search_read", [VALIDATED])

    draft = await erp(http).create_invoice(replace(NEW, purchase_order="PO-1"))

    (values,) = http.params("account.invoice.create")[0]
    ((_, (line,)),) = values["lines"]
    assert (draft.state, draft.version) == (InvoiceState.draft, VERSION)
    assert "invoice_date" not in values
    assert (values["reference"], values["description"], values["journal"]) == ("inv_1", "Purchase order PO-1", 1)
    assert (values["account"], values["invoice_address"], values["party_tax_identifier"]) == (39, 8, 4)
    assert values["payment_term"] == 11
    assert (line["quantity"], line["unit_price"]["decimal"], line["note"]) == (1, "2.50", "inv_1_l1")
    assert line["analytic_accounts"] == [["create", [{"root": PROJECT["root"], "account": PROJECT["id"]}]]]


async def test_second_invoice_takes_six_calls() -> None:
    http = ready()
    http.always("account.invoice.validate_invoice", None)
    http.always("account.invoice.search_read", [VALIDATED])
    port = erp(http)
    await port.create_invoice(NEW)
    before = http.calls.total()

    await port.create_invoice(NEW)

    assert http.calls.total() - before == 6


@pytest.mark.parametrize(("validate", "read"), [(AWAY, [VALIDATED]), (WARNED, [VALIDATED]), (None, AWAY), (None, [])])
async def test_invoice_that_was_made_and_not_read_back_is_uncertain(validate: object, read: object) -> None:
    http = ready()
    http.plan("account.invoice.validate_invoice", validate)
    http.plan("account.invoice.search_read", read)

    with pytest.raises(Uncertain):
        await erp(http).create_invoice(NEW)


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"currency": "USD"}, "#/currency", Code.currency_mismatch),
        ({"customer_id": "nobody"}, "#/customer_id", Code.customer_not_found),
    ],
)
async def test_head_that_does_not_fit_is_refused_by_its_place(change: dict[str, Any], pointer: str, code: Code) -> None:
    http = ready()

    with pytest.raises(Refused) as refused:
        await erp(http).create_invoice(replace(NEW, **change))

    assert [(one.pointer, one.code) for one in refused.value.violations] == [(pointer, code)]
    assert not http.writes


@pytest.mark.parametrize("lacking", ["invoice_address", "account"])
async def test_customer_that_is_not_complete_gets_no_invoice(lacking: str) -> None:
    http = ready()
    http.always("account.invoice.on_change_party", {"account": 39, "invoice_address": 8, lacking: None})

    with pytest.raises(Refused) as refused:
        await erp(http).create_invoice(NEW)

    assert [one.pointer for one in refused.value.violations] == ["#/customer_id"]
    assert not http.writes


async def test_refusal_that_is_not_of_a_line_is_not_told_as_one() -> None:
    http = ready()
    http.always("account.account.search_read", WARNED)

    with pytest.raises(Refused) as refused:
        await erp(http).create_invoice(NEW)

    assert refused.value is WARNED


async def test_draft_whose_validation_was_lost_is_validated_and_posted_with_the_new_stamp() -> None:
    http = ready()
    http.plan("account.invoice.search_read", [DRAFT], [VALIDATED], [POSTED])
    http.plan("account.invoice.validate_invoice", None)
    http.plan("account.invoice.post", None)

    final = await erp(http).post_invoice(ID, VERSION)

    stamps = [
        params[-1]["_timestamp"]
        for name, params, _ in http.sent
        if name.startswith("account.invoice.") and params[-1].get("_timestamp")
    ]
    assert (final.state, final.number) == (InvoiceState.posted, POSTED["number"])
    assert stamps == [{f"account.invoice,{ID}": "before"}, {f"account.invoice,{ID}": VALIDATED["_timestamp"]}]


async def test_draft_that_changes_while_it_is_validated_is_not_posted() -> None:
    http = ready()
    http.plan("account.invoice.search_read", [DRAFT], [{**VALIDATED, "description": "Other"}])
    http.plan("account.invoice.validate_invoice", None)

    with pytest.raises(Refused) as refused:
        await erp(http).post_invoice(ID, VERSION)

    assert refused.value.code is Code.precondition_failed
    assert "account.invoice.post" not in http.writes


@pytest.mark.parametrize(("reply", "code"), [(STALE, Code.precondition_failed), (WARNED, Code.upstream_rejected)])
async def test_refused_post_is_told_as_it_is(reply: Refused, code: Code) -> None:
    http = ready()
    http.plan("account.invoice.search_read", [VALIDATED])
    http.plan("account.invoice.post", reply)

    with pytest.raises(Refused) as refused:
        await erp(http).post_invoice(ID, VERSION)

    assert refused.value.code is code


@pytest.mark.parametrize("read", [AWAY, []])
async def test_invoice_that_was_posted_and_not_read_back_is_uncertain(read: object) -> None:
    http = ready()
    http.plan("account.invoice.search_read", [VALIDATED], read)
    http.plan("account.invoice.post", None)

    with pytest.raises(Uncertain):
        await erp(http).post_invoice(ID, VERSION)


async def test_posting_takes_three_calls() -> None:
    http = ready()
    http.plan("account.invoice.search_read", [VALIDATED], [POSTED])
    http.plan("account.invoice.post", None)

    await erp(http).post_invoice(ID, VERSION)

    calls = [name for name, _, _ in http.sent if name.startswith("account.invoice.")]
    assert calls == ["account.invoice.search_read", "account.invoice.post", "account.invoice.search_read"]


async def test_cancelling_takes_the_stamp_of_what_was_read() -> None:
    http = ready()
    http.plan("account.invoice.search_read", [VALIDATED])
    http.plan("account.invoice.cancel", STALE)

    with pytest.raises(Refused) as refused:
        await erp(http).cancel_invoice(ID)

    assert refused.value.code is Code.precondition_failed
    assert http.params("account.invoice.cancel")[-1]["_timestamp"] == {f"account.invoice,{ID}": VALIDATED["_timestamp"]}


def test_version_is_the_same_before_and_after_validation() -> None:
    assert mapping.version_of(invoice(DRAFT)) == VERSION


def test_version_does_not_depend_on_the_order_of_lines() -> None:
    one = invoice(VALIDATED)
    other = replace(one.lines[0], id=1)

    versions = {mapping.version_of(replace(one, lines=lines)) for lines in ([*one.lines, other], [other, *one.lines])}

    assert len(versions) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"party": 9},
        {"invoice_address": 9},
        {"account": 9},
        {"payment_term": None},
        {"reference": "inv_2"},
        {"description": "Purchase order PO-2"},
        {"accounting_date": date(2026, 11, 21)},
        {"invoice_date": date(2026, 11, 21)},
        {"untaxed_amount": Decimal("2.51")},
        {"tax_amount": Decimal("0.53")},
        {"total_amount": Decimal("3.03")},
        {"taxes": []},
        {"lines": []},
    ],
    ids=lambda change: next(iter(change)),
)
def test_version_changes_with_all_that_would_be_posted(change: dict[str, Any]) -> None:
    assert mapping.version_of(replace(invoice(VALIDATED), **change)) != VERSION


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Other"},
        {"note": "inv_2_l1"},
        {"unit_price": Decimal("2.51")},
        {"amount": Decimal("2.51")},
        {"taxes": []},
        {"analytic_accounts": []},
        {"account": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_version_changes_with_all_of_a_line_that_would_be_posted(change: dict[str, Any]) -> None:
    one = invoice(VALIDATED)

    assert mapping.version_of(replace(one, lines=[replace(one.lines[0], **change)])) != VERSION


def test_invoice_made_by_hand_is_told_as_far_as_it_goes() -> None:
    one = invoice(VALIDATED)
    title = replace(one.lines[0], id=1, type="title")
    bare = replace(one.lines[0], note=None, description=None, amount=None, account=None, taxes=[], analytic_accounts=[])
    tax = replace(one.taxes[0], tax=None, description=None)

    told = mapping.to_invoice(replace(one, reference=None, lines=[title, bare], taxes=[tax]), SETTINGS)

    (line,) = told.lines
    assert told.business_key is None
    assert (line.business_key, line.account, line.tax_code, line.project_id) == (None, None, None, None)
    assert (line.description, line.net.amount) == ("", "0.00")
    assert [tax.tax_code for tax in told.taxes] == [""]


def test_state_without_a_row_is_refused() -> None:
    period = decoded(json.dumps(LEDGER["period"]).encode(), wire.Period)
    with pytest.raises(Refused) as of_invoice:
        mapping.to_invoice(replace(invoice(VALIDATED), state="melted"), SETTINGS)
    with pytest.raises(Refused) as of_period:
        books_mapping.to_period(replace(period, state="melted"), "ES01")

    assert of_invoice.value.code is of_period.value.code is Code.mapping_missing


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("open", PeriodState.open), ("closed", PeriodState.soft_closed), ("locked", PeriodState.closed)],
)
def test_period_that_can_be_reopened_is_told_from_one_that_cannot(theirs: str, ours: PeriodState) -> None:
    period = decoded(json.dumps(LEDGER["period"]).encode(), wire.Period)

    assert books_mapping.to_period(replace(period, state=theirs), "ES01").state is ours


@pytest.mark.parametrize(
    ("change", "percent"),
    [
        ({}, "21"),
        ({"rate": Decimal("0.055")}, "5.5"),
        ({"rate": Decimal(0)}, "0"),
        ({"rate": None}, None),
        ({"type": "fixed"}, None),
    ],
)
def test_percentage_is_exact_and_told_of_percentages_alone(change: dict[str, Any], percent: str | None) -> None:
    tax = decoded(json.dumps(LEDGER["tax"]).encode(), wire.Tax)

    assert books_mapping.to_tax_code(replace(tax, **change), "ES01").percent == percent


def test_product_without_code_name_or_unit_is_an_item_all_the_same() -> None:
    product = decoded(json.dumps(LEDGER["product"]).encode(), wire.Product)

    told = books_mapping.to_item(replace(product, code="", name=None, default_uom=None, active=0))

    assert (told.code, told.name, told.unit, told.state) == (None, "", None, Activity.inactive)


def test_payment_is_told_once_though_it_settles_too() -> None:
    (payment,) = mapping.to_payments(decoded(json.dumps(LEDGER["payments"]).encode(), wire.Payments))

    assert (payment.amount, payment.date) == (Money(amount="1379.40", currency="EUR"), date(2026, 1, 22))
