"""Whether an invoice is like the contract's others, and not too much of one project on one day. Pure.

Work is compared, which is billed by time or use. An agreed amount, a milestone or a part of a fixed price, was signed:
that it is due is not unusual, and it is no measure for work.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext

from msgspec import Struct

from openapi.common.types import Code, Violation
from openapi.decimals import text_of
from process_apis.ledger.facts import Fact, Kind
from process_apis.ledger.money import PLACES, ROUNDING, rounded, total


class ReleaseSettings(Struct, frozen=True, kw_only=True):
    """When an invoice needs a second person; an installation may set each."""

    unusual_percent: int = 0
    """Of the average of the last invoices; with 0 nothing is compared."""
    unusual_after: int = 3
    """So many invoices there have to be before one is compared with them."""
    trailing: int = 6
    """The average is of so many at most, the last ones."""
    lines_per_project_and_day: int = 0
    """With 0 they are not counted."""


class Usual(Struct, frozen=True, kw_only=True):
    """What a request is compared with."""

    billed: list[Decimal]
    """What the work came to on each of the last invoices of the contract that the payer got, as far as they had any."""
    lines_today: int
    """On invoices of the project that were posted today, or are on their way."""
    approved: list[Decimal]
    """Up to which amounts of work somebody has approved a request of the same key."""


def work_on(facts: Iterable[Fact]) -> Decimal:
    """Return what comes of work among the facts: what was agreed as an amount is left out."""
    return total(Decimal(fact.net) for fact in facts if fact.kind is Kind.sale)


def unusual(work: Decimal, lines: int, usual: Usual, settings: ReleaseSettings, currency: str) -> list[Violation]:
    """Return what is not as usual; nothing, where somebody has approved as much."""
    if any(work <= most for most in usual.approved):
        return []
    return [
        *_of_work(work, usual.billed, settings, PLACES[currency]),
        *_of_lines(lines + usual.lines_today, settings.lines_per_project_and_day),
    ]


def most_usual(billed: Sequence[Decimal], percent: int, places: int) -> Decimal:
    """Return the largest amount that is not more than so many per cent of the average."""
    with localcontext(ROUNDING):
        exact = total(billed) * percent / (100 * len(billed))
    return rounded(exact, places, "down")


def _of_work(work: Decimal, billed: Sequence[Decimal], settings: ReleaseSettings, places: int) -> list[Violation]:
    if not settings.unusual_percent or len(billed) < settings.unusual_after:
        return []
    most = most_usual(billed, settings.unusual_percent, places)
    if most <= 0 or work <= most:  # Where as much was taken back as billed, the average is no measure.
        return []
    detail = (
        f"Its work is more than {settings.unusual_percent} % of the average of the last {len(billed)} invoices of the "
        "contract to the payer."
    )
    return [_violation(detail, expected=f"{text_of(most, places)} at most", actual=text_of(work, places))]


def _of_lines(lines: int, most: int) -> list[Violation]:
    if not most or lines <= most:
        return []
    detail = "With it the project is invoiced more lines on one day than is usual."
    return [_violation(detail, expected=f"{most} at most", actual=str(lines))]


def _violation(detail: str, *, expected: str, actual: str) -> Violation:
    return Violation(code=Code.invoice_unusual, pointer="#", detail=detail, expected=expected, actual=actual)
