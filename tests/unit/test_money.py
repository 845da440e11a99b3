"""Amounts: exact, with the decimals of their currency, and split without losing a cent."""

from decimal import Decimal, Inexact

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openapi.common.types import Money
from openapi.decimals import text_of
from process_apis.ledger.money import (
    PLACES,
    Rounding,
    amount_of,
    has_too_many_places,
    money,
    net_of,
    rounded,
    split,
    total,
)

CENTS = st.integers(min_value=-(10**17), max_value=10**17).map(lambda cents: Decimal(cents).scaleb(-2))
SHARES = st.lists(st.decimals(min_value=0, max_value=100, places=4), min_size=1, max_size=20).filter(any)


@pytest.mark.parametrize(
    ("amount", "currency", "too_many"),
    [
        ("12.50", "EUR", False),
        ("12.505", "EUR", True),
        ("100", "JPY", False),
        ("100.0", "JPY", True),
        ("1.234", "KWD", False),
        ("1.2345", "KWD", True),
    ],
)
def test_decimals_are_those_of_the_currency(amount: str, currency: str, too_many: bool) -> None:  # noqa: FBT001 - a row
    assert has_too_many_places(Money(amount=amount, currency=currency)) is too_many


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        ("1E+3", None, "1000"),
        ("12.500", None, "12.5"),
        ("-0.00", None, "0"),
        ("12.5", 2, "12.50"),
        ("1E+2", 0, "100"),
    ],
)
def test_decimal_is_written_in_plain_digits(value: str, places: int | None, text: str) -> None:
    assert text_of(Decimal(value), places) == text


def test_decimal_that_would_lose_something_is_not_written() -> None:
    with pytest.raises(Inexact):
        text_of(Decimal("12.505"), 2)


@given(CENTS)
def test_money_comes_back_as_it_went(amount: Decimal) -> None:
    assert amount_of(money(amount, "EUR")) == amount


@given(st.lists(CENTS, max_size=50))
def test_total_is_exact(amounts: list[Decimal]) -> None:
    assert int(total(amounts).scaleb(2)) == sum(int(amount.scaleb(2)) for amount in amounts)


def test_thousand_in_three_parts_loses_no_cent() -> None:
    assert split(Decimal("1000.00"), [Decimal(1)] * 3, 2) == [Decimal("333.34"), Decimal("333.33"), Decimal("333.33")]


@given(CENTS, SHARES)
def test_parts_sum_to_the_whole_and_none_is_off_by_a_cent(amount: Decimal, shares: list[Decimal]) -> None:
    parts, whole = split(amount, shares, 2), sum(shares)

    assert total(parts) == amount
    assert all(abs(part - amount * share / whole) < Decimal("0.02") for part, share in zip(parts, shares, strict=True))


@pytest.mark.parametrize("shares", [[], [Decimal(0)], [Decimal(2), Decimal(-1)]])
def test_shares_that_divide_nothing_are_a_mistake(shares: list[Decimal]) -> None:
    with pytest.raises(ValueError, match="Shares are not negative"):
        split(Decimal(1), shares, 2)


def test_every_currency_stands_in_the_table_once() -> None:
    assert len(PLACES) > 150
    assert (PLACES["EUR"], PLACES["JPY"], PLACES["KWD"], PLACES["CLF"]) == (2, 0, 3, 4)


@pytest.mark.parametrize(
    ("minutes", "rate", "mode", "net"),
    [
        (20, "180.00", "half_up", "60.00"),
        (20, "185.00", "half_up", "61.67"),
        (1, "0.30", "half_up", "0.01"),
        (1, "0.30", "half_even", "0.00"),
        (1, "0.30", "down", "0.00"),
        (3, "0.30", "half_even", "0.02"),
        (1440, "999999.999999", "half_up", "24000000.00"),
    ],
)
def test_a_net_is_computed_from_whole_minutes_and_rounded_once(
    minutes: int, rate: str, mode: Rounding, net: str
) -> None:
    hours = Decimal("0.3333")  # What a PSA shows beside the minutes does not count.

    found = net_of(minutes=minutes, quantity=hours, rate=Decimal(rate), places=2, mode=mode)

    assert found == Decimal(net)


def test_hours_count_where_there_are_no_minutes() -> None:
    found = net_of(minutes=None, quantity=Decimal("0.33"), rate=Decimal("185.00"), places=2, mode="half_up")

    assert found == Decimal("61.05")


@given(st.lists(CENTS, max_size=5))
def test_amounts_are_rounded_within_a_sum_that_must_be_exact(amounts: list[Decimal]) -> None:
    halves = [amount * Decimal("0.5") for amount in amounts]

    found = total(rounded(half, 2, "half_up") for half in halves)

    assert abs(found * 2 - total(amounts)) <= Decimal("0.01") * len(amounts)
