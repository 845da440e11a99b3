"""One invoice is let past a hold: two people say so, for one key and one amount, and the hold stays in force."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.store import business_events
from gateway.store.pages import Window
from openapi.common.types import Code
from openapi.process.billing_holds.v2 import Hold, HoldOverride, HoldOverrideState, HoldState, NewHoldOverride
from openapi.process.invoice_release.v1 import PreviewState, ReleaseRequest, RequestState
from process_apis.billing_holds import v2
from process_apis.ledger.facts import Billing, Fact
from process_apis.ledger.holds import ScopeType
from process_apis.ledger.requests import InvoiceRequest, find_request, move_request
from process_apis.ledger.requests import RequestState as At
from tests.workflows.held import COLLEAGUE, asked_for, held_request
from tests.workflows.release_stage import Stage

BEN = replace(COLLEAGUE, client_id="finance", subject="ben.ito")
ROUNDS = 6
AGREED = "The customer disputes October; this is agreed."


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[Stage]:
    stage = Stage(sqlite_url)
    yield await stage.prepare()
    await stage.close()


async def ask(
    stage: Stage, hold_id: str, key: str, *, caller: Caller = COLLEAGUE, reason: str = AGREED
) -> HoldOverride:
    body = NewHoldOverride(business_key=key, reason=reason)
    return await v2.override_hold(store=stage.store, caller=caller, hold_id=hold_id, body=body)


async def approve(stage: Stage, override: HoldOverride, *, caller: Caller = BEN, after_s: float = 0) -> HoldOverride:
    await asyncio.sleep(after_s)
    named = {"hold_id": override.hold_id, "override_id": override.id}
    return await v2.approve_override(store=stage.store, caller=caller, **named)


async def withdraw(stage: Stage, override: HoldOverride, *, caller: Caller = BEN) -> HoldOverride:
    named = {"hold_id": override.hold_id, "override_id": override.id}
    return await v2.withdraw_override(store=stage.store, caller=caller, **named)


async def hold_of(stage: Stage, hold_id: str, caller: Caller = BEN) -> Hold:
    return await v2.get_hold(store=stage.store, caller=caller, hold_id=hold_id)


async def held(stage: Stage) -> tuple[str, ReleaseRequest]:
    """Return a hold on the customer, and the request that it has stopped."""
    hold_id = await stage.hold(ScopeType.customer, stage.contract.customer)
    return hold_id, await stage.released()


async def let_past(stage: Stage, hold_id: str, key: str) -> HoldOverride:
    return await approve(stage, await ask(stage, hold_id, key))


def code_of(refused: pytest.ExceptionInfo[Refused]) -> Code:
    return refused.value.code


async def test_approved_request_is_posted_once_and_the_hold_stays_in_force(stage: Stage) -> None:
    await stage.work()
    async with stage.working():
        hold_id, stopped = await held(stage)
        asked = await ask(stage, hold_id, stopped.business_key)
        still = await stage.released()
        approved = await approve(stage, asked)
        before = await hold_of(stage, hold_id)
        posted = await stage.released()
        await stage.work()
        following = await stage.released()
    hold = await hold_of(stage, hold_id)

    assert (stopped.state, still.state, posted.state) == (RequestState.held, RequestState.held, RequestState.posted)
    assert (asked.state, approved.state) == (HoldOverrideState.requested, HoldOverrideState.approved)
    assert (asked.net.amount, asked.net.currency) == ("120.00", "EUR")
    assert stopped.expected
    assert stopped.expected.net == asked.net
    assert (posted.business_key, following.state) == (stopped.business_key, RequestState.held)
    assert (len(stage.erp.live_invoices(stopped.business_key)), stage.erp.effects["create_invoice"]) == (1, 1)
    assert hold.state is HoldState.in_force
    assert hold.version > before.version
    assert hold.updated_at > before.updated_at
    (used,) = hold.overrides
    assert posted.invoice
    assert (used.state, used.invoice_number) == (HoldOverrideState.used, posted.invoice.number)
    assert (used.requested_by, used.approved_by, used.reason) == ("ana.ruiz", "ben.ito", AGREED)


async def test_override_is_told_with_who_and_why_and_changes_the_hold_s_version(stage: Stage) -> None:
    hold_id, stopped, _ = await stopped_by_hand(stage)
    before = await hold_of(stage, hold_id)

    await let_past(stage, hold_id, stopped.business_key)

    assert (await hold_of(stage, hold_id)).version == before.version + 2
    told = await stage.events("tiebeam.billing_hold.overridden.v1")
    assert [(one["invoice"], one["net"], one["requested_by"], one["approved_by"], one["why"]) for one in told] == [
        (stopped.business_key, "120.00", "ana.ruiz", "ben.ito", AGREED)
    ]
    asked = "tiebeam.billing_hold.override_requested.v1"
    (event,) = (await business_events.list_all(stage.store, BEN, Window(), type=asked)).items
    assert (event.subject, event.actor) == (hold_id, COLLEAGUE.client_id)


@pytest.mark.parametrize(
    ("second", "may"),
    [
        (COLLEAGUE, False),
        (replace(COLLEAGUE, client_id="portal"), False),
        (replace(COLLEAGUE, issuer="https://partner.example"), True),
        (BEN, True),
    ],
    ids=["same", "same person through another client", "another issuer's of that name", "another"],
)
async def test_it_takes_a_second_person(stage: Stage, second: Caller, *, may: bool) -> None:
    hold_id, stopped, _ = await stopped_by_hand(stage)
    asked = await ask(stage, hold_id, stopped.business_key)
    if not may:
        with pytest.raises(Refused) as refused:
            await approve(stage, asked, caller=second)
        assert code_of(refused) is Code.auth_four_eyes_required
    approved = await approve(stage, asked, caller=second) if may else asked

    (shown,) = (await hold_of(stage, hold_id)).overrides

    assert shown == approved
    assert shown.state is (HoldOverrideState.approved if may else HoldOverrideState.requested)


async def test_asking_and_approving_again_change_nothing(stage: Stage) -> None:
    hold_id, stopped, _ = await stopped_by_hand(stage)
    asked = await ask(stage, hold_id, stopped.business_key)
    again = await ask(stage, hold_id, stopped.business_key)
    approved = await approve(stage, asked)
    version = (await hold_of(stage, hold_id)).version
    third = await approve(stage, asked, caller=replace(BEN, subject="chloe.martin"))

    assert again == asked
    assert third == approved
    assert (await hold_of(stage, hold_id)).version == version
    for other in ({"reason": "It is not."}, {"caller": BEN}):
        with pytest.raises(Refused) as refused:
            await ask(stage, hold_id, stopped.business_key, **other)  # type: ignore[arg-type]  # Either is one.
        assert code_of(refused) is Code.process_payload_conflict


async def test_what_the_hold_does_not_stop_cannot_be_let_past(stage: Stage) -> None:
    hold_id, stopped, _ = await stopped_by_hand(stage)
    other = await stage.hold(ScopeType.contract, stage.contract.id)
    stranger = replace(COLLEAGUE, projects=frozenset({"prj_1"}))

    for named in ((hold_id, "inv_nobody_1"), (other, stopped.business_key)):
        with pytest.raises(Refused) as refused:
            await ask(stage, *named)
        assert code_of(refused) is Code.hold_request_not_held
        assert [one.pointer for one in refused.value.violations] == ["#/business_key"]
    for caller, hold in ((COLLEAGUE, "hld_none"), (stranger, hold_id)):
        with pytest.raises(Refused) as refused:
            await ask(stage, hold, stopped.business_key, caller=caller)
        assert code_of(refused) is Code.resource_not_found


async def test_request_that_the_caller_may_not_see_is_none(stage: Stage) -> None:
    hold_id, request, _ = await stopped_by_hand(stage)
    portal = replace(BEN, customers=frozenset({"cus_other"}))

    asked = await asked_for(stage.store, hold_id, request.business_key)

    with pytest.raises(Refused) as refused:
        await v2.approve_override(store=stage.store, caller=portal, hold_id=hold_id, override_id=asked.id)
    assert code_of(refused) is Code.resource_not_found
    with pytest.raises(Refused) as refused:
        await v2.approve_override(store=stage.store, caller=BEN, hold_id=hold_id, override_id="hov_none")
    assert code_of(refused) is Code.resource_not_found


async def test_request_whose_amount_is_not_known_or_that_was_sent_since_is_refused(stage: Stage) -> None:
    hold_id, request, fact = await stopped_by_hand(stage)
    unknown = await stage.money.request(stage.contract, [fact], At.held, holds=request.holds, net="0")
    await stage.money.request(stage.contract, [fact], At.posted, business_key=request.business_key, attempt=2)

    for key in (unknown.business_key, request.business_key):
        with pytest.raises(Refused) as refused:
            await ask(stage, hold_id, key)
        assert code_of(refused) is Code.hold_request_not_held


async def test_more_than_was_approved_is_held_again_and_named(stage: Stage) -> None:
    await stage.work()
    async with stage.working():
        hold_id, stopped = await held(stage)
        await let_past(stage, hold_id, stopped.business_key)
        await stage.work(net="0.01")
        more = await stage.released()
        await let_past(stage, hold_id, more.business_key)
        posted = await stage.released()

    assert (more.state, more.business_key) == (RequestState.held, stopped.business_key)
    (violation,) = more.violations
    assert (violation.expected, violation.actual) == ("120.00 EUR at most", "120.01 EUR")
    assert posted.state is RequestState.posted
    states = [one.state for one in (await hold_of(stage, hold_id)).overrides]
    assert states == [HoldOverrideState.approved, HoldOverrideState.used]


async def previewed(stage: Stage, kind: ScopeType = ScopeType.project) -> str:
    """Return the hold on the stage's own contract that an approved request may pass; nothing is released."""
    hold_id = await stage.hold(kind, stage.project.id if kind is ScopeType.project else f"{stage.contract.id}-1")
    fact, key = await stage.work(), (await stage.preview()).business_key
    await held_request(stage.money, stage.contract, fact, hold_id, business_key=key)
    await let_past(stage, hold_id, key)
    return hold_id


async def test_preview_passes_once_it_is_approved(stage: Stage) -> None:
    await previewed(stage)

    shown = await stage.preview()

    assert (shown.state, shown.holds) == (PreviewState.validated, [])
    assert shown.expected
    assert shown.expected.net.amount == "120.00"


async def test_another_hold_stops_it_and_the_hold_stops_another_request(stage: Stage) -> None:
    hold_id = await previewed(stage)
    next_month = await stage.preview(through="2026-12-31")
    other = await stage.hold(ScopeType.contract, stage.contract.id)

    shown = await stage.preview()

    assert (next_month.state, [hold.id for hold in next_month.holds]) == (PreviewState.held, [hold_id])
    assert (shown.state, [hold.id for hold in shown.holds]) == (PreviewState.held, [other])


async def test_line_that_comes_to_more_than_was_approved_is_left_out_as_before(stage: Stage) -> None:
    await previewed(stage, ScopeType.contract_line)
    await stage.approve()

    shown = await stage.preview()

    assert shown.state is PreviewState.validated
    assert shown.expected
    assert shown.expected.net.amount == "1500.00"
    assert [(one.net.amount, one.code) for one in shown.excluded] == [("120.00", Code.billing_hold_active)]


async def test_hold_is_told_also_where_nobody_can_say_what_it_would_come_to(stage: Stage) -> None:
    await stage.work(net="-120.00")
    hold_id = await stage.hold(ScopeType.project, stage.project.id)

    shown = await stage.preview()

    assert (shown.state, [hold.id for hold in shown.holds]) == (PreviewState.held, [hold_id])


async def test_override_ends_with_its_hold_and_the_next_hold_is_another(stage: Stage) -> None:
    hold_id = await previewed(stage)
    key = (await stage.preview()).business_key
    await stage.lift(hold_id)
    again = await stage.hold(ScopeType.project, stage.project.id)

    shown = await stage.preview()

    assert (shown.state, [hold.id for hold in shown.holds]) == (PreviewState.held, [again])
    (ended,) = (await hold_of(stage, hold_id)).overrides
    assert ended.state is HoldOverrideState.ended
    assert (await approve(stage, ended)).state is HoldOverrideState.ended
    with pytest.raises(Refused) as refused:
        await ask(stage, hold_id, key)
    assert code_of(refused) is Code.process_illegal_transition


async def test_withdrawn_override_lets_nothing_by(stage: Stage) -> None:
    hold_id, stopped, fact = await stopped_by_hand(stage)
    approved = await let_past(stage, hold_id, stopped.business_key)
    withdrawn = await withdraw(stage, approved, caller=COLLEAGUE)
    again = {"business_key": stopped.business_key, "attempt": 2}
    request = await stage.money.request(stage.contract, [fact], At.validated, **again)

    assert (withdrawn.state, withdrawn.withdrawn_by) == (HoldOverrideState.withdrawn, "ana.ruiz")
    assert not await stage.passes_fence(request)
    assert await withdraw(stage, approved) == withdrawn
    assert len(await stage.events("tiebeam.billing_hold.override_withdrawn.v1")) == 1


async def test_withdrawn_override_is_neither_approved_nor_asked_for_again(stage: Stage) -> None:
    hold_id, stopped, _ = await stopped_by_hand(stage)
    asked = await ask(stage, hold_id, stopped.business_key)
    await withdraw(stage, asked)

    for late in (approve(stage, asked), ask(stage, hold_id, stopped.business_key)):
        with pytest.raises(Refused) as refused:
            await late
        assert code_of(refused) is Code.process_illegal_transition


async def test_used_override_cannot_be_withdrawn(stage: Stage) -> None:
    hold_id, stopped, fact = await stopped_by_hand(stage)
    approved = await let_past(stage, hold_id, stopped.business_key)
    request = await stage.money.request(
        stage.contract, [fact], At.validated, business_key=stopped.business_key, attempt=2
    )
    assert await stage.passes_fence(request)
    async with stage.store.begin() as connection:
        await move_request(connection, stage.store, request.id, state=At.posted.value, posted_at=stage.now())

    with pytest.raises(Refused) as refused:
        await withdraw(stage, approved)

    assert code_of(refused) is Code.process_illegal_transition
    assert (await hold_of(stage, hold_id)).overrides[0].state is HoldOverrideState.used


async def test_what_was_not_approved_before_the_hold_ended_never_is(stage: Stage) -> None:
    hold_id, stopped, _ = await stopped_by_hand(stage)
    asked = await ask(stage, hold_id, stopped.business_key)
    await stage.lift(hold_id)

    with pytest.raises(Refused) as refused:
        await approve(stage, asked)

    assert code_of(refused) is Code.process_illegal_transition


async def test_words_and_names_are_for_colleagues(stage: Stage) -> None:
    hold_id, request, _ = await stopped_by_hand(stage)
    await asked_for(stage.store, hold_id, request.business_key)
    portal = replace(BEN, customers=frozenset({request.customer}))

    (inside,), (outside,) = [(await hold_of(stage, hold_id, caller)).overrides for caller in (BEN, portal)]

    assert (inside.reason, inside.requested_by) == ("It is agreed.", "ana.ruiz")
    assert (outside.reason, outside.requested_by, outside.approved_by) == (None, None, None)
    assert outside.net == inside.net


async def stopped_by_hand(stage: Stage) -> tuple[str, InvoiceRequest, Fact]:
    """Return a hold, a request that it has stopped, and what was on that."""
    stage.project, stage.contract = await stage.onboarded()
    hold_id = await stage.hold(ScopeType.project, stage.project.id)
    fact = await stage.money.fact(stage.contract, billing=Billing.on_request)
    return hold_id, await held_request(stage.money, stage.contract, fact, hold_id), fact


@pytest.fixture
async def racing(url: str) -> AsyncIterator[Stage]:
    stage = Stage(url)
    yield await stage.prepare()
    await stage.close()


async def test_fence_and_approval_are_one_after_the_other(racing: Stage) -> None:
    dice = random.Random(7)  # noqa: S311 - the same rounds in every run
    for _ in range(ROUNDS):
        hold_id, stopped, fact = await stopped_by_hand(racing)
        asked = await ask(racing, hold_id, stopped.business_key)
        again = {"business_key": stopped.business_key, "attempt": 2}
        request = await racing.money.request(racing.contract, [fact], At.validated, **again)
        waits = dice.uniform(0, 0.004), dice.uniform(0, 0.004)

        through, approved = await asyncio.gather(
            racing.passes_fence(request, after_s=waits[0]), approve(racing, asked, after_s=waits[1])
        )

        async with racing.store.begin() as connection:
            now = await find_request(connection, request.id)
        assert approved.approved_at
        assert now.state is (At.submitted if through else At.validated)
        assert not through or (now.submitted_at and now.submitted_at >= approved.approved_at)
        assert await racing.passes_fence(request), "Once it is approved, it passes."


@pytest.mark.parametrize("end", ["lift", "more"])
async def test_fence_asks_once_more_for_what_was_approved(stage: Stage, end: str) -> None:
    hold_id, stopped, fact = await stopped_by_hand(stage)
    await let_past(stage, hold_id, stopped.business_key)
    net = "120.01" if end == "more" else "120.00"
    again = {"business_key": stopped.business_key, "attempt": 2, "net": net}
    request = await stage.money.request(stage.contract, [fact], At.validated, **again)
    if end == "lift":
        await stage.lift(hold_id)
        await stage.hold(ScopeType.project, stage.project.id)

    assert not await stage.passes_fence(request)
