"""What goes on an invoice: lines that sum their facts, whatever the facts are; reversals and holds take theirs off."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openapi.common.types import Code
from process_apis.invoice_release.selection import Priced, Selection, group, quantity_of, select
from process_apis.ledger.facts import Fact, Kind, SourceType
from process_apis.ledger.holds import Hold, Scope, ScopeType
from process_apis.ledger.money import total
from tests.fakes.delivered import fact

TITLES = {1: "Support", 2: "Design"}
RATES = ["120.00", "150.00", "99.99"]
ROLES = ["consultant", "lead"]
TAXES = [("VAT 21%", "21"), ("VAT 0%", "0")]
cents = st.integers(min_value=-100_000, max_value=1_000_000).map(lambda amount: f"{Decimal(amount) / 100:.2f}")


@st.composite
def facts(draw: st.DrawFn) -> list[Fact]:
    """Draw facts of a contract, of different lines, roles, rates and taxes."""
    number = draw(st.integers(min_value=0, max_value=12))
    return [_drawn(draw, place) for place in range(number)]


def _drawn(draw: st.DrawFn, place: int) -> Fact:
    code, percent = draw(st.sampled_from(TAXES))
    return fact(
        place,
        contract_line=draw(st.sampled_from([1, 2])),
        role=draw(st.sampled_from(ROLES)),
        rate=draw(st.sampled_from(RATES)),
        tax_code=code,
        tax_percent=percent,
        net=draw(cents),
        minutes=draw(st.none() | st.integers(min_value=1, max_value=600)),
        work_date=date(2026, 11, 1) + timedelta(days=draw(st.integers(min_value=0, max_value=29))),
    )


def priced(facts: Sequence[Fact]) -> list[Priced]:
    return [
        Priced(fact=one, account="700", tax_code=one.tax_code or "", tax_percent=Decimal(one.tax_percent or 0))
        for one in facts
    ]


def hold(kind: ScopeType, scope_id: str) -> Hold:
    return Hold(
        id=f"hld_{scope_id}",
        business_key=f"hold_{scope_id}",
        scope=Scope(type=kind, id=scope_id),
        reason="dispute",
        note=None,
        placed_by="pmo",
        placed_in="gateway",
    )


def ids(selection: Selection) -> list[str]:
    return [one.id for one in selection.chosen]


@given(facts())
def test_lines_sum_exactly_what_their_facts_do_and_each_fact_is_on_one(drawn: list[Fact]) -> None:
    lines = group(priced(drawn), titles=TITLES, key=lambda number: f"inv_l{number}")

    assert total(line.line.net for line in lines) == total(Decimal(one.net) for one in drawn)
    assert sorted(one.id for line in lines for one in line.facts) == sorted(one.id for one in drawn)
    for line in lines:
        assert line.line.net == total(Decimal(one.net) for one in line.facts)
        assert line.line.facts == len(line.facts)


@given(facts())
def test_facts_of_one_line_have_line_role_rate_and_tax_in_common(drawn: list[Fact]) -> None:
    lines = group(priced(drawn), titles=TITLES, key=lambda number: f"inv_l{number}")

    kinds = [{(one.contract_line, one.role, one.rate, one.tax_code) for one in line.facts} for line in lines]
    assert all(len(kind) == 1 for kind in kinds)
    assert len({kind.pop() for kind in kinds}) == len(lines)


@given(facts(), st.randoms())
def test_lines_do_not_depend_on_the_order_of_the_facts(drawn: list[Fact], random: st.DataObject) -> None:
    shuffled = list(drawn)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random

    one, other = (group(priced(each), titles=TITLES, key=str) for each in (drawn, shuffled))

    assert [line.line for line in one] == [line.line for line in other]


@given(facts(), st.data())
def test_reversal_in_full_leaves_nothing_of_both(drawn: list[Fact], data: st.DataObject) -> None:
    taken_back = [one for one in drawn if data.draw(st.booleans())]
    reversals = [
        fact(100 + place, reverses=one.id, net=f"{-Decimal(one.net):.2f}") for place, one in enumerate(taken_back)
    ]

    selection = select([*drawn, *reversals], holds=[])

    assert ids(selection) == [one.id for one in drawn if one not in taken_back]
    assert selection.left_out == []


def test_reversal_without_its_original_stays_and_an_original_with_a_reversal_elsewhere_waits() -> None:
    original, reversal = fact(1), fact(2, reverses="fct_billed", net="-120.00")

    selection = select([original, reversal], holds=[], reversed_ids=[original.id])

    assert ids(selection) == [reversal.id]
    assert [(left.fact.id, left.code) for left in selection.left_out] == [(original.id, Code.entry_revision_stale)]


@pytest.mark.parametrize("kind", [ScopeType.customer, ScopeType.contract, ScopeType.project])
def test_wide_hold_leaves_nothing(kind: ScopeType) -> None:
    one = fact(1)

    selection = select([one], holds=[hold(kind, getattr(one, kind.value))])

    assert selection.chosen == []
    assert [each.scope.type for each in selection.stopping] == [kind]


def test_narrow_holds_leave_the_rest_and_stop_the_whole_where_there_is_none() -> None:
    on_line = fact(1, contract_line=2)
    milestone = fact(2, contract_line=1, source_type=SourceType.milestone, source_id="con_1-1-7", kind=Kind.fee)
    alone, free = fact(3), fact(4)
    holds = [
        hold(ScopeType.contract_line, "con_1-2"),
        hold(ScopeType.milestone, "con_1-1-7"),
        hold(ScopeType.fact, alone.id),
    ]

    some = select([on_line, milestone, alone, free], holds=holds)
    none = select([on_line, milestone, alone], holds=holds)

    assert ids(some) == [free.id]
    assert {left.code for left in some.left_out} == {Code.billing_hold_active}
    assert some.stopping == []
    assert (none.chosen, none.stopping) == ([], holds)


@dataclass(frozen=True)
class Words:
    """How a line reads."""

    said: dict[str, object]
    reads: str


@pytest.mark.parametrize(
    "words",
    [
        Words({"minutes": 620, "rate": "120.00"}, "Support: 10 h 20 min consultant at 120.00"),
        Words({"minutes": 20, "rate": "120.00"}, "Support: 20 min consultant at 120.00"),
        Words({"minutes": 60, "rate": "120.5"}, "Support: 1 h consultant at 120.50"),
        Words({"minutes": 60, "rate": "33.333333"}, "Support: 1 h consultant at 33.333333"),
        Words({"minutes": 90, "net": "-180.00"}, "Support: -1 h 30 min consultant at 120.00"),
        Words({"minutes": None, "quantity": "2.5000"}, "Support: 2.5 hour consultant at 120.00"),
        Words({"minutes": None, "role": None, "unit": "day"}, "Support: 1 day CONS-H at 120.00"),
        Words({"minutes": 60, "split_percent": "33.3300"}, "Support: 1 h consultant at 120.00, of which 33.33 %"),
        Words({"kind": Kind.fee, "description": "Design accepted"}, "Design accepted"),
        Words({"kind": Kind.fee, "split_percent": "40"}, "Wrote the loader, of which 40 %"),
    ],
    ids=lambda words: words.reads,
)
def test_line_reads_as_a_customer_reads_it(words: Words) -> None:
    (line,) = group(priced([fact(1, **words.said)]), titles=TITLES, key=str)

    assert line.line.description == words.reads


def test_fees_have_a_line_each() -> None:
    fees = [fact(place, kind=Kind.fee, source_id=f"con_1-2-{place}", net="100.00") for place in (1, 2)]

    assert len(group(priced(fees), titles=TITLES, key=str)) == 2


def test_quantity_is_of_minutes_where_all_have_them() -> None:
    assert quantity_of([fact(1, minutes=20), fact(2, minutes=20)]) == Decimal("0.6667")
    assert quantity_of([fact(1, minutes=20), fact(2, minutes=None, quantity="1.5")]) == Decimal("2.5")
    assert quantity_of([replace(fact(1, minutes=20), net="-40.00"), fact(2, minutes=60)]) == Decimal("0.6667")
