"""What goes on an invoice, and in which lines: grouped so that each net is the exact sum of its facts. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from openapi.common.types import Code
from openapi.decimals import text_of
from process_apis.ledger.facts import Fact, Kind
from process_apis.ledger.holds import Hold, Scope, ScopeType, scopes_of
from process_apis.ledger.money import MINUTES_AN_HOUR, rounded, total
from process_apis.ledger.requests import RequestLine

NARROW: Final = (ScopeType.contract_line, ScopeType.milestone, ScopeType.fact)
"""A hold on one of these takes what is in it off the invoice; a wider one stops the whole."""
QUANTITY_PLACES: Final = 4
PRICE_PLACES: Final = 2
HOUR: Final = "hour"


class LeftOut(Struct, frozen=True, kw_only=True):
    """A fact that is not on the request, and why."""

    fact: Fact
    code: Code
    detail: str


class Selection(Struct, frozen=True, kw_only=True):
    """What is on the request, and what is not."""

    chosen: list[Fact]
    left_out: list[LeftOut]
    stopping: list[Hold]
    """The holds for which nothing is on it at all."""


class Priced(Struct, frozen=True, kw_only=True):
    """A fact with what its invoice line says of it."""

    fact: Fact
    account: str
    tax_code: str
    tax_percent: Decimal


class Grouped(Struct, frozen=True, kw_only=True):
    """A line, and the facts that it sums."""

    line: RequestLine
    facts: list[Fact]


def select(ready: Sequence[Fact], *, holds: Sequence[Hold], reversed_ids: Collection[str] = ()) -> Selection:
    """Return the facts to be invoiced: without what takes each other back, and without what is held.

    `reversed_ids` are the facts for which a reversal exists, ready or not.
    """
    standing, taken_back = _standing(ready, reversed_ids)
    wide = [hold for hold in holds if hold.scope.type not in NARROW]
    if wide and standing:
        return Selection(chosen=[], left_out=taken_back, stopping=list(holds))
    held = {hold.scope: hold for hold in holds}
    stopped = [(fact, hold) for fact in standing if (hold := _hold_on(fact, held))]
    free = {fact.id for fact in standing} - {fact.id for fact, _ in stopped}
    left_out = [
        LeftOut(fact=fact, code=Code.billing_hold_active, detail=f"The hold {hold.id} is in force.")
        for fact, hold in stopped
    ]
    chosen = [fact for fact in standing if fact.id in free]
    return Selection(chosen=chosen, left_out=taken_back + left_out, stopping=[] if chosen else list(holds))


def _standing(ready: Sequence[Fact], reversed_ids: Collection[str]) -> tuple[list[Fact], list[LeftOut]]:
    """Return what is not taken back. A pair that cancels itself is no work for anybody: it is not told either."""
    ids = {fact.id for fact in ready}
    pairs = {fact.reverses for fact in ready if fact.reverses in ids}
    alone = [fact for fact in ready if fact.id not in pairs and fact.reverses not in pairs]
    waiting = [fact for fact in alone if fact.id in reversed_ids]
    detail = "It is taken back; the reversal is on its way into the books."
    left_out = [LeftOut(fact=fact, code=Code.entry_revision_stale, detail=detail) for fact in waiting]
    return [fact for fact in alone if fact.id not in reversed_ids], left_out


def _hold_on(fact: Fact, held: Mapping[Scope, Hold]) -> Hold | None:
    return next((held[scope] for scope in scopes_of([fact]) if scope in held), None)


def group(priced: Sequence[Priced], *, titles: Mapping[int, str], key: Callable[[int], str]) -> list[Grouped]:
    """Return the lines in the order of the contract's; a fee has a line of its own."""
    groups: dict[tuple[str, ...], list[Priced]] = {}
    for one in sorted(priced, key=lambda one: (one.fact.contract_line, one.fact.work_date, one.fact.id)):
        groups.setdefault(_alike(one), []).append(one)
    ordered = sorted(groups.values(), key=lambda alike: (alike[0].fact.contract_line, _alike(alike[0])))
    return [_line(number, alike, titles, key) for number, alike in enumerate(ordered, 1)]


def _alike(one: Priced) -> tuple[str, ...]:
    """Return what the facts of one line have in common."""
    fact = one.fact
    own = fact.source_id if fact.kind is Kind.fee else ""
    rate = text_of(Decimal(fact.rate))
    how = (str(fact.contract_line), fact.role or "", fact.item, fact.unit, rate, fact.split_percent or "")
    return (*how, one.account, one.tax_code, str(one.tax_percent), fact.erp_project_id, own)


def _line(number: int, alike: Sequence[Priced], titles: Mapping[int, str], key: Callable[[int], str]) -> Grouped:
    first, facts = alike[0], [one.fact for one in alike]
    fact = first.fact
    title = fact.description if fact.kind is Kind.fee else titles[fact.contract_line]
    line = RequestLine(
        key=key(number),
        number=number,
        contract_line=fact.contract_line,
        description=_described(title, facts),
        role=fact.role,
        quantity=text_of(quantity_of(facts)),
        unit=fact.unit,
        rate=_price(fact),
        net=total(Decimal(one.net) for one in facts),
        account=first.account,
        tax_code=first.tax_code,
        tax_percent=first.tax_percent,
        erp_project_id=fact.erp_project_id,
        facts=len(facts),
    )
    return Grouped(line=line, facts=facts)


def quantity_of(facts: Sequence[Fact]) -> Decimal:
    """Return how much was delivered; of whole minutes the hours, as far as four decimals tell them."""
    if all(fact.minutes is not None for fact in facts):
        return rounded(Decimal(minutes_of(facts)) / MINUTES_AN_HOUR, QUANTITY_PLACES, "half_up")
    return total(_signed(fact, Decimal(fact.quantity)) for fact in facts)


def minutes_of(facts: Sequence[Fact]) -> int:
    """Return how many minutes were worked; what is taken back counts against it."""
    return int(total(_signed(fact, Decimal(fact.minutes or 0)) for fact in facts))


def _signed(fact: Fact, amount: Decimal) -> Decimal:
    return -abs(amount) if Decimal(fact.net) < 0 else abs(amount)


def _described(title: str, facts: Sequence[Fact]) -> str:
    fact = facts[0]
    if fact.kind is Kind.fee:
        return title + _share(fact)
    return f"{title}: {_spelled(facts)} {fact.role or fact.item} at {_price(fact)}{_share(fact)}"


def _price(fact: Fact) -> str:
    """Return the rate with all its decimals, two at least."""
    plain = text_of(Decimal(fact.rate))
    return text_of(Decimal(fact.rate), max(len(plain.partition(".")[2]), PRICE_PLACES))


def _share(fact: Fact) -> str:
    return f", of which {text_of(Decimal(fact.split_percent))} %" if fact.split_percent else ""


def _spelled(facts: Sequence[Fact]) -> str:
    """Return how much, as a customer reads it: whole minutes stay whole."""
    if facts[0].unit == HOUR and all(fact.minutes is not None for fact in facts):
        minutes = minutes_of(facts)
        hours, rest = divmod(abs(minutes), MINUTES_AN_HOUR)
        parts = [f"{hours} h"] * bool(hours or not rest) + [f"{rest} min"] * bool(rest)
        return ("-" if minutes < 0 else "") + " ".join(parts)
    return f"{text_of(quantity_of(facts))} {facts[0].unit}"
