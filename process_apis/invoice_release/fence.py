"""The fence before the pivot: what may stop the invoice, and that it is submitted, in one transaction.

Holds are stored under the locks that are taken here. Whichever comes first, the other one sees it.
"""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Refused
from gateway.store.database import Store
from openapi.common.types import Code, Outcome
from process_apis.invoice_release import reading, rules
from process_apis.invoice_release.noting import noting
from process_apis.invoice_release.overriding import standing_on
from process_apis.ledger.facts import Billing, Fact, by_id, tb_fact
from process_apis.ledger.hold_overrides import Override, note_passed
from process_apis.ledger.holds import lock_scopes, scopes_of
from process_apis.ledger.requests import (
    InvoiceRequest,
    RequestState,
    facts_of,
    find_request,
    move_request,
)

PASSES = (RequestState.validated, RequestState.submitted)
"""A request that is submitted passes again: its first send may have got lost, and a hold may have come since."""


@noting
async def pass_fence(store: Store, request_id: str) -> None:
    """Return once the request is submitted: from here on a hold comes too late. Otherwise nothing is sent.

    Raises Held, or Refused where contract, purchase order or facts are not what they were when it was selected.
    """
    async with store.begin() as connection:
        scopes = scopes_of(await facts_on(connection, request_id))
    async with store.begin() as connection:
        # What the facts are in never changes; all else is read once the locks are there.
        await lock_scopes(connection, scopes)
        request = await find_request(connection, request_id)
        facts = await facts_on(connection, request_id)
        overrides = await refuse_held(connection, request, facts)
        await _refuse_changed(connection, request, facts)
        await note_passed(connection, overrides, request_id)
        submitted = {"state": RequestState.submitted.value, "outcome": Outcome.uncertain.value}
        at = request.submitted_at or store.now()
        await move_request(connection, store, request_id, **submitted, submitted_at=at)


async def facts_on(connection: AsyncConnection, request_id: str) -> list[Fact]:
    """Return the facts of the request, in the order of its lines."""
    ids = (await facts_of(connection, [request_id]))[request_id]
    known = await by_id(connection, ids)
    return [known[fact_id] for fact_id in ids]


async def refuse_held(connection: AsyncConnection, request: InvoiceRequest, facts: Sequence[Fact]) -> list[Override]:
    """Return the overrides by which the request passes the holds on its facts; raises Held where one stops it."""
    standing = await standing_on(connection, facts, request.business_key, request.currency)
    return standing.passing(Decimal(request.net))


async def _refuse_changed(connection: AsyncConnection, request: InvoiceRequest, facts: Sequence[Fact]) -> None:
    contract = await reading.contract_of(connection, request.contract)
    rules.refuse(rules.of_contract(contract, request.contract_version))
    # Under the contract's lock: of two requests that together exceed the purchase order, the first one passes.
    invoiced = await reading.invoiced_of(connection, request.contract, but=request.id)
    net, on = Decimal(request.net), request.through
    rules.refuse(rules.of_purchase_order(contract, invoiced=invoiced, net=net, on=on))
    if request.state not in PASSES or not await _unchanged(connection, facts):
        raise Refused(Code.release_fence_lost, "What the invoice was built from has changed. Release again.")


async def _unchanged(connection: AsyncConnection, facts: Sequence[Fact]) -> bool:
    ids = [fact.id for fact in facts]
    taken_back = select(tb_fact.c.id).where(tb_fact.c.reverses.in_(ids), tb_fact.c.id.not_in(ids))
    # A fact with a code is not what the PSA says any more.
    on_it = bool(facts) and all(fact.billing is Billing.on_request and fact.code is None for fact in facts)
    return on_it and (await connection.execute(taken_back.limit(1))).one_or_none() is None
