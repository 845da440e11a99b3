"""What is ready, in lines, as far as no hold stops it: what a request would come to just now. It writes nothing."""

from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.decimals import text_of
from process_apis.invoice_release import reading
from process_apis.invoice_release.order import ReleaseOrder
from process_apis.invoice_release.overriding import standing_on
from process_apis.invoice_release.pricing import Totals, totals_of
from process_apis.invoice_release.reading import Basis
from process_apis.invoice_release.rules import Exceeded, Held
from process_apis.invoice_release.selection import Grouped, LeftOut, Selection, group, select
from process_apis.ledger.entities import Entities
from process_apis.ledger.facts import Fact
from process_apis.ledger.mappings import Mappings
from process_apis.ledger.money import PLACES


class Picked(Struct, frozen=True, kw_only=True):
    """What would be on a request, in lines, and what not."""

    lines: list[Grouped]
    totals: Totals
    left_out: list[LeftOut]


async def pick(
    connection: AsyncConnection,
    basis: Basis,
    entities: Entities,
    mappings: Mappings,
    order: ReleaseOrder,
    extra: Sequence[Fact] = (),
) -> Picked:
    """Return what would be on a request just now; `extra` are facts that are not written yet.

    Raises Held with what it would come to, so that somebody can say for how much a hold is to be passed.
    """
    ready = [*(await reading.ready_facts(connection, order)), *extra]
    standing = await standing_on(connection, ready, order.key, basis.contract.currency)
    reversed_ids = await reading.reversed_among(connection, ready)
    choosing = partial(select, ready, reversed_ids=reversed_ids)
    summing = partial(_summed, basis, entities, mappings, order)
    exceeded: dict[str, Exceeded] = {}
    while True:
        selection = choosing(holds=standing.stopping(exceeded))
        if selection.stopping:
            amounts = _amounts_of(summing, choosing(holds=()), basis.contract.currency)
            raise Held(selection.stopping, exceeded, amounts)
        lines, totals = summing(selection)
        more = standing.exceeded_by(totals.net)
        if more.keys() <= exceeded.keys():
            break
        exceeded |= more  # What they hold is left out again: it was approved for less than comes together now.
    left_out = [*selection.left_out, *(await reading.out_of_reach(connection, order))]
    return Picked(lines=lines, totals=totals, left_out=left_out)


def _summed(
    basis: Basis, entities: Entities, mappings: Mappings, order: ReleaseOrder, selection: Selection
) -> tuple[list[Grouped], Totals]:
    """Return the lines and what they come to; raises Refused where that is nothing."""
    if not selection.chosen:
        raise Refused(Code.billing_not_billable, "Nothing of the contract is ready to be billed up to that day.")
    pricing = basis.pricing(basis.payer(order.customer), entities, mappings)
    titles = {line.number: line.description for line in basis.contract.lines}
    priced = [pricing.priced(fact) for fact in selection.chosen]
    lines = group(priced, titles=titles, key=lambda number: order.part(f"l{number}"))
    totals = totals_of([one.line for one in lines], pricing.entity, basis.contract.currency)
    if totals.net <= 0:
        raise Refused(Code.billing_not_billable, "What is ready comes to nothing, or to less. It waits for more.")
    return lines, totals


def _amounts_of(
    summing: Callable[[Selection], tuple[list[Grouped], Totals]], selection: Selection, currency: str
) -> dict[str, str]:
    """Return what would be invoiced if nothing were held; where that cannot be said, the hold is told all the same."""
    try:
        return amounts_of(summing(selection)[1], currency)
    except Refused:
        return {}


def amounts_of(totals: Totals, currency: str) -> dict[str, str]:
    """Return the totals as the request keeps them."""
    return {name: text_of(getattr(totals, name), PLACES[currency]) for name in ("net", "tax", "gross")}
