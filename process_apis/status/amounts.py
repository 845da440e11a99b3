"""What a project brings, by where it stands: each amount as the contract defines it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final

from openapi.process.status.v1 import Amounts
from process_apis.ledger.facts import Billing, Fact, Kind, Posting
from process_apis.ledger.holds import Scope, scopes_of
from process_apis.ledger.money import money

SOLD: Final = (Kind.sale, Kind.fee)
IN_THE_BOOKS: Final = (Posting.posted, Posting.reversed)
"""What was taken back stays in the books, beside its reversal."""
AMOUNTS: Final = ("approved", "posted", "held", "ready", "requested", "billed", "paid")


def amounts_of(
    facts: Sequence[Fact], *, held: Collection[Scope], open_facts: Collection[str], paid: Mapping[str, Decimal]
) -> list[Amounts]:
    """Return the amounts of each currency.

    `held` are the scopes with a hold in force, `open_facts` the facts on requests that are not submitted.
    """
    sums: defaultdict[str, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(AMOUNTS, Decimal(0)))
    for fact in facts:
        for name in _names(fact, stopped=bool(held) and not set(held).isdisjoint(scopes_of([fact])), free=open_facts):
            sums[fact.currency][name] += Decimal(fact.net)
    for currency, amount in paid.items():
        sums[currency]["paid"] += amount
    return [_amounts(currency, sums[currency]) for currency in sorted(sums)]


def _names(fact: Fact, *, stopped: bool, free: Collection[str]) -> list[str]:
    names = ["approved"]
    if fact.kind is Kind.sale and fact.posting in IN_THE_BOOKS:
        names.append("posted")
    if fact.billing is Billing.billed:
        names.append("billed")
    elif fact.billing is Billing.ready and fact.code is None:  # With a code it is not what the PSA says any more.
        names.append("held" if stopped else "ready")
    elif fact.billing is Billing.on_request:
        names.append("held" if stopped and fact.id in free else "requested")
    return names


def _amounts(currency: str, sums: Mapping[str, Decimal]) -> Amounts:
    return Amounts(currency=currency, **{name: money(sums[name], currency) for name in AMOUNTS})
