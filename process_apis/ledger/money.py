"""Exact arithmetic. Contracts carry decimals as text; from here on they are `Decimal`."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, Inexact, localcontext
from types import MappingProxyType
from typing import Final, Literal

from openapi.common.types import Money
from openapi.decimals import text_of

_BY_PLACES: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF "
        "CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL "
        "HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU "
        "MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR "
        "SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED "
        "VES WST XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
PLACES: Final[Mapping[str, int]] = MappingProxyType(
    {currency: places for places, currencies in _BY_PLACES.items() for currency in currencies.split()}
)
"""The decimals of ISO 4217; a currency that is missing is not guessed."""
PRECISION: Final = 60
"""More digits than contracts can carry."""
Rounding = Literal["half_up", "half_even", "down"]
MODES: Final[Mapping[Rounding, str]] = MappingProxyType(
    {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "down": ROUND_DOWN}
)
MINUTES_AN_HOUR: Final = 60
EXACT: Final = Context(prec=PRECISION, traps=[Inexact])
"""What does not fit is a mistake, never a rounded amount."""
ROUNDING: Final = Context(prec=PRECISION)
"""Where rounding is meant, whoever calls: a sum that must be exact may be under way around it."""


def amount_of(money: Money) -> Decimal:
    """Return the amount as a number to calculate with."""
    return Decimal(money.amount)


def money(amount: Decimal, currency: str) -> Money:
    """Return the amount as contracts carry it; rounding was decided before."""
    return Money(amount=text_of(amount, PLACES[currency]), currency=currency)


def has_too_many_places(value: Money) -> bool:
    """Tell whether the amount is written with more decimals than its currency has."""
    return len(value.amount.partition(".")[2]) > PLACES.get(value.currency, 0)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum."""
    with localcontext(EXACT):
        return sum(amounts, Decimal(0))


def rounded(amount: Decimal, places: int, mode: Rounding) -> Decimal:
    """Return the amount with so many decimals, rounded once."""
    with localcontext(ROUNDING):
        return amount.quantize(Decimal(1).scaleb(-places), MODES[mode])


def net_of(*, minutes: int | None, quantity: Decimal, rate: Decimal, places: int, mode: Rounding) -> Decimal:
    """Return a line's net. Whole minutes go before the quantity: 20 minutes at 180.00 are 60.00, 0.3333 h are not."""
    with localcontext(ROUNDING):
        exact = quantity * rate if minutes is None else rate * minutes / MINUTES_AN_HOUR
    return rounded(exact, places, mode)


def split(amount: Decimal, shares: Sequence[Decimal], places: int) -> list[Decimal]:
    """Return a part for each share, in their proportion; the parts sum to the whole, to the last unit.

    By largest remainder: what rounding down leaves over goes, unit by unit, to those that lost most, the first first.
    """
    if not shares or min(shares) < 0 or not any(shares):
        raise ValueError("Shares are not negative, and one of them is more than nothing.")
    unit, whole = Decimal(1).scaleb(-places), total(shares)
    with localcontext(ROUNDING):
        exact = [amount * share / whole for share in shares]
        parts = [part.quantize(unit, ROUND_DOWN) for part in exact]
    missing = amount - total(parts)
    losers = sorted(range(len(parts)), key=lambda place: -abs(exact[place] - parts[place]))
    for place in losers[: int(abs(missing) / unit)]:
        parts[place] += unit.copy_sign(missing)
    return parts
