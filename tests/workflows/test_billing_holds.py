"""Holds as their callers and the PSA's users meet them: in force at once, shown where there is a flag for it."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta

import pytest
from msgspec.structs import replace

from gateway.caller import INSTALLATION, Caller
from gateway.errors import Refused, Unavailable
from gateway.store import business_events, work_items
from gateway.store.pages import Window
from openapi.common.types import Code, Money, OwnerQueue
from openapi.process.billing_holds.v2 import (
    Hold,
    HoldDimensions,
    HoldOutcome,
    HoldReason,
    HoldScopeType,
    HoldStanding,
    HoldState,
)
from process_apis.billing_holds import sweeps
from process_apis.billing_holds.reviewing import keep
from process_apis.ledger.hold_observing import observe_holds
from process_apis.ledger.requests import RequestState, move_request
from tests.fakes.psa import CAPABILITIES, FakePsa
from tests.workflows.hold_stage import CRM, Stage

ACK_WITHIN_S = 60.0
DAY_S = 86_400.0


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[Stage]:
    stage = Stage(sqlite_url)
    await stage.prepare()
    yield stage
    await stage.close()


async def test_hold_is_in_force_when_it_is_answered_and_shown_in_the_psa_after_that(stage: Stage) -> None:
    async with stage.working():
        hold = await stage.place(note="The hours of October.")

    assert (hold.state, hold.outcome) == (HoldState.in_force, HoldOutcome.in_time)
    assert {(ack.connection, ack.state.value, ack.held) for ack in hold.acks} == {
        ("books", "skipped", None),
        ("delivery", "acked", True),
    }
    held, note = await stage.flag()
    assert held
    assert note == "Billing held by crm since 2026-11-24, dispute: The hours of October. Review on 2026-12-08."


async def test_flag_goes_with_the_last_hold(stage: Stage) -> None:
    async with stage.working():
        first = await stage.place(reference="1")
        second = await stage.place("contract_line", f"{stage.contract.id}-1", reference="2")
        await stage.lift(first)
        between = await stage.flag()
        lifted = await stage.lift(second)

    assert between[0]
    assert await stage.flag() == (False, None)
    assert lifted.lifted
    assert (lifted.state, lifted.lifted.by, lifted.lifted.reason) == (HoldState.lifted, "crm", "It is settled.")


async def test_psa_without_flags_is_skipped(sqlite_url: str) -> None:
    psa = FakePsa(replace(CAPABILITIES, hold_flag=False))
    stage = Stage(sqlite_url, psa)
    await stage.prepare()
    async with stage.working():
        hold = await stage.place()
    await stage.observe()

    assert [ack.state.value for ack in hold.acks] == ["skipped", "skipped"]
    assert psa.calls["get_hold_flag"] == 0
    await stage.close()


async def test_same_hold_is_met_and_told_once(stage: Stage) -> None:
    async with stage.working():
        first, again = await stage.place(), await stage.place()

    assert again.id == first.id
    assert stage.psa.effects["set_hold_flag"] == 1


async def test_system_that_does_not_confirm_in_time_is_somebody_s_to_look_at(stage: Stage) -> None:
    await stage.money.fact(stage.contract)
    hold = await stage.place()
    await sweeps.push_what_is_left(stage.store, stage.engine, ACK_WITHIN_S)
    early = (await work_items.list_all(stage.store, INSTALLATION, Window())).items
    stage.clock.forward(ACK_WITHIN_S)
    for _ in range(2):
        await sweeps.push_what_is_left(stage.store, stage.engine, ACK_WITHIN_S)

    (item,) = (await work_items.list_all(stage.store, INSTALLATION, Window())).items

    assert early == []
    assert (item.code, item.trace_key, item.attempts) == (Code.billing_ack_missing, hold.business_key, 1)
    assert "delivery" in item.detail
    assert item.deadline == hold.placed_at + timedelta(seconds=ACK_WITHIN_S)
    assert item.amount_at_risk == Money(amount="120.00", currency="EUR")
    async with stage.working():
        await stage.place()
    assert (await work_items.list_all(stage.store, INSTALLATION, Window())).items == []


async def test_hold_whose_process_was_never_asked_for_is_pushed(stage: Stage) -> None:
    await stage.flag_by_hand(held=True)
    await stage.observe()
    (theirs,) = (await stage.find()).items

    await sweeps.push_what_is_left(stage.store, stage.engine, ACK_WITHIN_S)
    stage.caller = INSTALLATION
    async with stage.working():
        await stage.place(reference="another")

    assert [ack.state.value for ack in (await stage.get(theirs)).acks if ack.connection == "delivery"] == ["acked"]


async def test_flag_that_somebody_sets_is_a_hold_and_its_end_lifts_it(stage: Stage) -> None:
    await stage.flag_by_hand(held=True)
    await stage.observe()
    await stage.observe()
    (hold,) = (await stage.find(state=HoldStanding.in_force)).items
    await stage.flag_by_hand(held=False)
    await stage.observe()

    gone = await stage.get(hold)

    assert (hold.placed_in, hold.placed_by, hold.reason_code) == ("delivery", "delivery", HoldReason.other)
    assert hold.note == "Wait for the order."
    assert gone.lifted
    assert (gone.state, gone.lifted.by) == (HoldState.lifted, "delivery")


async def test_flag_of_ours_that_somebody_clears_is_set_again(stage: Stage) -> None:
    async with stage.working():
        hold = await stage.place()
        await stage.flag_by_hand(held=False)
        await stage.observe()
        await sweeps.push_what_is_left(stage.store, stage.engine, ACK_WITHIN_S)
        again = await stage.place()

    assert again.id == hold.id
    assert (await stage.flag())[0]
    told = await business_events.list_all(stage.store, INSTALLATION, Window(), subject=hold.id)
    assert "tiebeam.billing_hold.flag_restored.v1" in [event.type for event in told.items]


async def test_flag_that_we_are_about_to_change_says_nothing(stage: Stage) -> None:
    await stage.place()

    await stage.observe()

    assert len((await stage.find()).items) == 1


async def test_project_that_is_gone_in_the_psa_holds_nothing(stage: Stage) -> None:
    stranger = await stage.money.project()

    await observe_holds(stage.store, stage.landscape, [stranger.id])

    assert (await stage.find()).items == []


async def test_sweep_reads_flags_of_what_is_to_be_billed_and_asks_no_further_who_is_away(stage: Stage) -> None:
    await stage.money.fact(stage.contract)
    await stage.money.fact(await stage.money.contract(await stage.money.project()))
    await stage.flag_by_hand(held=True)
    stage.psa.away = True
    await sweeps.observe(stage.store, stage.landscape)
    asked = stage.psa.calls["get_hold_flag"]
    with pytest.raises(Unavailable):
        await stage.observe()
    stage.psa.away = False

    await sweeps.observe(stage.store, stage.landscape)

    assert asked == 1
    assert [hold.placed_in for hold in (await stage.find()).items] == ["delivery"]


async def test_project_whose_psa_refuses_does_not_keep_the_sweep_from_others(stage: Stage) -> None:
    await stage.money.fact(await stage.money.contract(await stage.money.project(legal_entity="FR01")))
    await stage.money.fact(stage.contract)
    await stage.flag_by_hand(held=True)

    await sweeps.observe(stage.store, stage.landscape)

    assert len((await stage.find()).items) == 1


async def test_sweep_tells_what_was_missed_and_ends_what_is_over(stage: Stage) -> None:
    today = stage.clock().date()
    request = await stage.money.request(
        stage.contract, [await stage.money.fact(stage.contract)], RequestState.submitted
    )
    pending = await stage.place(until=today)
    async with stage.store.begin() as connection:
        posted = {"state": "posted", "invoice_id": "7", "invoice_number": "R7"}
        await move_request(connection, stage.store, request.id, **posted)
    await sweeps.settle(stage.store)
    late = await stage.get(pending)
    stage.clock.forward(timedelta(days=1).total_seconds())
    await sweeps.settle(stage.store)

    over = await stage.get(pending)

    assert (pending.outcome, pending.requests[0].effect.value) == (HoldOutcome.pending, "pending")
    assert (late.state, late.outcome, late.requests[0].invoice_number) == (
        HoldState.in_force,
        HoldOutcome.too_late,
        "R7",
    )
    assert over.state is HoldState.expired


async def test_hold_that_nobody_looks_at_again_is_asked_about_until_it_is_kept_or_lifted(stage: Stage) -> None:
    await stage.money.fact(stage.contract)
    hold = await stage.place(review_date=stage.clock().date())
    await sweeps.settle(stage.store)
    early = await stage.open_items()
    stage.clock.forward(DAY_S)
    for _ in range(2):
        await sweeps.settle(stage.store)

    (item,) = await stage.open_items()
    await keep(stage.store, stage.engine, item)
    kept = await stage.get(hold)
    await sweeps.settle(stage.store)
    looked_at = await stage.open_items()
    stage.clock.forward(15 * DAY_S)
    await sweeps.settle(stage.store)
    again = await stage.open_items()
    await stage.lift(hold)
    await sweeps.settle(stage.store)

    assert (early, looked_at, await stage.open_items()) == ([], [], [])
    assert (item.code, item.owner_queue, item.attempts) == (Code.billing_hold_active, OwnerQueue.Finance_Ops, 1)
    assert (item.amount_at_risk, item.deadline) == (Money(amount="120.00", currency="EUR"), midnight_after(hold))
    assert kept.review_date == stage.clock().date() - timedelta(days=1)
    assert [one.trace_key for one in again] == [item.trace_key]


def midnight_after(hold: Hold) -> datetime:
    """Return the end of the day on which the hold was to be looked at."""
    return datetime.combine(hold.review_date + timedelta(days=1), time(), UTC)


async def test_schedules_are_named_for_ever(stage: Stage) -> None:
    found = sweeps.schedules(stage.store, stage.engine, stage.landscape)

    assert [one.name for one in found] == ["billing_holds.push", "billing_holds.settle", "billing_holds.observe"]


async def test_lists_are_filtered(stage: Stage) -> None:
    fact = await stage.money.fact(stage.contract)
    one = await stage.place("fact", fact.id)
    stage.clock.forward(1)
    payer = await stage.place("customer", stage.project.customer, dimensions=HoldDimensions.both)
    stage.clock.forward(1)
    elsewhere = await stage.place(thing=(await stage.money.project()).id)
    await stage.lift(one)

    async def ids(**filters: object) -> list[str]:
        return [hold.id for hold in (await stage.find(**filters)).items]

    assert await ids() == [elsewhere.id, payer.id, one.id]
    assert await ids(project=stage.project.id) == [payer.id, one.id]
    assert await ids(project="prj_00000000000000000000000000") == []
    assert await ids(state=HoldStanding.ended) == [one.id]
    assert await ids(state=HoldStanding.in_force, project=stage.project.id) == [payer.id]
    assert await ids(scope_type=HoldScopeType.fact, scope_id=fact.id) == [one.id]
    assert await ids(state=HoldStanding.lifted) == [one.id]
    with pytest.raises(Refused):
        await ids(scope_id=fact.id)


@pytest.mark.parametrize(
    "claims",
    [
        {"legal_entities": frozenset({"DE01"})},
        {"customers": frozenset({"cus_other"})},
        {"projects": frozenset({"prj_other"})},
    ],
)
async def test_what_is_not_seen_is_answered_like_what_is_not_there(stage: Stage, claims: dict[str, object]) -> None:
    hold = await stage.place()
    stage.caller = replace(CRM, **claims)

    with pytest.raises(Refused) as not_held:
        await stage.place()
    with pytest.raises(Refused) as not_found:
        await stage.get(hold)
    with pytest.raises(Refused) as not_lifted:
        await stage.lift(hold)

    assert (not_held.value.code, not_held.value.violations[0].pointer) == (Code.hold_scope_unknown, "#/scope/id")
    assert {not_found.value.code, not_lifted.value.code} == {Code.resource_not_found}
    assert (await stage.find()).items == []


async def test_customer_is_not_held_by_who_sees_some_of_its_projects_only(stage: Stage) -> None:
    stage.caller = replace(CRM, projects=frozenset({stage.project.id}))
    with pytest.raises(Refused) as refused:
        await stage.place("customer", stage.project.customer)

    assert refused.value.code is Code.hold_scope_unknown


async def test_customer_of_several_entities_is_held_by_who_sees_all(stage: Stage) -> None:
    project = await stage.money.project(customer="both")
    await stage.money.project(customer="both", legal_entity="DE01")
    everybody = await stage.place("customer", project.customer)
    stage.caller = replace(CRM, legal_entities=frozenset({"ES01", "DE01"}))
    with pytest.raises(Refused) as refused:
        await stage.place("customer", project.customer)

    assert (everybody.legal_entity, everybody.project) == (None, None)
    assert refused.value.code is Code.auth_entity_not_allowed


@pytest.mark.parametrize(("scopes", "may"), [(frozenset[str](), False), (frozenset({"holds:override"}), True)])
async def test_hold_is_lifted_by_who_placed_it_or_may_override(
    stage: Stage, scopes: frozenset[str], *, may: bool
) -> None:
    hold = await stage.place()
    stage.caller = Caller(
        client_id="finance", subject="finance", scopes=scopes, legal_entities="*", customers="*", projects="*"
    )
    if not may:
        with pytest.raises(Refused) as refused:
            await stage.lift(hold)
        assert refused.value.code is Code.auth_scope_missing

    assert (await stage.lift(hold) if may else await stage.get(hold)).state is (
        HoldState.lifted if may else HoldState.in_force
    )


async def test_notes_are_for_colleagues_and_for_who_wrote_them(stage: Stage) -> None:
    hold = await stage.place(note="They never pay.", reference="CASE-77")
    portal = {"customers": frozenset({stage.project.customer})}
    stage.caller = replace(CRM, **portal)
    own = await stage.get(hold)
    stage.caller = replace(CRM, client_id="portal", **portal)

    theirs = await stage.get(hold)

    assert (own.note, own.reference) == ("They never pay.", "CASE-77")
    assert (theirs.note, theirs.reference) == (None, None)


async def test_day_that_is_over_is_refused(stage: Stage) -> None:
    with pytest.raises(Refused) as refused:
        await stage.place(until=date(2026, 11, 23))

    assert [violation.pointer for violation in refused.value.violations] == ["#/until"]
