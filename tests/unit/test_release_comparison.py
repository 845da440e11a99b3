"""What the ERP's invoice may differ in, and what is told where it differs in more."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.errors import Refused
from openapi.common.types import Code, Money
from openapi.system.erp.v1 import Invoice, InvoiceLine, InvoiceState, InvoiceTax, NewInvoice, NewInvoiceLine
from process_apis.invoice_release.comparison import compare
from process_apis.ledger.taxes import TaxGroup
from tests.fakes.statement_of_work import ES01
from tests.workflows.release_stage import THROUGH


def euros(amount: str | Decimal) -> Money:
    return Money(amount=f"{amount}", currency="EUR")


def line(number: int, net: str) -> NewInvoiceLine:
    return NewInvoiceLine(
        business_key=f"inv_l{number}",
        description="Support",
        net=euros(net),
        account="700",
        tax_code="VAT 21%",
        project_id="1",
    )


WANTED = NewInvoice(
    business_key="inv",
    legal_entity="ES01",
    customer_id="1",
    currency="EUR",
    accounting_date=THROUGH,
    lines=[line(1, "100.00"), line(2, "20.00")],
)
TAXES = [TaxGroup(tax_code="VAT 21%", percent=Decimal(21), lines=2, base=Decimal("120.00"), tax=Decimal("25.20"))]
FOUND = Invoice(
    id="1",
    version="v1",
    business_key="inv",
    legal_entity="ES01",
    customer_id="1",
    number=None,
    state=InvoiceState.draft,
    invoice_date=None,
    accounting_date=THROUGH,
    due_date=None,
    net=euros("120.00"),
    tax=euros("25.20"),
    gross=euros("145.20"),
    balance=euros("145.20"),
    taxes=[InvoiceTax(tax_code="VAT 21%", base=euros("120.00"), tax=euros("25.20"))],
    lines=[
        InvoiceLine(
            business_key=one.business_key,
            description=one.description,
            net=one.net,
            account=one.account,
            tax_code=one.tax_code,
            project_id=one.project_id,
        )
        for one in WANTED.lines
    ],
    updated_at=None,
    references=[],
)


def told(found: Invoice, taxes: list[TaxGroup] = TAXES) -> list[str]:
    """Return where the invoice differs."""
    try:
        compare(found, WANTED, taxes, ES01)
    except Refused as refused:
        known = {Code.invoice_total_mismatch: "#/"}
        return [violation.pointer.removeprefix(known[refused.code]) for violation in refused.violations]
    return []


def taxed(tax: Decimal) -> Invoice:
    """Return the invoice with another tax, which adds up."""
    return structs.replace(
        FOUND,
        tax=euros(tax),
        gross=euros(Decimal("120.00") + tax),
        taxes=[InvoiceTax(tax_code="VAT 21%", base=euros("120.00"), tax=euros(tax))],
    )


@given(st.integers(min_value=-20, max_value=20))
def test_tax_may_differ_by_a_cent_a_line(cents: int) -> None:
    differences = told(taxed(Decimal("25.20") + Decimal(cents) / 100))

    assert (differences == []) == (abs(cents) <= 2)


def test_lines_are_compared_by_key_or_in_their_order_where_there_is_none() -> None:
    turned = structs.replace(FOUND, lines=FOUND.lines[::-1])
    nameless = structs.replace(FOUND, lines=[structs.replace(one, business_key=None) for one in FOUND.lines])

    assert told(turned) == []
    assert told(nameless) == []


def test_tax_of_nothing_may_have_no_row() -> None:
    zero = [TaxGroup(tax_code="VAT 0%", percent=Decimal(0), lines=2, base=Decimal("120.00"), tax=Decimal("0.00"))]
    free = [structs.replace(one, tax_code=None) for one in FOUND.lines]
    found = structs.replace(FOUND, lines=free, taxes=[], tax=euros("0.00"), gross=euros("120.00"))

    assert told(found, zero) == []


def test_difference_says_what_was_wanted_and_what_was_found() -> None:
    lines = [FOUND.lines[0], structs.replace(FOUND.lines[1], tax_code="VAT 0%")]

    with pytest.raises(Refused) as refused:
        compare(structs.replace(FOUND, lines=lines), WANTED, TAXES, ES01)

    assert [(one.expected, one.actual) for one in refused.value.violations] == [("VAT 21%", "VAT 0%")]


@pytest.mark.parametrize(
    ("changed", "pointers"),
    [
        ({"state": InvoiceState.cancelled}, ["state"]),
        ({"customer_id": "2"}, ["customer_id"]),
        ({"legal_entity": "DE01"}, ["legal_entity"]),
        ({"net": euros("119.99"), "gross": euros("145.19")}, ["net"]),
        ({"net": Money(amount="120.00", currency="USD")}, ["net"]),
        ({"gross": euros("145.21")}, ["gross"]),
        ({"lines": FOUND.lines[:1]}, ["lines"]),
        ({"lines": [FOUND.lines[0], structs.replace(FOUND.lines[1], net=euros("20.01"))]}, ["lines/1/net"]),
        ({"lines": [FOUND.lines[0], structs.replace(FOUND.lines[1], tax_code="VAT 0%")]}, ["lines/1/tax_code"]),
        ({"taxes": []}, ["taxes/VAT 21%"]),
        (
            {"taxes": [structs.replace(FOUND.taxes[0], base=euros("119.00"))]},
            ["taxes/VAT 21%/base"],
        ),
        (
            {"taxes": [*FOUND.taxes, InvoiceTax(tax_code="VAT 7%", base=euros("0.00"), tax=euros("0.00"))]},
            ["taxes/VAT 7%"],
        ),
    ],
    ids=str,
)
def test_what_rounding_does_not_explain_is_told(changed: dict[str, object], pointers: list[str]) -> None:
    assert told(structs.replace(FOUND, **changed)) == pointers
