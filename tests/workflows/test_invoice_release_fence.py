"""The race of holds with the fence, on both databases: whoever comes first wins, and both know who did."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from gateway.errors import Refused
from openapi.common.types import Code
from process_apis.invoice_release.fence import pass_fence
from process_apis.ledger.facts import Billing, Fact
from process_apis.ledger.hold_placing import find_holds
from process_apis.ledger.hold_requests import HoldState
from process_apis.ledger.holds import ScopeType, tb_billing_hold
from process_apis.ledger.requests import InvoiceRequest, RequestState, find_request
from tests.workflows.release_stage import Stage

ROUNDS = 25


@pytest.fixture
async def stage(url: str) -> AsyncIterator[Stage]:
    stage = Stage(url)
    yield await stage.prepare()
    await stage.close()


async def validated(stage: Stage) -> tuple[InvoiceRequest, Fact]:
    """Return a request that is about to pass the fence, and the fact on it."""
    stage.project, stage.contract = await stage.onboarded()
    fact = await stage.money.fact(stage.contract, billing=Billing.on_request)
    return await stage.money.request(stage.contract, [fact], RequestState.validated), fact


async def held(stage: Stage, kind: ScopeType, fact: Fact, after_s: float) -> str:
    """Return the id of a hold that was placed meanwhile."""
    await asyncio.sleep(after_s)
    ids = {
        ScopeType.customer: fact.customer,
        ScopeType.contract: fact.contract,
        ScopeType.contract_line: f"{fact.contract}-{fact.contract_line}",
        ScopeType.project: fact.project,
        ScopeType.fact: fact.id,
    }
    return await stage.hold(kind, ids[kind])


async def test_hold_stops_the_request_or_knows_that_it_comes_too_late(stage: Stage) -> None:
    kinds = [kind for kind in ScopeType if kind is not ScopeType.milestone]
    dice = random.Random(4)  # noqa: S311 - the same rounds in every run
    for number in range(ROUNDS):
        request, fact = await validated(stage)
        kind = kinds[number % len(kinds)]
        waits = dice.uniform(0, 0.004), dice.uniform(0, 0.004)

        through, hold_id = await asyncio.gather(
            stage.passes_fence(request, after_s=waits[0]), held(stage, kind, fact, waits[1])
        )

        async with stage.store.begin() as connection:
            (hold,) = await find_holds(connection, tb_billing_hold.c.id == hold_id)
            state = (await find_request(connection, request.id)).state
        assert state is (RequestState.submitted if through else RequestState.validated), kind
        assert hold.state is (HoldState.requested if through else HoldState.active), kind


async def test_request_that_is_sent_again_passes_the_fence_again_unless_a_hold_came(stage: Stage) -> None:
    request, fact = await validated(stage)

    first, again = await stage.passes_fence(request), await stage.passes_fence(request)
    await stage.hold(ScopeType.fact, fact.id)
    after_hold = await stage.passes_fence(request)

    assert (first, again, after_hold) == (True, True, False)


async def test_request_that_has_ended_does_not_pass(stage: Stage) -> None:
    stage.project, stage.contract = await stage.onboarded()
    fact = await stage.money.fact(stage.contract, billing=Billing.on_request)
    request = await stage.money.request(stage.contract, [fact], RequestState.cancelled)

    with pytest.raises(Refused) as refused:
        await pass_fence(stage.store, request.id)

    assert refused.value.code is Code.release_fence_lost


async def test_of_two_requests_that_exceed_the_purchase_order_together_one_passes(stage: Stage) -> None:
    stage.project, stage.contract = await stage.onboarded()
    facts = [await stage.money.fact(stage.contract, billing=Billing.on_request) for _ in range(2)]
    requests = [await stage.money.request(stage.contract, [fact], RequestState.validated) for fact in facts]
    await stage.change_contract(po_number="PO-1", po_limit="200.00")

    outcomes = await asyncio.gather(
        *(pass_fence(stage.store, request.id) for request in requests), return_exceptions=True
    )

    refused = [outcome for outcome in outcomes if outcome is not None]
    assert len(refused) == 1
    assert isinstance(refused[0], Refused)
    assert refused[0].code is Code.contract_po_exhausted
