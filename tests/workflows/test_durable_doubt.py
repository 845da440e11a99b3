"""Answers that get lost, systems that are away, locks, workers that come too late: what becomes of a process."""

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from gateway.caller import INSTALLATION
from gateway.durable import AnotherWorker, State, cancel, marks, resume
from gateway.durable.outcomes import Outcome
from gateway.durable.run import Run, Work
from gateway.durable.sweeps import DELIVERIES, Sweeps
from gateway.errors import Refused
from gateway.store import locks
from gateway.store.processes import tb_process_instance
from gateway.store.work_items import Severity
from gateway.store.write_intents import Lease, WriteIntents
from openapi.common.types import Code, OwnerQueue
from tests.workflows.stage import Stage
from tests.workflows.toy import QUICK, sell, told


async def test_a_lost_answer_is_looked_for_and_the_effect_adopted(stage: Stage) -> None:
    stage.desk.plan("create_deal", "lose")
    async with stage.working():
        done = await stage.rest(await stage.ask())

    assert told(done) == ("active", "applied")
    assert stage.desk.effects() == ["create deal_1", "open deal_1"]
    assert await stage.told(done) == ["accepted", "running", "in_doubt", "running", "active"]
    assert "create_deal?1" in await stage.engine.steps_of(done.workflow_id)


async def test_a_lost_call_is_looked_for_and_sent_again(stage: Stage) -> None:
    stage.desk.plan("create_deal", "drop")
    async with stage.working():
        done = await stage.rest(await stage.ask())

    assert stage.desk.effects() == ["create deal_1", "open deal_1"]
    assert done.state == "active"


async def test_what_stays_unknown_parks_for_finance_and_cannot_be_cancelled_blindly(stage: Stage) -> None:
    stage.desk.plan("create_deal", "drop")
    stage.desk.plan("find", "", *["away"] * 60)
    async with stage.working(write_deadline_s=0.4):
        parked = await stage.rest(await stage.ask())
        [item] = await stage.items(parked)
        with pytest.raises(Refused) as refused:
            await cancel(stage.store, stage.engine, INSTALLATION, parked.id)
        stage.desk.plan("find")
        await resume(stage.store, stage.engine, sell, INSTALLATION, parked.id, {})
        done = await stage.rest(parked)

    assert told(parked) == ("parked", "uncertain")
    assert (item.code, item.owner_queue) == (Code.upstream_timeout_uncertain, OwnerQueue.Finance_Ops)
    assert item.severity is Severity.high
    assert refused.value.code is Code.process_illegal_transition
    assert told(done) == ("active", "applied")


async def test_a_cancel_while_in_doubt_waits_until_it_is_known(stage: Stage) -> None:
    stage.desk.plan("create_deal", "lose")
    process = await stage.ask()

    async def moments(moment: str, step: str) -> None:
        if (moment, step) == ("recorded", "create_deal"):
            await cancel(stage.store, stage.engine, INSTALLATION, process.id)

    async with stage.working(moments):
        cancelled = await stage.rest(process)

    assert told(cancelled) == ("cancelled", "none")
    assert stage.desk.effects() == ["create deal_1", "cancel deal_1"]


async def test_a_system_that_is_away_for_a_moment_is_asked_again_in_the_step(stage: Stage) -> None:
    stage.desk.plan("check", "away", "away")
    async with stage.working():
        done = await stage.rest(await stage.ask())

    assert await stage.told(done) == ["accepted", "running", "active"]


async def test_a_system_that_stays_away_parks_and_is_taken_up_by_itself(stage: Stage) -> None:
    stage.desk.plan("check", *["away"] * 4)
    async with stage.working():
        process = await stage.ask()
        parked = await stage.rest(process)
        done = await stage.until(process, lambda seen: seen.state == "active")

    assert (parked.parked_code, parked.tries) == ("upstream.unavailable", 1)
    assert parked.next_try_at is not None
    assert told(done) == ("active", "applied")


async def test_after_its_tries_it_is_left_to_a_person(stage: Stage) -> None:
    stage.desk.plan("check", *["away"] * 60)
    async with stage.working(unavailable_tries=1):
        process = await stage.ask()
        parked = await stage.until(process, lambda seen: seen.state == State.parked and seen.next_try_at is None)

    assert [item.attempts for item in await stage.items(parked)] == [2]


async def test_who_meets_a_lock_parks_and_goes_on_once_it_is_free(stage: Stage) -> None:
    stage.desk.plan("open_deal", "refuse")
    async with stage.working():
        owner = await stage.rest(await stage.ask(lock="customer_1"))
        waiting = await stage.ask("deal_2", lock="customer_1")
        parked = await stage.rest(waiting)
        await resume(stage.store, stage.engine, sell, INSTALLATION, owner.id, {})
        done = await stage.until(waiting, lambda seen: seen.state == "active")

    assert (parked.parked_code, parked.blocked_by) == ("lock.held", owner.id)
    assert done.state == "active"
    assert await locks.held_by(stage.store, owner.id) == []


async def test_who_waits_for_one_lock_does_not_wait_for_the_others(stage: Stage) -> None:
    stage.desk.plan("open_deal", "refuse")
    async with stage.working():
        owner = await stage.rest(await stage.ask(lock="customer_1"))
        await locks.take(stage.store, owner.id, ["opportunity_1"])
        waiting = await stage.ask("deal_2", lock="customer_1")
        await stage.rest(waiting)
        await locks.release(stage.store, owner.id, ["customer_1"])
        done = await stage.until(waiting, lambda seen: seen.state == "active")

    assert done.blocked_by is None
    assert await locks.held_by(stage.store, owner.id) == ["opportunity_1"]


async def test_a_decision_that_leads_nowhere_again_and_again_is_left_to_a_person(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.desk.plan("create_deal", "refuse")
    async with stage.working():
        parked = await stage.rest(await stage.ask())

    async def not_yet(_workflow_id: str, _step: int) -> bool:
        return False

    monkeypatch.setattr(stage.engine, "rewind", not_yet)
    resumed = await resume(stage.store, stage.engine, sell, INSTALLATION, parked.id, {})
    sweeps = Sweeps(stage.store, stage.engine, replace(QUICK, unavailable_tries=0))
    for _ in range(DELIVERIES + 1):
        async with stage.store.begin() as connection:
            old = tb_process_instance.update().values(updated_at=stage.store.now() - timedelta(hours=1))
            await connection.execute(old)
        await sweeps.find_stranded()
        moving = await stage.until(parked, lambda _seen: True)
        await sweeps.deliver()
    left = await stage.until(parked, lambda seen: seen.state == State.parked)

    assert (resumed.state, moving.state) == ("running", "running")
    assert (left.parked_code, left.parked_step, left.rewind_to) == ("internal", parked.resume_step, None)


async def test_what_is_held_forward_too_long_is_undone(stage: Stage) -> None:
    stage.desk.plan("open_deal", "refuse")
    async with stage.working():
        process = await stage.ask()
        await stage.rest(process)
        late = Sweeps(stage.store, stage.engine, QUICK)
        await late.give_up()
        held = await stage.rest(process)
        async with stage.store.begin() as connection:
            old = tb_process_instance.update().values(parked_at=stage.store.now() - timedelta(hours=25))
            await connection.execute(old)
        await late.give_up()
        cancelled = await stage.rest(process)

    assert held.state == State.parked
    assert told(cancelled) == ("cancelled", "none")
    assert stage.desk.effects() == ["create deal_1", "cancel deal_1"]


async def test_what_the_engine_has_lost_becomes_a_work_item(stage: Stage) -> None:
    process = await stage.ask()
    async with stage.store.begin() as connection:
        old = tb_process_instance.update().values(updated_at=stage.store.now() - timedelta(hours=1))
        await connection.execute(old)
    await stage.engine.prune(-3600)
    sweeps = Sweeps(stage.store, stage.engine, QUICK)
    await sweeps.find_stranded()
    untouched = await stage.items(process)
    await asyncio.to_thread(stage.engine._client.delete_workflow, process.workflow_id)  # noqa: SLF001 - no other way
    await sweeps.find_stranded()
    [item] = await stage.items(process)

    assert untouched == []
    assert (item.code, item.owner_queue) == (Code.internal, OwnerQueue.Integration)


async def test_a_read_that_takes_too_long_counts_as_unavailable(stage: Stage) -> None:
    stage.desk.plan("check", *["hang"] * 3)
    async with stage.working(step_timeout_s=0.5, unavailable_resume_s=600):
        parked = await stage.rest(await stage.ask())

    assert (parked.current_step, parked.parked_code) == ("decide_colour", "upstream.unavailable")


async def test_a_write_that_somebody_else_is_at_is_waited_for(stage: Stage) -> None:
    intents = WriteIntents(stage.store, lease_s=1.0)
    await intents.take(Lease(connection="desk", operation="create_deal", keys=("deal_1",), owner="somebody"))
    async with stage.working():
        done = await stage.rest(await stage.ask())

    assert await stage.told(done) == ["accepted", "running", "active"]
    assert stage.desk.effects() == ["create deal_1", "open deal_1"]


async def test_a_write_that_somebody_else_stays_at_parks_and_is_taken_up_by_itself(stage: Stage) -> None:
    intents = WriteIntents(stage.store, lease_s=600)
    lease = Lease(connection="desk", operation="create_deal", keys=("deal_1",), owner="somebody")
    await intents.take(lease)
    async with stage.working(write_wait_s=0.1):
        process = await stage.ask()
        parked = await stage.rest(process)
        await intents.release(lease)
        done = await stage.until(process, lambda seen: seen.state == "active")

    assert parked.parked_code == "upstream.write_in_progress"
    assert done.outcome.value == "applied"


async def test_a_mistake_in_the_workflow_itself_parks_there_and_can_be_undone(stage: Stage) -> None:
    async with stage.working():
        parked = await stage.rest(await stage.ask(colour="crash"))
        await resume(stage.store, stage.engine, sell, INSTALLATION, parked.id, {})
        again = await stage.rest(parked)
        await cancel(stage.store, stage.engine, INSTALLATION, parked.id)
        cancelled = await stage.rest(parked)

    assert (parked.state, parked.parked_code, again.state) == ("parked", "internal", "parked")
    assert told(cancelled) == ("cancelled", "none")
    assert stage.desk.effects() == ["create deal_1", "cancel deal_1"]


async def test_a_cancel_that_comes_after_the_last_step_is_heeded(stage: Stage) -> None:
    process = await stage.ask(colour="no_pivot")

    async def moments(moment: str, step: str) -> None:
        if (moment, step) == ("recorded", "announce"):
            await cancel(stage.store, stage.engine, INSTALLATION, process.id)

    async with stage.working(moments):
        cancelled = await stage.rest(process)

    assert cancelled.state == State.cancelled
    assert stage.desk.effects() == ["create deal_1", "cancel deal_1"]


async def test_a_decision_that_the_engine_was_not_told_of_is_told_by_the_sweep(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.desk.plan("create_deal", "refuse")

    async def not_yet(_workflow_id: str, _step: int) -> bool:
        return False

    async with stage.working():
        parked = await stage.rest(await stage.ask())
        with monkeypatch.context() as patched:
            patched.setattr(stage.engine, "rewind", not_yet)
            await resume(stage.store, stage.engine, sell, INSTALLATION, parked.id, {})
        done = await stage.rest(parked)

    assert done.state == "active"


async def test_a_sweep_that_breaks_does_not_end_the_worker(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = asyncio.Event()

    async def breaks(_sweeps: Sweeps) -> None:
        broken.set()
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(Sweeps, "deliver", breaks)
        async with stage.working(prune_interval_s=0.0):
            await asyncio.wait_for(broken.wait(), 60)
            patched.undo()
            done = await stage.rest(await stage.ask())

    assert done.state == "active"


async def test_a_database_that_breaks_in_the_middle_of_a_step_parks_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = marks.end

    async def breaks(run: Run, work: Work, outcome: Outcome) -> None:
        if work.name == "decide_colour":
            monkeypatch.setattr(marks, "end", end)
            raise ConnectionResetError
        await end(run, work, outcome)

    monkeypatch.setattr(marks, "end", breaks)
    async with stage.working():
        parked = await stage.rest(await stage.ask())
        await resume(stage.store, stage.engine, sell, INSTALLATION, parked.id, {})
        done = await stage.rest(parked)

    assert (parked.current_step, parked.parked_code) == ("decide_colour", "internal")
    assert done.state == "active"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_second_worker_on_a_file_is_refused_and_told_who_runs(stage: Stage) -> None:
    async with stage.working():
        with pytest.raises(AnotherWorker, match=r"Another worker \(\d+"):
            await stage.worker().run()
    async with stage.working():
        done = await stage.rest(await stage.ask())

    assert done.state == "active"


async def test_a_worker_that_is_told_to_stop_comes_to_its_end(stage: Stage) -> None:
    worker, asked = stage.worker(), await stage.ask()
    running = asyncio.create_task(worker.run())
    process = await stage.rest(asked)
    worker.stop()
    await asyncio.wait_for(running, 60)

    assert process.state == "active"


async def test_ended_runs_are_forgotten_and_their_processes_kept(stage: Stage) -> None:
    async with stage.working():
        done = await stage.rest(await stage.ask())
    forgotten = await stage.engine.prune(-3600)
    again = await stage.ask()

    assert forgotten == 1
    assert await stage.engine.steps_of(done.workflow_id) == []
    assert (again.id, again.state) == (done.id, "active")
