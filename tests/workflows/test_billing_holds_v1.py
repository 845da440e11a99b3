"""Version 1 of billing holds on version 2: the same holds, in its own words, found by its own filters."""

from collections.abc import AsyncIterator
from itertools import product

import pytest

from openapi.process.billing_holds import v1 as older
from openapi.process.billing_holds import v2 as newer
from process_apis.billing_holds import sweeps, v1
from process_apis.ledger.requests import RequestState, move_request
from tests.workflows.hold_stage import Stage

POSTED = {"state": "posted", "invoice_id": "7", "invoice_number": "R7"}


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[Stage]:
    """One hold in each state that there is."""
    stage = Stage(sqlite_url)
    await stage.prepare()
    today = stage.clock().date()
    over = await stage.place("contract", stage.contract.id, reference="over", until=today)
    stage.clock.forward(86_400)
    await sweeps.settle(stage.store)
    lifted = await stage.place(reference="lifted")
    await stage.lift(lifted)
    await stage.place("customer", stage.project.customer, reference="active")
    facts = [await stage.money.fact(stage.contract) for _ in range(2)]
    for fact, reference in zip(facts, ("requested", "too_late"), strict=True):
        request = await stage.money.request(stage.contract, [fact], RequestState.submitted)
        await stage.place("fact", fact.id, reference=reference)
        if reference == "too_late":
            async with stage.store.begin() as connection:
                await move_request(connection, stage.store, request.id, **POSTED)
    await sweeps.settle(stage.store)
    assert over.state is newer.HoldState.in_force
    yield stage
    await stage.close()


async def listed(stage: Stage, **filters: object) -> list[older.Hold]:
    asked = dict.fromkeys(("scope_type", "scope_id", "project", "state", "in_force", "cursor"))
    page = await v1.list_holds(
        store=stage.store,
        caller=stage.caller,
        cursors=stage.cursors,
        **asked | {"limit": 20} | filters,  # type: ignore[arg-type]  # Each is one of its parameters.
    )
    return page.items


async def test_every_state_has_its_hold(stage: Stage) -> None:
    found = {hold.reference: hold.state.value for hold in await listed(stage)}

    assert found == {
        "requested": "requested",
        "active": "active",
        "too_late": "too_late",
        "lifted": "lifted",
        "over": "expired",
    }


async def test_filters_find_what_they_say(stage: Stage) -> None:
    every = await listed(stage)

    for state, in_force in product([None, *older.HoldState], [None, True, False]):
        found = await listed(stage, state=state, in_force=in_force)

        wanted = [
            hold for hold in every if state in {None, hold.state} and (in_force is None or hold.in_force is in_force)
        ]
        assert found == wanted, (state, in_force)


async def test_cursor_leads_through_all(stage: Stage) -> None:
    seen, cursor = list[str](), None
    while True:
        asked = dict.fromkeys(("scope_type", "scope_id", "project", "state", "in_force"))
        page = await v1.list_holds(
            store=stage.store,
            caller=stage.caller,
            cursors=stage.cursors,
            **asked | {"limit": 2, "cursor": cursor},  # type: ignore[arg-type]  # Each is one of its parameters.
        )
        seen += [hold.id for hold in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == [hold.id for hold in await listed(stage)]
    assert len(seen) == 5


async def test_one_hold_is_placed_read_and_lifted_by_either_version(stage: Stage) -> None:
    scope = older.HoldScope(type=older.HoldScopeType.project, id=stage.project.id)
    body = older.NewHold(scope=scope, reason_code=older.HoldReason.quality, reference="CASE-1")
    given = {"store": stage.store, "engine": stage.engine, "caller": stage.caller, "wait_s": None}
    placed = await v1.place_hold(**given, correlation_id="cor_1", body=body)  # type: ignore[arg-type]

    met = await stage.place(reason_code=newer.HoldReason.quality, reference="CASE-1")
    lifted = await v1.lift_hold(**given, hold_id=met.id, body=older.HoldLift(reason="Settled."))  # type: ignore[arg-type]

    assert (placed.id, placed.state, placed.in_force) == (met.id, older.HoldState.requested, True)
    assert (lifted.state, lifted.in_force) == (older.HoldState.lifted, False)
    assert lifted.lifted
    assert lifted.lifted.reason == "Settled."
    assert await v1.get_hold(store=stage.store, caller=stage.caller, hold_id=met.id) == lifted
    assert (await stage.get(met)).state is newer.HoldState.lifted
