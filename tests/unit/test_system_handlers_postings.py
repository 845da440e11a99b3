"""Handlers of postings: each fact once and with its own outcome, in batches that the ERP takes, told truly."""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.caller import INSTALLATION, Caller
from gateway.errors import Unavailable, Uncertain
from openapi.common.types import Code, Money, Outcome
from openapi.system.erp.v1 import (
    BillableTransactions,
    NewBillableTransaction,
    NewBillableTransactions,
    PeriodState,
    PostingOutcomes,
    TransactionKind,
    TransactionState,
)
from system_apis.erp import v1 as erp_api
from tests.fakes.erp_master import ACCRUED_INCOME, REVENUE
from tests.fakes.vendor import Fault
from tests.system_stage import NOBODY, PAGE, SPAIN, Stage, refusal

NOVEMBER, DECEMBER = date(2026, 11, 20), date(2026, 12, 1)


def fact(number: int = 1, net: str = "60.00", currency: str = "EUR", **changes: object) -> NewBillableTransaction:
    """Return work that will bring some money, on the first project."""
    new = NewBillableTransaction(
        business_key=f"tb_delivery_{number}_r1_sale",
        legal_entity="ES01",
        kind=TransactionKind.unbilled_sale,
        project_id="1",
        date=NOVEMBER,
        net=Money(amount=net, currency=currency),
        debit_account=ACCRUED_INCOME,
        credit_account=REVENUE,
        description="P-1 2026-11-20 Ana Ruiz 20 min",
    )
    return replace(new, **changes)


async def post(stage: Stage, *facts: NewBillableTransaction, caller: Caller = SPAIN) -> PostingOutcomes:
    """Return what the handler answers to the facts."""
    body = NewBillableTransactions(transactions=list(facts))
    return await erp_api.post_billable_transactions(**stage.on_erp, caller=caller, body=body)


def told(answer: PostingOutcomes) -> list[str]:
    """Return of each fact that it was applied, or why not."""
    return [one.error.code if one.error else one.outcome for one in answer.outcomes]


@pytest.fixture(autouse=True)
def project(stage: Stage) -> None:
    """Make the first project, so that facts fall on it."""
    stage.erp.make_project("P-1")


async def test_fact_that_is_refused_does_not_keep_the_others_back(stage: Stage) -> None:
    stage.erp.close_period(DECEMBER)
    facts = (
        fact(1),
        fact(2, debit_account="9.9.9"),
        fact(3, date=DECEMBER),
        fact(4, project_id="77"),
        fact(5, "1.001"),
        fact(6, "0.10"),
    )

    answer = await post(stage, *facts)

    refused = [Code.gl_mapping_missing, Code.period_closed, Code.project_not_in_erp, Code.money_scale_exceeded]
    assert told(answer) == [Outcome.applied, *refused, Outcome.applied]
    assert [one.business_key for one in answer.outcomes] == [one.business_key for one in facts]
    errors = [one.error.pointer for one in answer.outcomes if one.error]
    assert errors == [f"#/transactions/{number}" for number in (1, 2, 3, 4)]
    assert stage.erp.books.balance(ACCRUED_INCOME, project_id="1") == Decimal("60.10")
    assert stage.erp.books.balance(REVENUE) == Decimal("-60.10")


async def test_facts_that_come_again_are_answered_and_not_posted_again(stage: Stage) -> None:
    first = await post(stage, fact(1), fact(2))
    again = await post(stage, fact(2), fact(1), fact(3))

    assert [one.transaction for one in again.outcomes[:2]] == [one.transaction for one in reversed(first.outcomes)]
    assert len(stage.erp.books.entries) == 3


async def test_reversal_is_a_negative_fact_that_brings_the_account_back_to_zero(stage: Stage) -> None:
    await post(stage, fact(1))
    await post(stage, fact(2, "-60.00", reverses=fact(1).business_key))

    assert stage.erp.books.balance(ACCRUED_INCOME) == Decimal("0.00")
    assert all(line.debit >= 0 <= line.credit for entry in stage.erp.books.entries for line in entry.lines)


async def test_batch_whose_answer_is_lost_is_uncertain_and_then_found(stage: Stage) -> None:
    stage.erp.plan("post_billable_transactions", Fault.lost_after)
    with pytest.raises(Uncertain):
        await post(stage, fact(1), fact(2))

    assert told(await post(stage, fact(1), fact(2))) == [Outcome.applied] * 2
    assert len(stage.erp.books.entries) == 2


async def test_batch_that_stopped_halfway_is_finished_and_not_made_again(stage: Stage) -> None:
    stage.erp.stops_halfway = 1
    with pytest.raises(Uncertain):
        await post(stage, fact(1), fact(2))
    drafts = await erp_api.find_billable_transactions(erp=stage.erp, caller=SPAIN, business_key=fact(1).business_key)

    answer = await post(stage, fact(1), fact(2))

    assert [one.state for one in drafts.items] == [TransactionState.draft]
    assert told(answer) == [Outcome.applied] * 2
    assert [one.state for one in stage.erp.transactions] == [TransactionState.posted] * 2
    assert len(stage.erp.books.entries) == 2


async def test_key_of_another_fact_is_a_conflict_that_the_others_do_not_feel(stage: Stage) -> None:
    await post(stage, fact(1))
    by_hand = fact(2, "99.00")
    stage.erp.leave_draft(by_hand)
    await stage.erp.post_billable_transactions([fact(3, "99.00")])

    answer = await post(stage, fact(1, "61.00"), fact(2), fact(3), fact(4))

    stale = Code.upstream_conflict_stale
    assert told(answer) == [Code.process_payload_conflict, stale, stale, Outcome.applied]
    assert answer.outcomes[2].error
    assert answer.outcomes[2].error.pointer == "#/transactions/2/net"
    assert (answer.outcomes[2].error.expected, answer.outcomes[2].error.actual) == ("60 EUR", "99 EUR")


async def test_amount_that_the_erp_writes_otherwise_is_the_same(stage: Stage) -> None:
    await stage.erp.post_billable_transactions([fact(1, "60.0")])

    assert told(await post(stage, fact(1, "60.00"))) == [Outcome.applied]


@pytest.mark.parametrize(
    ("second", "code", "field"),
    [
        (fact(1), Code.entry_duplicate, "business_key"),
        (fact(2, legal_entity="DE01"), Code.request_body_invalid, "legal_entity"),
        (fact(2, "1.00", "GBP"), Code.currency_mismatch, "net/currency"),
    ],
)
async def test_batch_that_is_none_is_refused_with_the_place(
    stage: Stage, second: NewBillableTransaction, code: Code, field: str
) -> None:
    refused = await refusal(post(stage, fact(1), second, caller=INSTALLATION))

    assert refused.code is Code.request_malformed
    assert [(one.code, one.pointer) for one in refused.violations] == [(code, f"#/transactions/1/{field}")]
    assert not stage.erp.calls


@pytest.mark.parametrize(
    ("entity", "caller", "code"),
    [("DE01", SPAIN, Code.auth_entity_not_allowed), ("GB01", INSTALLATION, Code.entity_mapping_missing)],
)
async def test_books_that_the_caller_may_not_write_are_refused_before_the_erp_is_asked(
    stage: Stage, entity: str, caller: Caller, code: Code
) -> None:
    refused = await refusal(post(stage, fact(1, legal_entity=entity), caller=caller))

    assert refused.code is code
    assert not stage.erp.calls


async def test_erp_that_posts_nothing_before_the_invoice_is_not_asked(stage: Stage) -> None:
    stage.erp.capabilities = replace(stage.erp.capabilities, billable_transactions=BillableTransactions.none)
    asking = (
        post(stage, fact(1)),
        erp_api.find_billable_transactions(erp=stage.erp, caller=SPAIN, business_key="tb_1"),
    )

    assert [(await refusal(one)).code for one in asking] == [Code.capability_missing] * 2
    assert not stage.erp.calls


async def test_more_facts_than_one_call_takes_go_in_several(stage: Stage) -> None:
    stage.erp.capabilities = replace(stage.erp.capabilities, batch_size=2)

    answer = await post(stage, *(fact(number) for number in range(5)))

    assert told(answer) == [Outcome.applied] * 5
    assert stage.erp.effects["post_billable_transactions"] == 3
    assert not stage.erp.calls["list_periods"], "One day is one period; nobody has to ask."


async def test_facts_of_two_periods_go_by_themselves(stage: Stage) -> None:
    days = (DECEMBER, NOVEMBER, date(2026, 11, 30), date(2026, 12, 31), date(2026, 11, 1))

    answer = await post(stage, *(fact(number, date=on) for number, on in enumerate(days)))

    assert [one.transaction.date for one in answer.outcomes if one.transaction] == list(days)
    assert stage.erp.effects["post_billable_transactions"] == 2
    assert stage.erp.calls["list_periods"] == 2


async def test_day_without_a_period_is_refused_by_itself(stage: Stage) -> None:
    answer = await post(stage, fact(1), fact(2, date=date(2031, 1, 1)))

    assert told(answer) == [Outcome.applied, Code.period_not_open_yet]


async def test_refusal_of_a_whole_batch_is_one_of_each_of_its_facts(stage: Stage) -> None:
    stage.erp.capabilities = replace(stage.erp.capabilities, batch_size=2)
    stage.erp.plan("post_billable_transactions", None, Fault.refused)

    answer = await post(stage, *(fact(number) for number in range(4)))

    assert told(answer) == [Outcome.applied] * 2 + [Code.upstream_rejected] * 2
    assert all(one.outcome is Outcome.none and not one.transaction for one in answer.outcomes[2:])


async def test_erp_that_cannot_be_had_says_so_only_while_nothing_is_posted(stage: Stage) -> None:
    stage.erp.capabilities = replace(stage.erp.capabilities, batch_size=1)
    stage.erp.plan("post_billable_transactions", Fault.unavailable)
    with pytest.raises(Unavailable):
        await post(stage, fact(1), fact(2))
    stage.clock.forward(1)
    stage.erp.plan("post_billable_transactions", None, Fault.unavailable)
    with pytest.raises(Uncertain) as partly:
        await post(stage, fact(1), fact(2))

    assert partly.value.code is Code.upstream_timeout_uncertain
    assert told(await post(stage, fact(1), fact(2))) == [Outcome.applied] * 2
    assert len(stage.erp.books.entries) == 2


async def test_search_that_is_away_keeps_everything_back(stage: Stage) -> None:
    stage.erp.search_away = True
    with pytest.raises(Unavailable):
        await post(stage, fact(1))

    assert not stage.erp.books.entries


async def test_postings_of_an_entity_wait_for_each_other_and_do_not_meet_in_the_erp(stage: Stage) -> None:
    german = replace(fact(2), legal_entity="DE01", project_id=stage.erp.make_project("P-2", "DE01").id)
    stage.erp.latency_s = 0.01

    answers = await asyncio.gather(post(stage, fact(1)), post(stage, fact(3)), post(stage, german, caller=INSTALLATION))

    assert [told(one) for one in answers] == [[Outcome.applied]] * 3
    assert stage.erp.calls["post_billable_transactions"] == 3


async def test_erp_without_a_limit_takes_postings_at_once(stage: Stage) -> None:
    stage.erp.capabilities = replace(stage.erp.capabilities, postings_at_once=None)
    stage.erp.latency_s = 0.01

    answers = await asyncio.gather(post(stage, fact(1)), post(stage, fact(2)))

    assert [told(one) for one in answers] == [[Outcome.applied]] * 2


async def test_lock_of_the_erp_turns_the_second_posting_away(stage: Stage) -> None:
    answers = await asyncio.gather(
        stage.erp.post_billable_transactions([fact(1)]),
        stage.erp.post_billable_transactions([fact(2)]),
        return_exceptions=True,
    )

    assert [isinstance(one, Unavailable) for one in answers] == [False, True]
    assert len(stage.erp.books.entries) == 1


async def test_posting_is_found_by_its_key_where_the_caller_may_see_it(stage: Stage) -> None:
    answer = await post(stage, fact(1))
    key = fact(1).business_key

    found = await erp_api.find_billable_transactions(erp=stage.erp, caller=SPAIN, business_key=key)
    hidden = await erp_api.find_billable_transactions(erp=stage.erp, caller=NOBODY, business_key=key)
    nothing = await erp_api.find_billable_transactions(erp=stage.erp, caller=SPAIN, business_key="tb_x")

    assert found.items == [answer.outcomes[0].transaction]
    assert (hidden.items, nothing.items) == ([], [])


async def test_two_postings_with_one_key_are_refused_and_not_chosen_from(stage: Stage) -> None:
    for _ in range(2):
        await stage.erp.post_billable_transactions([fact(1)])
    asking = erp_api.find_billable_transactions(erp=stage.erp, caller=SPAIN, business_key=fact(1).business_key)

    assert (await refusal(asking)).code is Code.upstream_conflict_stale
    assert told(await post(stage, fact(1))) == [Code.upstream_conflict_stale]


async def test_periods_are_listed_or_the_one_of_a_day(stage: Stage) -> None:
    stage.erp.close_period(NOVEMBER)
    stage.erp.set_period(DECEMBER, PeriodState.future)
    asked: dict[str, Any] = {"erp": stage.erp, "caller": SPAIN, **PAGE, "legal_entity": "ES01"}

    first = await erp_api.list_periods(**asked, on=None)
    rest = await erp_api.list_periods(**asked | {"cursor": first.next_cursor}, on=None)
    found = [await erp_api.list_periods(**asked, on=on) for on in (NOVEMBER, DECEMBER, date(2031, 1, 1))]

    assert [one.name for one in (*first.items, *rest.items)][::12] == ["2025-01", "2026-01", "2027-01"]
    assert rest.next_cursor is None
    shown = [(one.start, one.end, one.state.value) for page in found for one in page.items]
    assert shown == [
        (date(2026, 11, 1), date(2026, 11, 30), "soft_closed"),
        (date(2026, 12, 1), date(2026, 12, 31), "future"),
    ]


async def test_items_and_taxes_are_listed(stage: Stage) -> None:
    asked: dict[str, Any] = {"erp": stage.erp, "caller": SPAIN, **PAGE}

    items = await erp_api.list_items(**asked, code="CONS-H")
    hidden = await erp_api.list_items(**asked | {"caller": NOBODY}, code=None)
    taxes = await erp_api.list_tax_codes(**asked, legal_entity="ES01")

    assert [(one.code, one.unit) for one in items.items] == [("CONS-H", "hour")]
    assert hidden.items == []
    assert [(one.code, one.percent) for one in taxes.items] == [("VAT 21%", "21"), ("VAT 10%", "10"), ("VAT 0%", "0")]


async def test_what_belongs_to_an_entity_is_listed_only_for_its_callers(stage: Stage) -> None:
    asked: dict[str, Any] = {"erp": stage.erp, **PAGE}
    asking = [
        (list_them, caller, entity)
        for list_them in (lambda **more: erp_api.list_periods(**more, on=None), erp_api.list_tax_codes)
        for caller, entity in ((SPAIN, "DE01"), (INSTALLATION, "GB01"))
    ]
    refused = [await refusal(one(**asked, caller=caller, legal_entity=entity)) for one, caller, entity in asking]

    assert [one.code for one in refused] == [Code.auth_entity_not_allowed, Code.entity_mapping_missing] * 2
    assert [one.pointer for one in refused[1].violations] == ["#query/legal_entity"]
    assert not stage.erp.calls


async def test_erp_that_lists_no_items_is_not_asked(stage: Stage) -> None:
    stage.erp.capabilities = replace(stage.erp.capabilities, items=False)

    told_why = await refusal(erp_api.list_items(erp=stage.erp, caller=SPAIN, **PAGE, code=None))

    assert told_why.code is Code.capability_missing
    assert not stage.erp.calls
