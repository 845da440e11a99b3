"""Taking facts back: what stands in the way, and the reversals, 1:1, at the original's rate."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Refused, Unavailable
from gateway.store.database import Store
from openapi.common.types import Code
from process_apis.ledger.caps import give_back
from process_apis.ledger.facts import (
    Billing,
    Fact,
    Kind,
    Posting,
    fact_id,
    move_facts,
    reversal_of,
    tb_fact,
    write_facts,
)
from process_apis.ledger.periods import accounting_date
from process_apis.time_transfer.looking_up import Around


class Obstacle(Struct, frozen=True, kw_only=True):
    """Why facts are not taken back."""

    code: Code
    detail: str


def obstacle_to(facts: Sequence[Fact]) -> Obstacle | None:
    """Return what stands in the way of taking the facts back: an invoice, or one that is being prepared."""
    if any(fact.billing is Billing.billed for fact in facts):
        return Obstacle(code=Code.entry_already_billed, detail="The time is billed. Credit its invoice first.")
    if any(fact.billing is Billing.on_request for fact in facts):
        detail = "The time is on an invoice that is being prepared. Recall it with `withdraw`, or cancel that invoice."
        return Obstacle(code=Code.entry_edited_after_post, detail=detail)
    return None


def reversals_of(store: Store, around: Around, facts: Sequence[Fact]) -> list[Fact]:
    """Return what takes the facts back, dated into a period that is open; raises Refused where there is none.

    Raises Unavailable where the ERP cannot be asked for its periods.
    """
    return [reversal_of(fact, fact_id(store), reversal_date(around, fact, store.now())) for fact in facts]


def reversal_date(around: Around, fact: Fact, now: datetime) -> date:
    """Return the original's day, or the first open one where its period is closed by now."""
    if fact.legal_entity in around.away:
        raise Unavailable(Code.upstream_unavailable, f"The ERP of {fact.legal_entity} cannot be asked just now.")
    periods = around.periods.get(fact.legal_entity)
    entity = around.entities.get(fact.legal_entity)
    if periods is None or entity is None:
        return fact.accounting_date
    return accounting_date(fact.accounting_date, periods, entity.period_policy, today=entity.today(now))


async def write_reversals(
    connection: AsyncConnection, store: Store, facts: Sequence[Fact], reversals: Sequence[Fact]
) -> list[Fact]:
    """Return the reversals that are to be posted, after all were written and what they gave free was given back.

    The facts are out of every invoice's reach from here on. Raises Refused where one went onto an invoice meanwhile.
    """
    mine = tb_fact.c.id.in_([fact.id for fact in facts])
    free = mine & tb_fact.c.billing.not_in([Billing.on_request.value, Billing.billed.value])
    # Locked before any is moved: a caller that goes on after the refusal has moved none.
    locked = await connection.execute(select(tb_fact.c.id).where(free).order_by(tb_fact.c.id).with_for_update())
    if len(locked.all()) != len(facts):
        raise Refused(Code.entry_edited_after_post, "The time went onto an invoice meanwhile. Look at it again.")
    await move_facts(connection, store, mine, billing=Billing.reversed.value, code=None, detail=None)
    await write_facts(connection, store, reversals)
    for fact in facts:
        if fact.kind is Kind.sale and fact.billing is not Billing.cap_failed:
            await give_back(connection, fact.contract, fact.contract_line, Decimal(fact.net), fact.currency)
    unposted = tb_fact.c.id.in_([one.reverses for one in reversals if one.posting is Posting.skipped])
    await move_facts(connection, store, unposted, posting=Posting.reversed.value)
    return [one for one in reversals if one.posting is Posting.posting]
