"""What stands in open breaks, in the series that it is watched by. Pure."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, localcontext

from msgspec import Struct

from gateway.telemetry.metrics import BREAKS, OPEN_BREAKS, Figures, series
from openapi.common.types import Money
from process_apis.ledger.money import EXACT, amount_of


class Break(Struct, frozen=True, kw_only=True):
    """One difference that is not explained, or mended, yet."""

    legal_entity: str
    category: str
    money: Money | None
    """How much is at stake; None where nobody knows."""


def shown(breaks: Iterable[Break]) -> Figures:
    """Return how many breaks there are, and the money that stands in them; a break is never hidden by another one."""
    numbers, sums = Counter[str](), dict[str, Decimal]()
    for one in breaks:
        place = {"legal_entity": one.legal_entity, "category": one.category}
        numbers[series(OPEN_BREAKS, **place)] += 1
        if one.money is not None:
            of = series(BREAKS, **place, currency=one.money.currency)
            with localcontext(EXACT):
                sums[of] = sums.get(of, Decimal(0)) + abs(amount_of(one.money))
    return {**numbers, **sums}
