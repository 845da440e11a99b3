"""How a decimal is written in contracts: plain digits, no exponent, nothing lost."""

from decimal import Decimal, Inexact, localcontext


def text_of(value: Decimal, places: int | None = None) -> str:
    """Return the number as text: with exactly so many decimals, or with as few as it needs.

    Raises `decimal.Inexact` where something would be lost: rounding is decided elsewhere, and before.
    """
    with localcontext(prec=60) as context:
        context.traps[Inexact] = True
        if places is not None:
            return f"{value.quantize(Decimal(1).scaleb(-places)):f}"
        plain = value.normalize()
        return f"{abs(plain) if plain.is_zero() else plain:f}"
