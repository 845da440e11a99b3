"""Processes that go well, are refused, parked, resumed, cancelled, begun anew: what people see, what vendors got."""

import asyncio

import pytest
from msgspec.structs import replace
from sqlalchemy.exc import OperationalError

from gateway.caller import INSTALLATION
from gateway.durable import State, Window, cancel, list_processes, resume
from gateway.durable.engine import Status
from gateway.errors import Refused
from gateway.store.processes import tb_process_instance
from gateway.store.work_items import ItemState
from openapi.common.types import Code, OwnerQueue
from tests.workflows.stage import Stage
from tests.workflows.toy import ToyDecision, sell, sell_or_not, told


async def test_a_process_that_goes_well_shows_each_step_and_ends_in_its_own_word(stage: Stage) -> None:
    async with stage.working():
        process = await stage.rest(await stage.ask())

    assert told(process) == ("active", "applied")
    assert await stage.shown(process) == [
        "take_lock done",
        "decide_colour done",
        "create_deal done",
        "paint_deal skipped",
        "open_deal done",
        "announce done",
    ]
    assert stage.desk.effects() == ["create deal_1", "open deal_1"]
    assert await stage.told(process) == ["accepted", "running", "active"]


async def test_a_refusal_parks_with_a_work_item_and_a_decision_goes_on_where_it_is_read(stage: Stage) -> None:
    stage.desk.plan("create_deal", "refuse")
    async with stage.working():
        parked = await stage.rest(await stage.ask())
        shown, [item] = await stage.shown(parked), await stage.items(parked)
        resumed = await resume(stage.store, stage.engine, sell, INSTALLATION, parked.id, {"colour": "blue"})
        done = await stage.rest(parked)

    assert told(parked) == ("parked", "none")
    assert (parked.current_step, parked.parked_code) == ("create_deal", "dimension.invalid_combination")
    assert shown[-1] == "create_deal refused"
    assert (item.step, item.trace_key, item.owner_queue) == ("create_deal", "deal_1", OwnerQueue.Finance_Ops)
    assert item.deadline is not None
    assert told(resumed) == ("running", "none")
    assert told(done) == ("active", "applied")
    assert done.result == '{"deal":"1","colour":"blue"}'
    assert stage.desk.effects() == ["create deal_1", "open deal_1"]
    assert [one.state for one in await stage.items(done, ItemState.auto_resolved)] == ["auto_resolved"]
    assert await stage.told(done) == ["accepted", "running", "parked", "running", "active"]


async def test_a_refusal_that_comes_again_opens_the_same_item_again(stage: Stage) -> None:
    stage.desk.plan("create_deal", "refuse", "refuse")
    async with stage.working():
        parked = await stage.rest(await stage.ask())
        await resume(stage.store, stage.engine, sell, INSTALLATION, parked.id, ToyDecision(note="again"))
        again = await stage.rest(parked)

    assert again.state == State.parked
    assert [item.attempts for item in await stage.items(again)] == [2]


async def test_decisions_add_up(stage: Stage) -> None:
    stage.desk.plan("create_deal", "refuse", "refuse")
    async with stage.working():
        parked = await stage.rest(await stage.ask())
        for decision in ({"colour": "blue"}, {}):
            await resume(stage.store, stage.engine, sell, INSTALLATION, parked.id, decision)
            done = await stage.rest(parked)

    assert done.result == '{"deal":"1","colour":"blue"}'


async def test_cancelling_what_is_parked_undoes_it_backwards_and_a_new_attempt_begins_anew(stage: Stage) -> None:
    stage.desk.plan("open_deal", "refuse")
    async with stage.working():
        parked = await stage.rest(await stage.ask())
        await cancel(stage.store, stage.engine, INSTALLATION, parked.id)
        cancelled = await stage.rest(parked)
        shown, effects = await stage.shown(cancelled), stage.desk.effects()
        again = await stage.ask(colour="red")
        second = await stage.rest(again)

    assert told(cancelled) == ("cancelled", "none")
    assert shown[-3:] == ["paint_deal skipped", "open_deal refused", "cancel_deal done"]
    assert "create_deal undone" in shown
    assert effects == ["create deal_1", "cancel deal_1"]
    assert await stage.items(cancelled) == []
    assert (again.id, again.attempt, again.workflow_id) == (parked.id, 2, "toy:deal_1:2")
    assert told(second) == ("active", "applied")
    assert stage.desk.effects() == ["create deal_1", "cancel deal_1", "open deal_1"]


async def test_cancelling_after_a_step_was_taken_up_from_further_back_undoes_what_came_after_it(stage: Stage) -> None:
    stage.desk.plan("open_deal", "refuse")
    async with stage.working():
        parked = await stage.rest(await stage.ask())
        async with stage.store.begin() as connection:  # As if `open_deal` had been taken up from `decide_colour`.
            row = tb_process_instance.update().where(tb_process_instance.c.id == parked.id)
            await connection.execute(row.values(resume_step=2))
        stage.desk.plan("check", "refuse")
        await resume(stage.store, stage.engine, sell, INSTALLATION, parked.id, {"colour": "blue"})
        again = await stage.rest(parked)
        await cancel(stage.store, stage.engine, INSTALLATION, parked.id)
        cancelled = await stage.rest(parked)

    assert (again.state, again.current_step) == ("parked", "decide_colour")
    assert cancelled.state == State.cancelled
    assert stage.desk.effects() == ["create deal_1", "cancel deal_1"]


async def test_a_workflow_that_undoes_gives_up_at_once(stage: Stage) -> None:
    stage.desk.plan("open_deal", "refuse")
    async with stage.working():
        cancelled = await stage.rest(await stage.ask(flow=sell_or_not))

    assert told(cancelled) == ("cancelled", "none")
    assert stage.desk.effects() == ["create deal_1", "cancel deal_1"]
    assert await stage.told(cancelled) == ["accepted", "running", "compensating", "cancelled"]


async def test_an_undo_that_is_refused_parks_and_is_not_left_out(stage: Stage) -> None:
    stage.desk.plan("open_deal", "refuse")
    stage.desk.plan("cancel_deal", "refuse")
    async with stage.working():
        parked = await stage.rest(await stage.ask(flow=sell_or_not))
        effects = stage.desk.effects()
        goes_on = await resume(stage.store, stage.engine, sell_or_not, INSTALLATION, parked.id, {})
        cancelled = await stage.rest(parked)

    assert (parked.state, parked.current_step) == ("parked", "cancel_deal")
    assert effects == ["create deal_1"]
    assert goes_on.state == State.compensating
    assert cancelled.state == State.cancelled
    assert stage.desk.effects() == ["create deal_1", "cancel deal_1"]


async def test_a_refusal_after_the_pivot_parks_and_nothing_is_undone_any_more(stage: Stage) -> None:
    stage.desk.plan("check", "", "refuse")
    async with stage.working():
        parked = await stage.rest(await stage.ask(flow=sell_or_not))
        with pytest.raises(Refused) as refused:
            await cancel(stage.store, stage.engine, INSTALLATION, parked.id)
        await resume(stage.store, stage.engine, sell_or_not, INSTALLATION, parked.id, {})
        done = await stage.rest(parked)

    assert told(parked) == ("parked", "applied")
    assert refused.value.code is Code.process_illegal_transition
    assert told(done) == ("completed", "applied")


async def test_what_nobody_began_is_cancelled_at_once_and_stays_so(stage: Stage) -> None:
    process = await stage.ask()
    cancelled = await cancel(stage.store, stage.engine, INSTALLATION, process.id)
    repeated = await cancel(stage.store, stage.engine, INSTALLATION, process.id)
    async with stage.working():
        other = await stage.rest(await stage.ask("deal_2"))

    assert (cancelled.state, repeated.version) == ("cancelled", cancelled.version)
    assert other.state == "active"
    assert stage.desk.effects() == ["create deal_2", "open deal_2"]


async def test_cancelling_what_runs_is_heeded_by_the_next_step(stage: Stage) -> None:
    process = await stage.ask()

    async def moments(moment: str, step: str) -> None:
        if (moment, step) == ("after", "create_deal"):
            await cancel(stage.store, stage.engine, INSTALLATION, process.id)

    async with stage.working(moments):
        cancelled = await stage.rest(process)

    assert cancelled.state == State.cancelled
    assert stage.desk.effects() == ["create deal_1", "cancel deal_1"]


async def test_cancelling_between_a_refusal_and_its_park_undoes(stage: Stage) -> None:
    stage.desk.plan("open_deal", "refuse")
    process = await stage.ask()

    async def moments(moment: str, step: str) -> None:
        if (moment, step) == ("recorded", "open_deal"):
            await cancel(stage.store, stage.engine, INSTALLATION, process.id)

    async with stage.working(moments):
        cancelled = await stage.rest(process)

    assert await stage.told(cancelled) == ["accepted", "running", "compensating", "cancelled"]
    assert stage.desk.effects() == ["create deal_1", "cancel deal_1"]


async def test_only_what_is_parked_is_resumed_and_only_by_whom_may_see_it(stage: Stage) -> None:
    process = await stage.ask()
    stranger = replace(INSTALLATION, legal_entities=frozenset({"DE01"}))

    with pytest.raises(Refused) as running:
        await resume(stage.store, stage.engine, sell, INSTALLATION, process.id, {})
    with pytest.raises(Refused) as strange:
        await resume(stage.store, stage.engine, sell, stranger, process.id, {})
    with pytest.raises(Refused) as misread:
        await resume(stage.store, stage.engine, sell, INSTALLATION, process.id, {"color": "blue"})

    assert running.value.code is Code.process_illegal_transition
    assert strange.value.code is Code.resource_not_found
    assert [one.code for one in misread.value.violations] == [Code.request_body_invalid]


async def test_a_mistake_of_ours_parks_and_goes_on_once_it_is_mended(stage: Stage) -> None:
    stage.desk.plan("check", "break")
    async with stage.working():
        parked = await stage.rest(await stage.ask())
        await resume(stage.store, stage.engine, sell, INSTALLATION, parked.id, {})
        done = await stage.rest(parked)

    assert (parked.state, parked.parked_code) == ("parked", "internal")
    assert done.state == "active"


async def test_a_step_that_deadlocks_in_the_database_is_tried_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, locked = stage.desk.check, [OperationalError("UPDATE", None, Exception("deadlock detected"))]

    async def checked(key: str) -> str:
        if locked:
            raise locked.pop()
        return await check(key)

    monkeypatch.setattr(stage.desk, "check", checked)
    async with stage.working():
        process = await stage.rest(await stage.ask())

    assert process.state == "active"
    assert stage.desk.effects() == ["create deal_1", "open deal_1"]


async def test_a_key_is_bound_to_its_payload(stage: Stage) -> None:
    first = await stage.ask()

    with pytest.raises(Refused) as refused:
        await stage.ask(colour="blue")

    assert refused.value.code is Code.process_payload_conflict
    assert refused.value.process_id == first.id


async def test_twenty_at_once_meet_one_process(stage: Stage) -> None:
    asked = await asyncio.gather(*(stage.ask() for _ in range(20)))
    async with stage.working():
        await stage.rest(asked[0])

    assert len({process.id for process in asked}) == 1
    assert stage.desk.effects() == ["create deal_1", "open deal_1"]


async def test_what_is_rolled_back_leaves_neither_row_nor_work(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_args: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(stage.engine, "enqueue", fails)
        with pytest.raises(ConnectionResetError):
            await stage.ask()
    listed = await list_processes(stage.store, INSTALLATION, Window())

    assert listed.items == []
    assert await stage.engine.status_of("toy:deal_1") is Status.unknown
