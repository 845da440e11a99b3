"""Every rule that time has to pass, with its code; what it is worth to the cent; and reversals, 1:1."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.erp.v1 import PeriodState
from openapi.system.psa.v1 import ApprovalState, TimeApproval, TimeEntry
from process_apis.ledger.contracts import FundingSplit, Rate, SignedContract
from process_apis.ledger.facts import Adjustment, Billing, Fact, Kind, Posting, reversal_key, reversal_of, time_fact_key
from process_apis.ledger.keys import LONGEST
from process_apis.ledger.mappings import AccountRow
from process_apis.ledger.money import total
from process_apis.ledger.payers import Payer
from process_apis.ledger.periods import KnownPeriod, accounting_date
from process_apis.ledger.projects import Project
from process_apis.time_transfer.building import Frame, document_of, facts_of, groups_of
from process_apis.time_transfer.known import Known
from process_apis.time_transfer.rules import is_nothing, judge
from tests.fakes import agreed
from tests.fakes.statement_of_work import ES01
from tests.workflows.time_stage import MAPPINGS, WORKED_ON, line

ENTRY = TimeEntry(
    id="4711",
    version="v1",
    legal_entity="ES01",
    project_id="1",
    task_id=None,
    task_name="Build",
    resource_id="7",
    resource_email="ana.ruiz@example.com",
    resource_name="Ana Ruiz",
    work_date=WORKED_ON,
    minutes=20,
    hours="0.3333",
    billable=None,
    description="Loader",
    approval=TimeApproval(state=ApprovalState.approved, approved_by="chloe.martin@example.com", approved_at=None),
    updated_at=datetime(2026, 11, 21, tzinfo=UTC),
    references=[],
)
PROJECT = Project(**asdict(agreed.TERMS), id="prj_1", code="P-1", state="active", onboarding_id=None)
CONTRACT = SignedContract(**asdict(replace(agreed.CONTRACT, splits=[])), id="con_1", state="active", contract_version=3)
NOVEMBER = KnownPeriod(legal_entity="ES01", start=date(2026, 11, 1), end=date(2026, 11, 30), state=PeriodState.open)
DECEMBER = replace(NOVEMBER, start=date(2026, 12, 1), end=date(2026, 12, 31))
CUSTOMER = Payer(account="4711", customer="cus_1", name="Alder", country="ES", percent=Decimal(100))
KNOWN = Known(
    entry=ENTRY,
    project=PROJECT,
    entity=ES01,
    erp="books",
    erp_project_id="9",
    contracts=[CONTRACT],
    payers={"con_1": [CUSTOMER]},
    periods=[NOVEMBER, DECEMBER],
    now=datetime(2026, 12, 1, 12, tzinfo=UTC),
    other_minutes=Decimal(0),
    mappings=MAPPINGS,
)
FRAME = Frame(psa="delivery", revision=1, adjustment=Adjustment.original, mapping_digest="d" * 64, posts=True)


def entry(**changes: Any) -> Known:  # noqa: ANN401 - any field
    return replace(KNOWN, entry=replace(ENTRY, **changes))


def contract(**changes: Any) -> Known:  # noqa: ANN401 - any field
    return replace(KNOWN, contracts=[replace(CONTRACT, **changes)])


def mapped(**changes: Any) -> Known:  # noqa: ANN401 - any field
    return replace(KNOWN, mappings=replace(MAPPINGS, **changes))


def facts(known: Known, frame: Frame = FRAME) -> list[Fact]:
    judged = judge(known).judged
    assert judged, [violation.code for violation in judge(known).violations]
    return facts_of(judged, frame, lambda: "fct_1")


ITSELF = TimeApproval(state=ApprovalState.approved, approved_by="ANA.RUIZ@example.com", approved_at=None)
TWO_RATES = [line(), line(2)]
SENIOR = [line(rates=[Rate(role="lead", unit="hour", rate="150.00")])]


@pytest.mark.parametrize(
    ("known", "code"),
    [
        (entry(approval=ITSELF), Code.entry_not_approved),
        (entry(minutes=25 * 60), Code.quantity_out_of_range),
        (entry(minutes=-30, hours="-0.5"), Code.quantity_out_of_range),
        (replace(KNOWN, other_minutes=Decimal(24 * 60)), Code.quantity_out_of_range),
        (replace(KNOWN, project=None), Code.project_not_known),
        (replace(KNOWN, project=replace(PROJECT, state="closed")), Code.project_not_active),
        (entry(work_date=date(2025, 12, 31)), Code.project_date_out_of_range),
        (replace(KNOWN, erp=None), Code.entity_mapping_missing),
        (replace(KNOWN, erp_project_id=None), Code.project_not_in_erp),
        (entry(resource_email=None), Code.resource_not_mapped),
        (entry(resource_email="who@example.com"), Code.resource_not_mapped),
        (entry(resource_email="ben.ode@example.com"), Code.entity_intercompany_relationship_missing),
        (replace(KNOWN, contracts=[]), Code.contract_not_found),
        (contract(state="signed"), Code.contract_not_active),
        (replace(KNOWN, contracts=[CONTRACT, CONTRACT]), Code.mapping_ambiguous),
        (contract(lines=[]), Code.billing_rule_missing),
        (replace(contract(lines=[]), entry=replace(ENTRY, billable=False)), Code.billing_rule_missing),
        (contract(lines=SENIOR), Code.rate_missing),
        (contract(lines=TWO_RATES), Code.mapping_ambiguous),
        (contract(lines=[line(item="NOTHING")]), Code.mapping_missing),
        (contract(lines=[line(tax_category="odd")]), Code.tax_not_determinable),
        (contract(currency="USD"), Code.fx_rate_missing),
        (contract(splits=[FundingSplit(account="9", percent="100")]), Code.customer_not_found),
        (replace(KNOWN, payers={}), Code.customer_not_found),
        (mapped(accounts=MAPPINGS.accounts[1:]), Code.gl_mapping_missing),
        (mapped(accounts=MAPPINGS.accounts[:1]), Code.gl_mapping_missing),
        (
            mapped(accounts=(*MAPPINGS.accounts[:2], AccountRow(legal_entity="ES01", kind="cost"))),
            Code.mapping_ambiguous,
        ),
        (replace(KNOWN, periods=[replace(NOVEMBER, state=PeriodState.closed)]), Code.period_closed),
        (replace(KNOWN, periods=[replace(NOVEMBER, state=PeriodState.future)]), Code.period_not_open_yet),
        (replace(KNOWN, periods=[]), Code.period_not_open_yet),
    ],
)
def test_entry_that_breaks_a_rule_names_its_code(known: Known, code: Code) -> None:
    verdict = judge(known)

    assert verdict.judged is None
    assert code in [violation.code for violation in verdict.violations]


def test_all_that_is_broken_is_told_at_once_with_what_is_at_risk() -> None:
    known = replace(entry(approval=ITSELF, minutes=60), erp_project_id=None)

    verdict = judge(known)

    assert [one.code for one in verdict.violations] == [Code.entry_not_approved, Code.project_not_in_erp]
    assert (verdict.at_risk, verdict.currency) == (Decimal("120.00"), "EUR")


def test_twenty_minutes_are_a_third_of_the_rate_not_the_hours_that_the_psa_shows() -> None:
    assert [(fact.kind, fact.net) for fact in facts(KNOWN)] == [(Kind.cost, "12.67"), (Kind.sale, "40.00")]


def test_fact_pins_what_it_was_made_by() -> None:
    cost, sale = facts(KNOWN)

    assert (sale.contract, sale.contract_version, sale.contract_line) == ("con_1", 3, 1)
    assert (sale.mapping_digest, sale.tax_code, sale.tax_percent) == ("d" * 64, "VAT 21%", "21")
    assert (sale.business_key, cost.business_key) == ("tb_delivery_4711_r1_sale", "tb_delivery_4711_r1_cost")
    assert (sale.pair_id, sale.billing, cost.billing) == (cost.pair_id, Billing.unbilled, Billing.non_billable)
    assert cost.tax_code is None


FIXED = line(method="fixed_price")


@pytest.mark.parametrize(
    "known",
    [entry(billable=False), contract(lines=[FIXED]), contract(lines=[replace(FIXED, rates=line().rates)])],
)
def test_work_that_is_not_billed_by_the_hour_is_a_cost_only(known: Known) -> None:
    assert [fact.kind for fact in facts(known)] == [Kind.cost]


def test_who_pays_nothing_of_it_is_sold_nothing() -> None:
    shares = [FundingSplit(account=account, percent=percent) for account, percent in (("4711", "100"), ("9", "0"))]
    idle = replace(CUSTOMER, account="9", customer="cus_9", percent=Decimal(0))
    known = replace(contract(splits=shares), payers={"con_1": [CUSTOMER, idle]})

    assert [fact.customer for fact in facts(known) if fact.kind is Kind.sale] == [CUSTOMER.customer]


def test_customer_abroad_is_taxed_otherwise() -> None:
    abroad = replace(KNOWN, payers={"con_1": [replace(CUSTOMER, country="US")]})

    assert facts(abroad)[1].tax_code == "VAT 0%"


@given(
    minutes=st.integers(1, 24 * 60),
    rate=st.decimals("0.01", "999", places=2),
    percents=st.lists(st.integers(1, 97), min_size=1, max_size=5),
)
def test_parts_of_a_split_sum_to_the_whole(minutes: int, rate: Decimal, percents: list[int]) -> None:
    shares = {str(place): str(percent) for place, percent in enumerate(percents)}
    known = replace(
        KNOWN,
        entry=replace(ENTRY, minutes=minutes),
        contracts=[
            replace(
                CONTRACT,
                lines=[line(rates=[Rate(role="consultant", unit="hour", rate=f"{rate}")])],
                splits=[FundingSplit(account=account, percent=percent) for account, percent in shares.items()],
            )
        ],
        payers={
            "con_1": [
                replace(CUSTOMER, account=account, customer=f"cus_{account}", percent=Decimal(percent))
                for account, percent in shares.items()
            ]
        },
    )

    sales = [fact for fact in facts(known) if fact.kind is Kind.sale]

    exact = rate * minutes / 60
    assert abs(total(Decimal(fact.net) for fact in sales) - exact) <= Decimal("0.005")
    assert len({fact.business_key for fact in sales}) == len(percents)


@given(
    minutes=st.integers(1, 24 * 60), psa=st.text(min_size=1, max_size=40), entry_id=st.text(min_size=1, max_size=200)
)
def test_fact_and_its_reversal_are_nothing_together(minutes: int, psa: str, entry_id: str) -> None:
    made = facts(entry(id=entry_id, minutes=minutes), replace(FRAME, psa=psa))

    taken_back = [reversal_of(fact, "fct_2", fact.accounting_date) for fact in made]

    assert total(Decimal(fact.net) for fact in (*made, *taken_back)) == 0
    keys = {fact.business_key for fact in (*made, *taken_back)}
    assert len(keys) == 4
    assert max(map(len, keys)) <= LONGEST
    assert all(one.reverses == fact.id and one.rate == fact.rate for one, fact in zip(taken_back, made, strict=True))


def test_reversal_of_what_was_never_posted_is_not_posted() -> None:
    unposted = facts(KNOWN, replace(FRAME, posts=False))[1]

    assert (unposted.posting, unposted.billing) == (Posting.skipped, Billing.ready)
    assert reversal_of(unposted, "fct_2", WORKED_ON).posting is Posting.skipped


def test_reversal_of_a_long_key_fits_and_is_its_own() -> None:
    long = facts(entry(id="x" * 200))[1]

    assert len(reversal_key(long)) <= LONGEST
    assert reversal_key(long) != long.business_key
    assert time_fact_key("delivery", "1", 1, Kind.sale, "4711") == "tb_delivery_1_r1_sale_4711"


def test_document_says_what_the_customer_may_read_without_control_characters() -> None:
    _, sale = facts(entry(description="One\n\ttwo" + "x" * 600))

    document = document_of(sale, "tb_before")

    assert document.description.startswith("2026-11-20 Ana Ruiz: One two")
    assert len(document.description) == 500
    assert document.reverses == "tb_before"
    assert facts(entry(description="  ", task_name=None))[0].description == "Data platform"


@given(parts=st.lists(st.integers(1, 5), min_size=1, max_size=20), most=st.integers(1, 10))
def test_calls_hold_every_fact_once_and_no_more_than_fit(parts: list[int], most: int) -> None:
    fact = facts(KNOWN)[0]
    made = [
        replace(fact, business_key=f"k{source}-{part}", source_id=str(source))
        for source, number in enumerate(parts)
        for part in range(number)
    ]

    groups = groups_of(made, lambda _erp: most, lambda _fact: "2026-11")

    sent = [one.business_key for group in groups for one in group.to_post]
    assert sorted(sent) == sorted(one.business_key for one in made)
    assert all(len(group.lines) <= most for group in groups)


def test_call_mixes_no_entity_currency_or_period() -> None:
    fact = facts(KNOWN)[0]
    made = [fact, replace(fact, currency="USD"), replace(fact, legal_entity="DE01"), replace(fact, erp="other")]

    assert len(groups_of(made, lambda _erp: 50, lambda _fact: "2026-11")) == 4


def test_closed_period_moves_to_the_next_open_one_only_where_that_is_allowed() -> None:
    closed = [replace(NOVEMBER, state=PeriodState.closed), DECEMBER]

    assert accounting_date(WORKED_ON, closed, "next_open", today=date(2026, 12, 1)) == date(2026, 12, 1)
    with pytest.raises(Refused) as refused:
        accounting_date(WORKED_ON, closed, "reject", today=date(2026, 12, 1))
    assert refused.value.code is Code.period_closed


def test_next_open_period_is_waited_for_until_it_has_begun() -> None:
    closed = [replace(NOVEMBER, state=PeriodState.closed), DECEMBER]

    with pytest.raises(Refused) as refused:
        accounting_date(WORKED_ON, closed, "next_open", today=date(2026, 11, 30))

    assert refused.value.code is Code.period_not_open_yet


def test_nothing_worked_is_nothing_to_post() -> None:
    assert is_nothing(replace(ENTRY, hours="0.0000", minutes=0))
    assert not is_nothing(replace(ENTRY, hours="0", minutes=1))
