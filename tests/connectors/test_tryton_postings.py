"""Batches of facts that Tryton refuses, loses, or has half done: what a running one does too seldom."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.errors import ApiError, Refused, Unavailable, Uncertain
from openapi.common.types import Code, Money
from openapi.system.erp.v1 import BillableTransaction, NewBillableTransaction, TransactionKind, TransactionState
from system_apis.connectors.tryton.erp import postings_mapping as mapping
from system_apis.connectors.tryton.erp.wire import Move
from system_apis.connectors.tryton.wire import decoded
from tests.connectors.scripted import SETTINGS, ScriptedTryton, erp

LEDGER = json.loads((Path(__file__).parent / "tryton/ledger.json").read_text())
PROJECT = json.loads((Path(__file__).parent / "tryton/records.json").read_text())["account"]
AWAY = Unavailable(Code.upstream_unavailable, "away")
LOST = Uncertain(Code.upstream_timeout_uncertain, "lost")
REFUSED = Refused(Code.upstream_rejected, "as Tryton says")


def fact(number: int, net: str = "60.00", **other: object) -> NewBillableTransaction:
    new = NewBillableTransaction(
        business_key=f"tb_{number}",
        legal_entity="ES01",
        kind=TransactionKind.unbilled_sale,
        project_id=str(PROJECT["id"]),
        date=date(2026, 11, 20),
        net=Money(amount=net, currency="EUR"),
        debit_account="1.4.2",
        credit_account="4.2.2",
        description="20 min",
    )
    return replace(new, **other)


def move(number: int, state: str = "posted", debit: str = "60.00", credit: str = "60.00") -> dict[str, Any]:
    """Return the move of a fact, recorded, with amounts of its own."""
    credited, debited = json.loads(json.dumps(LEDGER["move"]["lines."]))
    credited["credit"]["decimal"], debited["debit"]["decimal"] = credit, debit
    credited["analytic_lines."][0]["account"] = PROJECT["id"]
    balanced = "valid" if debit == credit else "draft"
    lines = [{**credited, "state": balanced}, {**debited, "state": balanced}]
    number_of = f"M2026/{number:04}" if state == "posted" else None
    return {
        **LEDGER["move"],
        "id": number,
        "description": f"tb_{number}",
        "state": state,
        "number": number_of,
        "lines.": lines,
    }


def ready(*found: dict[str, Any], debit: object = (LEDGER["debit account"],)) -> ScriptedTryton:
    """Return a Tryton that is set up, and finds these moves first."""
    http = ScriptedTryton()
    http.plan("account.move.search_read", list(found))
    http.always("analytic_account.account.search_read", [PROJECT])
    http.always("account.journal.search", [7])
    http.always("account.period.search", [23])
    http.always("company.company.search_read", [LEDGER["owner"]])
    http.plan("account.account.search_read", debit, [LEDGER["credit account"]])
    return http


def sent(http: ScriptedTryton, operation: str) -> list[int]:
    """Return how many records each call of an operation was about."""
    return [len(params[0]) for name, params, _ in http.sent if name == operation]


async def codes(http: ScriptedTryton, *facts: NewBillableTransaction) -> dict[str, Code | None]:
    outcomes = await erp(http).post_billable_transactions(facts)
    return {key: one.code if isinstance(one, Refused) else None for key, one in outcomes.items()}


async def test_fact_that_tryton_refuses_is_found_by_cutting_the_batch() -> None:
    http = ready()
    http.plan("account.move.create", REFUSED, [1, 2], REFUSED, REFUSED, [4])
    http.plan("account.move.post", None)
    http.plan("account.move.search_read", [move(1), move(2), move(4)])

    outcomes = await codes(http, *map(fact, (1, 2, 3, 4)))

    assert outcomes == {"tb_1": None, "tb_2": None, "tb_3": Code.upstream_rejected, "tb_4": None}
    assert sent(http, "account.move.create") == [4, 2, 2, 1, 1]
    assert sent(http, "account.move.post") == [3]


async def test_fact_that_is_made_and_cannot_be_posted_leaves_nothing() -> None:
    http = ready()
    http.plan("account.move.create", [1, 2])
    http.plan("account.move.post", REFUSED, None, REFUSED)
    http.plan("account.move.delete", None)
    http.plan("account.move.search_read", [move(1)])

    assert await codes(http, fact(1), fact(2)) == {"tb_1": None, "tb_2": Code.upstream_rejected}
    assert http.params("account.move.delete")[0] == [2]


@pytest.mark.parametrize("reply", [REFUSED, AWAY])
async def test_fact_that_can_be_neither_posted_nor_taken_back_is_uncertain(reply: object) -> None:
    http = ready()
    http.plan("account.move.create", [1])
    http.plan("account.move.post", REFUSED)
    http.plan("account.move.delete", reply)

    with pytest.raises(Uncertain):
        await codes(http, fact(1))


async def test_closed_period_is_asked_once_for_the_whole_batch() -> None:
    http = ready()
    http.plan("account.move.create", Refused(Code.period_closed, "closed"))

    outcomes = await codes(http, *map(fact, (1, 2, 3, 4)))

    assert set(outcomes.values()) == {Code.period_closed}
    assert sent(http, "account.move.create") == [4]
    assert "account.move.post" not in http.writes


async def test_batch_whose_answer_is_lost_is_uncertain_and_cut_no_further() -> None:
    http = ready()
    http.plan("account.move.create", LOST)

    with pytest.raises(Uncertain):
        await codes(http, fact(1), fact(2))

    assert http.calls["account.move.create"] == 1


async def test_tryton_that_is_away_from_the_start_did_nothing() -> None:
    http = ready()
    http.plan("account.move.create", AWAY)

    with pytest.raises(Unavailable):
        await codes(http, fact(1), fact(2))


@pytest.mark.parametrize(
    ("create", "post"),
    [([REFUSED, [1], AWAY], []), ([[1, 2]], [AWAY]), ([[1, 2]], [REFUSED, None, AWAY])],
    ids=["between two halves", "before posting", "between two halves of posting"],
)
async def test_tryton_that_goes_away_in_the_middle_leaves_an_unknown_part(
    create: list[object], post: list[object]
) -> None:
    http = ready()
    http.plan("account.move.create", *create)
    http.plan("account.move.post", *post)

    with pytest.raises(Uncertain):
        await codes(http, fact(1), fact(2))


@pytest.mark.parametrize("read", [AWAY, [], [move(1)], [move(1), move(2, "draft")]])
async def test_facts_that_were_posted_and_not_read_back_are_uncertain(read: object) -> None:
    http = ready()
    http.plan("account.move.create", [1, 2])
    http.plan("account.move.post", None)
    http.plan("account.move.search_read", read)

    with pytest.raises(Uncertain):
        await codes(http, fact(1), fact(2))


async def test_draft_that_a_lost_post_left_is_posted_and_not_made_again() -> None:
    http = ready(move(1, "draft"))
    http.plan("account.move.create", [2])
    http.plan("account.move.post", None)
    http.plan("account.move.search_read", [move(1), move(2)])

    assert await codes(http, fact(1), fact(2)) == {"tb_1": None, "tb_2": None}
    assert sent(http, "account.move.create") == [1]
    assert http.params("account.move.post")[0] == [1, 2]


async def test_drafts_that_cannot_be_posted_just_now_are_no_effect() -> None:
    http = ready(move(1, "draft"))
    http.plan("account.move.post", AWAY)

    with pytest.raises(Unavailable):
        await codes(http, fact(1))


@pytest.mark.parametrize(
    ("draft", "new"),
    [
        (move(1, "draft", credit="59.99"), fact(1)),
        (move(1, "draft"), fact(1, "61.00")),
        (move(1, "draft"), fact(1, "-60.00")),
        (move(1, "draft"), fact(1, date=date(2026, 11, 21))),
        ({**move(1, "draft"), "lines.": []}, fact(1)),
    ],
    ids=["unbalanced", "amount", "sign", "date", "no lines"],
)
async def test_draft_with_other_content_is_left_to_a_person(draft: dict[str, Any], new: NewBillableTransaction) -> None:
    http = ready(draft)

    assert await codes(http, new) == {"tb_1": Code.upstream_conflict_stale}
    assert not http.writes


async def test_fact_that_is_posted_is_answered_whatever_became_of_its_project() -> None:
    http = ready(move(1))
    http.always("analytic_account.account.search_read", [{**PROJECT, "state": "closed"}])

    assert await codes(http, fact(1), fact(2)) == {"tb_1": None, "tb_2": Code.project_not_active}
    assert not http.writes


async def test_draft_that_somebody_posts_first_counts_as_posted() -> None:
    http = ready(move(1, "draft"), move(2, "draft"))
    http.plan("account.move.post", REFUSED, REFUSED, REFUSED)
    http.plan("account.move.search_read", [move(1), move(2, "draft")])

    assert await codes(http, fact(1), fact(2)) == {"tb_1": None, "tb_2": Code.upstream_rejected}


@pytest.mark.parametrize("original", [(), (move(9, "draft"),), (move(9), move(9))], ids=["none", "draft", "two"])
async def test_reversal_needs_one_posted_original(original: tuple[dict[str, Any], ...]) -> None:
    http = ready(*original)

    (code,) = (await codes(http, fact(1, "-60.00", reverses="tb_9"))).values()

    assert code in {Code.dependency_not_ready, Code.upstream_conflict_stale}
    assert not http.writes


async def test_reversal_names_its_original_and_swaps_the_sides() -> None:
    http = ready(move(9))
    http.plan("account.move.create", [1])
    http.plan("account.move.post", None)
    http.plan("account.move.search_read", [move(1)])

    await codes(http, fact(1, "-60.00", reverses="tb_9"))

    (values,) = http.params("account.move.create")[0]
    ((_, lines),) = values["lines"]
    assert values["origin"] == "account.move,9"
    assert [(line["debit"]["decimal"], line["credit"]["decimal"]) for line in lines] == [("0", "60.00"), ("60.00", "0")]
    assert [line["account"] for line in lines] == [LEDGER["debit account"]["id"], LEDGER["credit account"]["id"]]
    assert ["analytic_lines" in line for line in lines] == [False, True]


async def test_second_batch_takes_five_calls_whatever_its_size() -> None:
    http = ready()
    http.always("account.move.post", None)
    http.plan("account.move.create", [1])
    http.plan("account.move.search_read", [move(1)], [])
    port = erp(http)
    await port.post_billable_transactions([fact(1)])
    before = http.calls.total()
    batch = [fact(number) for number in range(2, 52)]
    http.plan("account.move.create", list(range(2, 52)))
    http.plan("account.move.search_read", [move(number) for number in range(2, 52)])

    outcomes = await port.post_billable_transactions(batch)

    assert len(outcomes) == len(batch)
    assert http.calls.total() - before == 5


@pytest.mark.parametrize(
    ("operation", "reply", "code"),
    [
        ("account.journal.search", [], Code.mapping_missing),
        ("account.journal.search", [7, 8], Code.mapping_missing),
        ("account.period.search", [], Code.period_not_open_yet),
    ],
)
async def test_ledger_that_is_not_set_up_refuses_each_fact(operation: str, reply: object, code: Code) -> None:
    http = ready()
    http.always(operation, reply)

    assert await codes(http, fact(1), fact(2)) == {"tb_1": code, "tb_2": code}
    assert not http.writes


@pytest.mark.parametrize(
    ("debit", "code"),
    [
        ([], Code.gl_mapping_missing),
        ([LEDGER["debit account"], LEDGER["debit account"]], Code.gl_mapping_missing),
        ([{**LEDGER["debit account"], "party_required": 1}], Code.gl_mapping_missing),
        ([LEDGER["revenue account"]], Code.gl_mapping_missing),
        ([{**LEDGER["debit account"], "type.": None}], None),
    ],
    ids=["none", "two", "wants a party", "both of income", "without a type"],
)
async def test_account_has_to_be_one_that_takes_the_fact(debit: list[object], code: Code | None) -> None:
    http = ready(debit=debit)
    http.plan("account.move.create", [1])
    http.plan("account.move.post", None)
    http.plan("account.move.search_read", [move(1)])

    assert await codes(http, fact(1)) == {"tb_1": code}


@pytest.mark.parametrize(
    ("first", "second", "net"),
    [("60.00", "0", "60.00"), ("0", "60.00", "-60.00"), ("0", "0", "0.00"), ("0.1", "0", "0.10")],
)
def test_net_is_that_of_the_line_that_was_made_first(first: str, second: str, net: str) -> None:
    recorded = decoded(json.dumps(LEDGER["move"]).encode(), Move)
    later, earlier = recorded.lines
    made_first = replace(earlier, debit=Decimal(first), credit=Decimal(second))

    told = mapping.to_transaction(replace(recorded, lines=[later, made_first]), SETTINGS)

    assert told.net == Money(amount=net, currency="EUR")


def test_draft_has_no_number_yet() -> None:
    recorded = replace(decoded(json.dumps(LEDGER["move"]).encode(), Move), state="draft")

    told = mapping.to_transaction(recorded, SETTINGS)

    assert isinstance(told, BillableTransaction)
    assert (told.state, told.number) == (TransactionState.draft, None)


async def test_move_of_ours_without_lines_is_a_break() -> None:
    http = ready({**move(1), "lines.": []})

    with pytest.raises(ApiError) as refused:
        await erp(http).find_billable_transactions(["tb_1"])

    assert refused.value.code is Code.upstream_conflict_stale
