"""Whether an invoice is like the contract's others: exact to the cent, whatever was billed before."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from openapi.common.types import Code
from process_apis.invoice_release.usual import ReleaseSettings, Usual, most_usual, unusual, work_on
from process_apis.ledger.facts import Kind
from tests.fakes.delivered import fact

CENTS = st.integers(min_value=-(10**12), max_value=10**15).map(lambda amount: Decimal(amount).scaleb(-2))
BILLED = st.lists(CENTS, min_size=3, max_size=12)
PERCENT = st.integers(min_value=100, max_value=10_000)
GUARDED = ReleaseSettings(unusual_percent=150, lines_per_project_and_day=500)


def usual(*billed: str, lines_today: int = 0, approved: tuple[str, ...] = ()) -> Usual:
    return Usual(
        billed=[Decimal(amount) for amount in billed],
        lines_today=lines_today,
        approved=[Decimal(amount) for amount in approved],
    )


def told(work: str, of: Usual, lines: int = 1, **settings: int) -> list[tuple[object, object]]:
    """Return what is expected and what there is, of each thing that is unusual."""
    found = unusual(Decimal(work), lines, of, structs.replace(GUARDED, **settings), "EUR")
    assert {one.code for one in found} <= {Code.invoice_unusual}
    return [(one.expected, one.actual) for one in found]


@pytest.mark.parametrize(
    ("work", "of", "settings", "found"),
    [
        ("150.00", usual("100.00", "100.00", "100.00"), {}, []),
        ("150.01", usual("100.00", "100.00", "100.00"), {}, [("150.00 at most", "150.01")]),
        ("150.01", usual("100.00", "100.00"), {}, []),
        ("9000.00", usual("100.00", "100.00"), {"unusual_after": 2}, [("150.00 at most", "9000.00")]),
        ("150.01", usual("100.00", "100.00", "100.00"), {"unusual_percent": 151}, []),
        ("9000.00", usual("100.00", "100.00", "100.00"), {"unusual_percent": 0}, []),
        # A third of a cent is not rounded up: 0.01 x 150 % is not two cents.
        ("0.02", usual("0.01", "0.01", "0.01"), {}, [("0.01 at most", "0.02")]),
        # What was taken back counts against what was billed.
        ("100.00", usual("200.00", "200.00", "-250.00"), {}, [("75.00 at most", "100.00")]),
        ("100.00", usual("200.00", "-200.00", "0.00"), {}, []),
        ("0.00", usual("100.00", "100.00", "100.00"), {}, []),
    ],
)
def test_work_is_compared_with_the_average_of_the_last_invoices(
    work: str, of: Usual, settings: dict[str, int], found: list[tuple[str, str]]
) -> None:
    assert told(work, of, **settings) == found


@pytest.mark.parametrize(
    ("today", "lines", "most", "found"),
    [
        (0, 500, 500, []),
        (499, 1, 500, []),
        (499, 2, 500, [("500 at most", "501")]),
        (10_000, 10_000, 0, []),
    ],
)
def test_lines_of_a_project_are_counted_through_the_day(
    today: int, lines: int, most: int, found: list[tuple[str, str]]
) -> None:
    assert told("1.00", usual(lines_today=today), lines, lines_per_project_and_day=most) == found


def test_both_are_told_at_once() -> None:
    found = told("9.00", usual("1.00", "1.00", "1.00", lines_today=2), 1, lines_per_project_and_day=2)

    assert found == [("1.50 at most", "9.00"), ("2 at most", "3")]


@pytest.mark.parametrize(("work", "asked"), [("9.00", 0), ("9.01", 2), ("-1.00", 0)])
def test_what_was_approved_passes_and_a_cent_more_does_not(work: str, asked: int) -> None:
    of = usual("1.00", "1.00", "1.00", lines_today=2, approved=("1.00", "9.00"))

    assert len(told(work, of, 1, lines_per_project_and_day=2)) == asked


def test_agreed_amounts_are_no_work() -> None:
    hours = [fact(1, net="120.00"), fact(2, net="-20.00")]
    milestone = fact(3, kind=Kind.fee, net="18000.00")

    assert work_on([*hours, milestone]) == Decimal("100.00")


@given(CENTS, BILLED, PERCENT)
def test_comparison_is_exact(work: Decimal, billed: list[Decimal], percent: int) -> None:
    of = Usual(billed=billed, lines_today=0, approved=[])
    settings = ReleaseSettings(unusual_percent=percent, trailing=12)

    found = unusual(work, 1, of, settings, "EUR")

    most = Fraction(percent, 100) * sum(map(Fraction, billed)) / len(billed)
    assert bool(found) is (Fraction(work) > most >= Fraction(1, 100))


@given(BILLED, PERCENT)
def test_most_that_is_usual_is_less_than_a_cent_away_from_the_exact_amount(billed: list[Decimal], percent: int) -> None:
    exact = Fraction(percent, 100) * sum(map(Fraction, billed)) / len(billed)

    assert abs(Fraction(most_usual(billed, percent, 2)) - exact) < Fraction(1, 100)


@given(CENTS, BILLED, st.integers(min_value=0, max_value=1000))
def test_no_more_than_what_was_approved_is_ever_asked_about_again(
    approved: Decimal, billed: list[Decimal], less: int
) -> None:
    of = Usual(billed=billed, lines_today=10**6, approved=[approved])

    assert unusual(approved - Decimal(less).scaleb(-2), 10**6, of, GUARDED, "EUR") == []
