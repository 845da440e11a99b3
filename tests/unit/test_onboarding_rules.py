"""Each rule of an onboarding, broken alone. A new rule is a new row."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.errors import Refused
from openapi.common.types import Code
from process_apis.project_onboarding import rules
from process_apis.project_onboarding.rules import Application
from tests.fakes.erp import CAPABILITIES
from tests.fakes.statement_of_work import ES01, TEMPLATE, by_the_hour, euros, fixed_price, signed

DEPARTMENT = {"type": "department", "code": "DATA"}
BACK_AND_FORTH = [
    {"due_on": "2027-01-31", "amount": euros("48001.00")},
    {"due_on": "2027-02-28", "amount": euros("-1.00")},
]
OUTSIDE = [{"due_on": "2027-06-30", "amount": euros("48000.00")}]
WHOLE = [{"due_on": "2027-01-31", "amount": euros("48000.00")}]
PRICE = {"role": "consultant", "unit": "hour", "rate": "120.00"}
DEARER = PRICE | {"rate": "180.00"}
BY_THE_DAY = PRICE | {"unit": "day", "rate": "900.00"}
SHORT = [{"due_on": "2027-01-31", "amount": euros("47999.99"), "milestone": "Design accepted"}]


def application(**changes: object) -> Application:
    return Application(body=signed(**changes), entity=ES01, template=TEMPLATE, ledger=CAPABILITIES)


def broken(application: Application) -> list[tuple[Code, str]]:
    with pytest.raises(Refused) as refused:
        rules.check(application)
    return [(violation.code, violation.pointer) for violation in refused.value.violations]


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        (
            {"lines": [fixed_price(cap={"amount": "1.00", "currency": "USD"})]},
            "currency.mismatch",
            "#/lines/0/cap/currency",
        ),
        ({"project__type": "internal"}, "template.unknown", "#/project/type"),
        ({"lines": []}, "contract.line_missing", "#/lines"),
        ({"lines": [fixed_price(), by_the_hour(number=1)]}, "contract.line_missing", "#/lines/1/number"),
        (
            {"lines": [{k: v for k, v in by_the_hour().items() if k != "rates"}]},
            "contract.line_missing",
            "#/lines/0/rates",
        ),
        (
            {"lines": [{k: v for k, v in fixed_price().items() if k != "value"}]},
            "contract.line_missing",
            "#/lines/0/value",
        ),
        ({"lines": [by_the_hour(value=euros("0.00"))]}, "request.body_invalid", "#/lines/0/value/amount"),
        ({"lines": [by_the_hour(cap=euros("-1.00"))]}, "request.body_invalid", "#/lines/0/cap/amount"),
        (
            {"purchase_order": {"number": "PO-1", "limit": euros("0.00")}},
            "request.body_invalid",
            "#/purchase_order/limit/amount",
        ),
        (
            {"lines": [fixed_price(schedule=BACK_AND_FORTH)]},
            "request.body_invalid",
            "#/lines/0/schedule/1/amount/amount",
        ),
        ({"lines": [by_the_hour(schedule=SHORT)]}, "schedule.total_mismatch", "#/lines/0/schedule"),
        (
            {"lines": [by_the_hour(value=euros("48000.00"), schedule=WHOLE)]},
            "schedule.total_mismatch",
            "#/lines/0/schedule",
        ),
        (
            {"lines": [fixed_price(billing_method="non_billable", schedule=WHOLE)]},
            "schedule.total_mismatch",
            "#/lines/0/schedule",
        ),
        ({"lines": [by_the_hour(rates=[PRICE, DEARER])]}, "contract.line_missing", "#/lines/0/rates/1"),
        (
            {"lines": [by_the_hour(number=1, rates=[PRICE]), by_the_hour(number=2, rates=[BY_THE_DAY, DEARER])]},
            "contract.line_missing",
            "#/lines/1/rates/1",
        ),
        ({"lines": [by_the_hour(number=1, rates=[PRICE]), fixed_price(number=2, rates=[DEARER])]}, None, None),
        ({"splits": [{"account": "4711", "percent": "99.9999"}]}, "contract.split_mismatch", "#/splits"),
        ({"splits": [{"account": "4711", "percent": "50"}] * 2}, "contract.split_mismatch", "#/splits/1/account"),
        ({"lines": [fixed_price(schedule=SHORT)]}, "schedule.total_mismatch", "#/lines/0/schedule"),
        (
            {"lines": [{k: v for k, v in fixed_price().items() if k != "schedule"}]},
            "schedule.total_mismatch",
            "#/lines/0/schedule",
        ),
        (
            {"lines": [fixed_price(billing_method="milestone", schedule=[{**SHORT[0], "amount": euros("48000.00")}])]},
            None,
            None,
        ),
        (
            {
                "lines": [
                    fixed_price(
                        billing_method="milestone", schedule=[{"due_on": "2027-01-31", "amount": euros("48000.00")}]
                    )
                ]
            },
            "schedule.total_mismatch",
            "#/lines/0/schedule/0/milestone",
        ),
        ({"lines": [fixed_price(schedule=OUTSIDE)]}, "project.date_out_of_range", "#/lines/0/schedule/0/due_on"),
        ({"project__end": "2026-11-30", "lines": [by_the_hour()]}, "project.date_out_of_range", "#/project/end"),
        ({"customer__tax_id": "ESA08000144"}, "customer.tax_id_invalid", "#/customer/tax_id"),
        ({"customer__tax_id": None}, "customer.tax_id_invalid", "#/customer/tax_id"),
        ({"customer__tax_id": None, "customer__no_tax_id_reason": "public_body"}, None, None),
        (
            {"customer__no_tax_id_reason": "not_registered"},
            "customer.tax_id_invalid",
            "#/customer/no_tax_id_reason",
        ),
        (
            {"customer__link_to": "17", "customer__confirmed_new": True},
            "customer.duplicate_candidate",
            "#/customer/confirmed_new",
        ),
        ({"project__dimensions": []}, "dimension.missing", "#/project/dimensions"),
        ({"lines": [by_the_hour(cap=euros("12000.005"))]}, "money.scale_exceeded", "#/lines/0/cap/amount"),
        (
            {"purchase_order": {"number": "PO-1", "limit": euros("0.001")}},
            "money.scale_exceeded",
            "#/purchase_order/limit/amount",
        ),
        ({"splits": [{"account": "4711", "percent": "60"}, {"account": "4712", "percent": "40"}]}, None, None),
        ({"lines": [fixed_price(billing_method="retainer")]}, None, None),
    ],
)
def test_statement_of_work_with_one_broken_rule_names_that_rule_alone(
    changes: dict[str, Any], code: str | None, pointer: str | None
) -> None:
    if code is None:
        rules.check(application(**changes))
    else:
        assert broken(application(**changes)) == [(Code(code), pointer)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"entity": None}, [("entity.mapping_missing", "#/legal_entity")]),
        ({"entity": replace(ES01, currency="GBP")}, [("currency.mismatch", "#/currency")]),
        ({"template": None}, [("template.unknown", "#/project/template")]),
        ({"template": replace(TEMPLATE, legal_entities=("DE01",))}, [("template.unknown", "#/project/template")]),
        (
            {"template": replace(TEMPLATE, required_fields=("purchase_order.limit", "links"))},
            [("template.field_missing", "#/purchase_order/limit"), ("template.field_missing", "#/links")],
        ),
        (
            {"template": replace(TEMPLATE, required_dimensions=("department", "region"))},
            [("dimension.missing", "#/project/dimensions")],
        ),
        ({"ledger": replace(CAPABILITIES, dimensions=[])}, [("unsupported.field", "#/project/dimensions/0")]),
        ({"ledger": replace(CAPABILITIES, max_dimensions=0)}, [("unsupported.field", "#/project/dimensions/0")]),
    ],
)
def test_installation_that_lacks_something_is_named(change: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert broken(replace(application(), **change)) == [(Code(code), pointer) for code, pointer in expected]


def test_statement_of_work_that_breaks_no_rule_passes() -> None:
    rules.check(application())


def test_unknown_currency_is_named_once_at_the_document() -> None:
    lines = [by_the_hour(cap={"amount": "1.00", "currency": "XXX"})]

    assert broken(application(currency="XXX", lines=lines)) == [(Code.currency_mismatch, "#/currency")]


def test_dimension_given_twice_is_named() -> None:
    ledger = replace(CAPABILITIES, max_dimensions=2)
    doubled = replace(application(project__dimensions=[DEPARTMENT, DEPARTMENT]), ledger=ledger)

    assert broken(doubled) == [(Code.dimension_invalid_combination, "#/project/dimensions/1")]


def test_everything_that_is_wrong_is_named_at_once_the_most_relevant_first() -> None:
    wrong = application(
        customer__tax_id="ESA08000144", project__dimensions=[], lines=[by_the_hour(cap=euros("0.001"))], currency="USD"
    )

    with pytest.raises(Refused) as refused:
        rules.check(wrong)

    assert refused.value.code is Code.currency_mismatch
    assert {violation.code for violation in refused.value.violations} == {
        Code.currency_mismatch,
        Code.customer_tax_id_invalid,
        Code.dimension_missing,
        Code.money_scale_exceeded,
    }


def test_amount_that_its_currency_does_not_have_is_malformed_where_nothing_else_is_wrong() -> None:
    with pytest.raises(Refused) as refused:
        rules.check(application(lines=[by_the_hour(cap=euros("0.001"))]))

    assert refused.value.code is Code.request_malformed


def test_sum_that_is_off_says_what_was_expected() -> None:
    with pytest.raises(Refused) as refused:
        rules.check(application(lines=[fixed_price(schedule=SHORT)]))

    assert [(violation.expected, violation.actual) for violation in refused.value.violations] == [
        ("48000.00", "47999.99")
    ]
