"""One round of the write guard, case by case: what is sent, what is written down, what the caller is told."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.agreement import agreeing
from gateway.errors import ApiError, Overdue, Refused, Unavailable, Uncertain, WriteInProgress
from gateway.store.database import Store
from gateway.store.write_intents import tb_write_intent
from gateway.writes import Moments, Writes, WriteSettings, undisturbed
from openapi.common.types import Address, Code, Outcome
from openapi.system.erp.v1 import AccountingProject, AccountingProjectState, Customer, NewAccountingProject, NewCustomer
from tests.fakes.clock import Clock
from tests.fakes.erp import CAPABILITIES, FakeErp
from tests.fakes.vendor import Fault
from tests.stores import guard_store

ALDER = NewCustomer(
    business_key="cus_crm1_4711",
    legal_entity="ES01",
    name="Alder Foods S.A.",
    tax_id="ESA08000143",
    country="ES",
    billing_address=Address(street="1 Market Street", city="Valencia", country="ES"),
)
LEASE_S, SETTLE_S, DEADLINE_S = 30.0, 10.0, 600.0


class Died(BaseException):
    """The process is gone: nothing after it runs, the lease stays."""


class Stage:
    """A guard, an ERP, and the clock that both look at."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.erp = FakeErp(replace(CAPABILITIES, settle_s=SETTLE_S), clock)
        self.fences = 0

    def writes(self, moments: Moments = undisturbed, lease_s: float = LEASE_S) -> Writes:
        """Return a guard; each is a process of its own."""
        return Writes(self.store, WriteSettings(lease_s=lease_s, deadline_s=DEADLINE_S), moments)

    async def create(self, new: NewCustomer = ALDER, writes: Writes | None = None) -> Customer:
        """Carry out one round."""
        return (
            await (writes or self.writes())
            .bound(self.erp)
            .once(
                operation="create_customer",
                key=new.business_key,
                payload=new,
                look=partial(self.erp.find_customer, new.business_key),
                act=partial(self.erp.create_customer, new),
                fence=self.fence,
                agree=agreeing(new, "tax_id", "name"),
            )
        )

    async def fence(self) -> None:
        """Count how often it was asked."""
        self.fences += 1

    async def outcome(self) -> Outcome:
        """Return what the guard has written down."""
        intent = await self.writes().intent("books", "create_customer", ALDER.business_key)
        assert intent is not None
        return intent.outcome

    @property
    def sends(self) -> int:
        """Return how often a create was sent."""
        return self.erp.calls["create_customer"]


async def caught(asked: Awaitable[Customer]) -> Customer | ApiError:
    """Return the answer, or what was raised in its place."""
    try:
        return await asked
    except ApiError as error:
        return error


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = Clock()
    async with guard_store(f"sqlite:///{tmp_path / 'guard.sqlite'}", clock) as store:
        yield Stage(store, clock)


async def test_once_asked_again_finds_what_is_there(stage: Stage) -> None:
    first, again = await stage.create(), await stage.create()

    assert again == first
    assert (stage.sends, stage.fences, len(stage.erp.customers)) == (1, 1, 1)
    assert await stage.outcome() is Outcome.applied


async def test_intent_of_what_nobody_asked_for_is_none(stage: Stage) -> None:
    assert await stage.writes().intent("books", "create_customer", "cus_x") is None


async def test_another_holder_of_the_lease_is_met_with_in_progress(stage: Stage) -> None:
    sending, told = asyncio.Event(), asyncio.Event()

    async def pause(moment: str, _operation: str, _key: str) -> None:
        if moment == "between_intent_and_act":
            sending.set()
            await told.wait()

    first = asyncio.create_task(stage.create(writes=stage.writes(pause)))
    await sending.wait()
    others = await asyncio.gather(*(stage.create() for _ in range(4)), return_exceptions=True)
    told.set()

    assert [type(one) for one in others] == [WriteInProgress] * 4
    assert all(one.retry_after_s == 1 for one in others if isinstance(one, WriteInProgress))
    assert isinstance(await first, Customer)


@pytest.mark.parametrize(("moment", "sends"), [("between_intent_and_act", 0), ("between_act_and_record", 1)])
async def test_death_leaves_a_lease_that_runs_out_and_then_one_document(stage: Stage, moment: str, sends: int) -> None:
    async def die(name: str, _operation: str, _key: str) -> None:
        if name == moment:
            raise Died

    with pytest.raises(Died):
        await stage.create(writes=stage.writes(die))
    assert (stage.sends, await stage.outcome()) == (sends, Outcome.uncertain)
    with pytest.raises(WriteInProgress):
        await stage.create()
    stage.clock.forward(LEASE_S + SETTLE_S)
    await stage.create()

    assert len(stage.erp.customers) == 1
    assert await stage.outcome() is Outcome.applied


async def test_death_in_a_send_settles_only_from_the_end_of_its_lease(stage: Stage) -> None:
    async def die(_name: str, _operation: str, _key: str) -> None:
        raise Died

    with pytest.raises(Died):
        await stage.create(writes=stage.writes(die))
    stage.clock.forward(LEASE_S + SETTLE_S - 1)
    with pytest.raises(Uncertain) as uncertain:
        await stage.create()

    assert uncertain.value.retry_after_s == 1
    assert stage.sends == 0


@pytest.mark.parametrize("fault", [Fault.lost_before, Fault.lost_after, Fault.misnamed_before, Fault.misnamed_after])
async def test_lost_answer_is_uncertain_and_ends_in_one_document(stage: Stage, fault: Fault) -> None:
    stage.erp.lag_s = SETTLE_S
    stage.erp.plan("create_customer", fault)

    for _ in range(3):  # The second and third only look.
        with pytest.raises(Uncertain) as uncertain:
            await stage.create()
    assert (stage.sends, await stage.outcome()) == (1, Outcome.uncertain)
    assert uncertain.value.retry_after_s == SETTLE_S
    stage.clock.forward(SETTLE_S)
    customer = await stage.create()

    assert list(stage.erp.customers) == [customer]
    assert stage.sends == (2 if fault in {Fault.lost_before, Fault.misnamed_before} else 1)


async def test_misnamed_answer_is_told_to_the_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.erp.plan("create_customer", Fault.misnamed_after)

    with caplog.at_level(logging.ERROR), pytest.raises(Uncertain):
        await stage.create()

    assert [record.message for record in caplog.records] == ["create_customer of cus_crm1_4711 at books broke."]


async def test_look_that_began_within_the_settle_window_proves_nothing(stage: Stage) -> None:
    stage.erp.plan("create_customer", Fault.lost_after)
    stage.erp.lag_s = SETTLE_S
    with pytest.raises(Uncertain):
        await stage.create()
    stage.clock.forward(SETTLE_S - 1)

    async def slow_look() -> Customer | None:
        found = await stage.erp.find_customer(ALDER.business_key)
        stage.clock.forward(2)
        return found

    with pytest.raises(Uncertain):
        await (
            stage.writes()
            .bound(stage.erp)
            .once(
                operation="create_customer",
                key=ALDER.business_key,
                payload=ALDER,
                look=slow_look,
                act=partial(stage.erp.create_customer, ALDER),
            )
        )

    assert stage.sends == 1


async def test_unknown_outcome_is_overdue_at_the_deadline(stage: Stage) -> None:
    stage.erp.plan("create_customer", *[Fault.lost_before] * 3)
    told = []

    for wait_s in (0.0, SETTLE_S, DEADLINE_S):
        stage.clock.forward(wait_s)
        with pytest.raises(Uncertain) as uncertain:
            await stage.create()
        told.append(type(uncertain.value))

    assert told == [Uncertain, Uncertain, Overdue]
    intent = await stage.writes().intent("books", "create_customer", ALDER.business_key)
    assert intent is not None
    assert intent.tries == 3
    assert intent.overdue(stage.clock(), DEADLINE_S)


async def test_hanging_send_is_cut_before_the_lease_runs_out(stage: Stage) -> None:
    stage.erp.plan("create_customer", Fault.hangs_after)

    with pytest.raises(Uncertain):
        await stage.create(writes=stage.writes(lease_s=0.1))

    assert await stage.outcome() is Outcome.uncertain


@pytest.mark.parametrize("fault", [None, Fault.lost_before])
async def test_key_is_bound_to_its_payload_once_sent(stage: Stage, fault: Fault | None) -> None:
    stage.erp.plan("create_customer", fault)
    if fault:
        with pytest.raises(Uncertain):
            await stage.create()
    else:
        await stage.create()

    with pytest.raises(Refused) as refused:
        await stage.create(replace(ALDER, payment_terms="net_30"))

    assert refused.value.code is Code.process_payload_conflict
    assert stage.sends == 1


async def test_key_takes_a_corrected_document_after_a_refusal(stage: Stage) -> None:
    with pytest.raises(Refused) as refused:
        await stage.create(replace(ALDER, tax_id="ESA08000140"))
    assert (refused.value.code, await stage.outcome()) == (Code.customer_tax_id_invalid, Outcome.none)

    customer = await stage.create()

    assert list(stage.erp.customers) == [customer]


async def test_found_and_different_is_a_conflict_that_names_the_fields(stage: Stage) -> None:
    await stage.erp.create_customer(replace(ALDER, name="Beech Foods", tax_id="ESA58818501"))

    with pytest.raises(Refused) as refused:
        await stage.create()

    assert refused.value.code is Code.upstream_conflict_stale
    told = [(one.pointer, one.expected, one.actual, one.system) for one in refused.value.violations]
    assert told == [
        ("#/tax_id", "ESA08000143", "ESA58818501", "books"),
        ("#/name", "Alder Foods S.A.", "Beech Foods", "books"),
    ]
    assert stage.sends == 1


async def test_made_and_different_is_a_conflict_and_applied(stage: Stage) -> None:
    async def make_another() -> Customer:
        return replace(await stage.erp.create_customer(ALDER), name="Beech Foods")

    with pytest.raises(Refused) as refused:
        await (
            stage.writes()
            .bound(stage.erp)
            .once(
                operation="create_customer",
                key=ALDER.business_key,
                payload=ALDER,
                look=partial(stage.erp.find_customer, ALDER.business_key),
                act=make_another,
                agree=agreeing(ALDER, "name"),
            )
        )

    assert refused.value.code is Code.upstream_conflict_stale
    assert await stage.outcome() is Outcome.applied


async def test_fence_that_refuses_a_send_after_a_lost_one_leaves_nothing_in_doubt(stage: Stage) -> None:
    stage.erp.plan("create_customer", Fault.lost_before)
    with pytest.raises(Uncertain):
        await stage.create()
    before = await stage.writes().intent("books", "create_customer", ALDER.business_key)
    assert before is not None
    stage.clock.forward(SETTLE_S)

    async def refuse() -> None:
        raise Refused(Code.lock_held, "Wait.")

    stage.fence = refuse  # type: ignore[method-assign]  # this test's own fence
    with pytest.raises(Refused) as refused:
        await stage.create()

    after = await stage.writes().intent("books", "create_customer", ALDER.business_key)
    assert refused.value.code is Code.lock_held
    assert after == replace(before, outcome=Outcome.none, uncertain_since=None)
    assert stage.sends == 1


async def test_fence_that_hangs_is_unavailable_and_nothing_is_sent(stage: Stage) -> None:
    stage.fence = asyncio.Event().wait  # type: ignore[assignment]  # this test's own fence

    with pytest.raises(Unavailable):
        await stage.create(writes=stage.writes(lease_s=0.1))

    assert (stage.sends, await stage.outcome()) == (0, Outcome.none)


@pytest.mark.parametrize("fault", [Fault.denied_after, Fault.refused_after])
async def test_wrong_no_is_found_out_by_a_second_look(stage: Stage, fault: Fault) -> None:
    stage.erp.plan("create_customer", fault)

    customer = await stage.create()

    assert list(stage.erp.customers) == [customer]
    assert await stage.outcome() is Outcome.applied


async def test_wrong_no_behind_a_slow_index_costs_a_wait_and_no_second_document(stage: Stage) -> None:
    stage.erp.lag_s = SETTLE_S
    stage.erp.plan("create_customer", Fault.denied_after)
    with pytest.raises(Unavailable):
        await stage.create()

    with pytest.raises(WriteInProgress) as in_progress:
        await stage.create()
    assert (in_progress.value.retry_after_s, stage.sends) == (SETTLE_S, 1)
    stage.clock.forward(SETTLE_S)
    await stage.create()

    assert len(stage.erp.customers) == 1


async def test_no_stands_where_the_second_look_cannot_be_taken(stage: Stage) -> None:
    stage.erp.plan("find_customer", None, Fault.unavailable)
    stage.erp.plan("create_customer", Fault.refused)

    with pytest.raises(Refused) as refused:
        await stage.create()

    assert refused.value.code is Code.upstream_rejected
    assert await stage.outcome() is Outcome.none


@pytest.mark.parametrize("no", [Fault.refused, Fault.unavailable])
async def test_no_does_not_stand_alone_where_an_earlier_send_may_have_had_the_effect(stage: Stage, no: Fault) -> None:
    stage.erp.plan("find_customer", None, None, Fault.unavailable)
    stage.erp.plan("create_customer", Fault.lost_before, no)
    with pytest.raises(Uncertain):
        await stage.create()
    stage.clock.forward(SETTLE_S)

    with pytest.raises(Uncertain):
        await stage.create()

    assert await stage.outcome() is Outcome.uncertain
    stage.clock.forward(SETTLE_S)
    await stage.create()
    assert len(stage.erp.customers) == 1


async def test_no_stands_where_the_second_look_hangs(stage: Stage) -> None:
    stage.erp.plan("find_customer", None, Fault.hangs_before)
    stage.erp.plan("create_customer", Fault.unavailable)

    with pytest.raises(Unavailable):
        await stage.create(writes=stage.writes(lease_s=0.1))

    assert await stage.outcome() is Outcome.none


async def test_made_but_not_yet_shown_is_not_made_again(stage: Stage) -> None:
    stage.erp.lag_s = SETTLE_S
    await stage.create()

    with pytest.raises(Uncertain) as uncertain:
        await stage.create()
    stage.clock.forward(SETTLE_S)
    await stage.create()

    assert uncertain.value.retry_after_s == SETTLE_S
    assert len(stage.erp.customers) == 1


async def test_made_and_gone_is_a_conflict_not_a_second_document(stage: Stage) -> None:
    await stage.create()
    stage.erp.lag_s = 10 * SETTLE_S
    stage.clock.forward(SETTLE_S)

    with pytest.raises(Refused) as refused:
        await stage.create()

    assert refused.value.code is Code.upstream_conflict_stale
    assert len(stage.erp.customers) == 1


async def test_look_that_fails_gives_the_lease_back(stage: Stage) -> None:
    stage.erp.plan("find_customer", Fault.unavailable)

    with pytest.raises(Unavailable):
        await stage.create()

    assert (await stage.create()).business_key == ALDER.business_key


@pytest.mark.parametrize(
    ("operation", "sends", "outcome"),
    [("find_customer", 0, Outcome.none), ("create_customer", 1, Outcome.uncertain)],
)
async def test_cancellation_is_written_down_and_gives_the_lease_back(
    stage: Stage, operation: str, sends: int, outcome: Outcome
) -> None:
    stage.erp.plan(operation, Fault.hangs_after)
    task = asyncio.create_task(stage.create())
    await stage.erp.hanging.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (stage.sends, await stage.outcome()) == (sends, outcome)
    stage.clock.forward(SETTLE_S)
    assert (await stage.create()).business_key == ALDER.business_key
    assert len(stage.erp.customers) == 1


async def test_cancellation_while_the_lease_is_taken_gives_it_back(stage: Stage) -> None:
    task = asyncio.create_task(stage.create())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not stage.erp.calls
    assert (await stage.create()).business_key == ALDER.business_key


async def test_cancellation_in_the_fence_means_that_nothing_was_sent(stage: Stage) -> None:
    asked = asyncio.Event()

    async def hang() -> None:
        asked.set()
        await asyncio.Event().wait()

    stage.fence = hang  # type: ignore[method-assign]  # this test's own fence
    task = asyncio.create_task(stage.create())
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (stage.sends, await stage.outcome()) == (0, Outcome.none)


async def test_lease_lost_before_the_send_sends_nothing(stage: Stage) -> None:
    async def fall_asleep(name: str, _operation: str, _key: str) -> None:
        if name == "between_intent_and_act":
            stage.clock.forward(LEASE_S + 2 * SETTLE_S)
            await stage.create()

    with pytest.raises(WriteInProgress):
        await stage.create(writes=stage.writes(fall_asleep))

    assert (stage.sends, len(stage.erp.customers), await stage.outcome()) == (1, 1, Outcome.applied)


async def test_lease_lost_after_the_send_still_answers_the_truth(stage: Stage) -> None:
    async def fall_asleep(name: str, _operation: str, _key: str) -> None:
        if name == "between_act_and_record":
            stage.clock.forward(LEASE_S + 2 * SETTLE_S)
            await stage.create()

    customer = await stage.create(writes=stage.writes(fall_asleep))

    assert list(stage.erp.customers) == [customer]


async def project_in(stage: Stage) -> AccountingProject:
    customer = await stage.erp.create_customer(ALDER)
    new = NewAccountingProject(
        business_key="prj_1", legal_entity="ES01", code="P-1", name="One", customer_id=customer.id, dimensions=[]
    )
    return await stage.erp.create_accounting_project(new)


async def move(stage: Stage, project_id: str, verb: str, state: AccountingProjectState) -> AccountingProject:
    async def look() -> AccountingProject | None:
        project = await stage.erp.get_accounting_project(project_id)
        return project if project.state is state else None

    operation = f"{verb}_accounting_project"
    act = partial(getattr(stage.erp, operation), project_id)
    return await stage.writes().bound(stage.erp).change(operation=operation, object_id=project_id, look=look, act=act)


@pytest.mark.parametrize(("fault", "told"), [(None, None), (Fault.lost_after, Uncertain), (Fault.refused, Refused)])
async def test_database_lost_after_the_send_does_not_change_what_is_told(
    stage: Stage, fault: Fault | None, told: type[ApiError] | None, caplog: pytest.LogCaptureFixture
) -> None:
    erp, table = stage.erp, tb_write_intent
    act = partial(erp.create_customer, ALDER)

    async def act_and_lose_the_database() -> Customer:
        async with stage.store.begin() as connection:
            await connection.run_sync(table.drop)
        return await act()

    if fault:
        erp.plan("create_customer", fault)
    answer = await caught(
        stage.writes()
        .bound(erp)
        .once(
            operation="create_customer",
            key=ALDER.business_key,
            payload=ALDER,
            look=partial(erp.find_customer, ALDER.business_key),
            act=act_and_lose_the_database,
        )
    )

    assert isinstance(answer, told or Customer)
    assert "is not written down" in caplog.text


async def test_state_is_changed_as_often_as_asked(stage: Stage) -> None:
    project = await project_in(stage)
    on, off = AccountingProjectState.active, AccountingProjectState.inactive

    asked = [("activate", on), ("activate", on), ("deactivate", off), ("activate", on)]
    states = [(await move(stage, project.id, verb, state)).state for verb, state in asked]

    assert states == [on, on, off, on]
    assert stage.erp.effects["activate_accounting_project"] == 2


async def test_state_change_of_unknown_outcome_is_looked_for(stage: Stage) -> None:
    project = await project_in(stage)
    stage.erp.plan("activate_accounting_project", Fault.lost_before)
    told = []
    for _ in range(2):
        with pytest.raises(Uncertain) as uncertain:
            await move(stage, project.id, "activate", AccountingProjectState.active)
        told.append(uncertain.value.retry_after_s)
    stage.clock.forward(SETTLE_S)

    moved = await move(stage, project.id, "activate", AccountingProjectState.active)

    assert told == [SETTLE_S, SETTLE_S]
    assert moved.state is AccountingProjectState.active
    assert stage.erp.calls["activate_accounting_project"] == 2
