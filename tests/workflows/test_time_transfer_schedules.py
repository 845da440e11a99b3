"""When runs start by themselves, and which of them read the PSA's changes."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from msgspec import json
from msgspec.structs import replace

from gateway.durable import Process, State
from openapi.process.time_transfer.v1 import RunState
from process_apis.time_transfer import runs, schedules
from process_apis.time_transfer.order import TransferOrder
from process_apis.time_transfer.workflow import transfer_time
from tests.workflows import product_stage
from tests.workflows.product_stage import PATIENT_S, QUICK, until
from tests.workflows.time_stage import TimeStage

POLL_S = 60.0


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[TimeStage]:
    stage = TimeStage(sqlite_url, poll_s=POLL_S, batch_entries=2, batches=1)
    async with stage.working():
        yield stage
    await stage.close()


async def due(stage: TimeStage) -> TransferOrder:
    """Let the schedule look, and return what the newest run keeps."""
    order = schedules.order_for(stage.psa, stage.settings, sweep=False)
    await schedules.start_if_due(stage.store, stage.engine, transfer_time, order)
    last = await runs.last_run(stage.store, "delivery")
    assert last
    return json.decode(last.order, type=TransferOrder)


async def at_rest(stage: TimeStage) -> None:
    """Return once the newest run has ended."""
    async with asyncio.timeout(PATIENT_S):
        while (last := await runs.last_run(stage.store, "delivery")) is None or last.ended_at is None:  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.02)


async def test_first_run_reads_changes_and_none_follows_before_its_time(stage: TimeStage) -> None:
    order = await due(stage)
    await at_rest(stage)
    stage.clock.forward(POLL_S - 1)
    same = await due(stage)
    asked = stage.psa.calls["list_time_entries"]

    assert asked == 1
    assert order.polled_at is None
    assert same == order


async def test_run_for_what_waits_reads_no_changes_until_they_are_due(stage: TimeStage) -> None:
    project = await stage.project()
    for _ in range(7):
        stage.booked(project)
    began = stage.clock.now
    await due(stage)
    await at_rest(stage)
    listed = stage.psa.calls["list_time_entries"]
    stage.clock.forward(1)
    second = await due(stage)
    await at_rest(stage)
    stage.clock.forward(1)
    third = await due(stage)
    await at_rest(stage)
    unread = stage.psa.calls["list_time_entries"]
    stage.clock.forward(POLL_S)
    fourth = await due(stage)
    await at_rest(stage)

    assert (second.polled_at, third.polled_at, fourth.polled_at) == (began, began, None)
    assert unread == listed < stage.psa.calls["list_time_entries"]
    assert len(await stage.facts()) == 2 * 7


async def test_run_that_parked_while_a_system_was_away_for_long_goes_on_once_it_is_there(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_stage, "QUICK", replace(QUICK, unavailable_tries=1, unavailable_resume_s=0.01))
    stage = TimeStage(sqlite_url, poll_s=POLL_S)
    async with stage.working():
        stage.booked(await stage.project())
        stage.erp.away = True
        run = await stage.run()
        stage.clock.forward(1)
        await until(lambda: last_of(stage), lambda last: last.state == State.parked and last.next_try_at is None)
        stage.erp.away = False
        await due(stage)
        untouched = await last_of(stage)
        met = await stage.run(wait_s=None)
        stage.clock.forward(stage.settings.retry_rejected_s)

        await due(stage)
        await at_rest(stage)

        assert (untouched.id, untouched.state) == (run.id, State.parked)
        assert met.id == run.id
        assert await stage.stands() == ["1 r1 approved posted ready"]
        assert await stage.items() == []
    await stage.close()


async def last_of(stage: TimeStage) -> Process:
    """Return the newest run."""
    last = await runs.last_run(stage.store, "delivery")
    assert last
    return last


async def test_sweep_asked_for_while_a_run_works_comes_after_it_and_is_met_in_its_turn(stage: TimeStage) -> None:
    stage.booked(await stage.project())
    stage.erp.latency_s = 0.3  # Long enough for the others to come meanwhile.
    working = await stage.run(wait_s=None)
    await until(partial(stage.seen, working.id), lambda run: len(run.steps) > 1)  # It has the lock.
    stage.clock.forward(1)

    sweep, again, poll = [await stage.run(sweep=swept, wait_s=None) for swept in (True, True, False)]
    stage.erp.latency_s = 0.0
    await at_rest(stage)

    assert not working.sweep
    assert sweep.sweep
    assert {sweep.id, again.id, poll.id} == {sweep.id} != {working.id}
    assert stage.psa.calls["list_time_totals"] > 0
    found = await stage.seen(sweep.id)
    assert (found.state, found.steps[0].name) == (RunState.completed, "begin_transfer")
    assert await stage.items() == []


async def test_run_that_has_read_nothing_yet_is_met(sqlite_url: str) -> None:
    stage = TimeStage(sqlite_url)

    first, again = await stage.run(wait_s=None), await stage.run(wait_s=None)
    await stage.close()

    assert first.id == again.id
    assert first.state is RunState.accepted


async def test_what_changed_before_somebody_asked_is_read_though_a_run_works_that_has_read_already(
    stage: TimeStage,
) -> None:
    project = await stage.project()
    stage.booked(project)
    stage.erp.latency_s = 0.3
    working = await stage.run(wait_s=None)
    await until(partial(stage.seen, working.id), lambda run: len(run.steps) > 2)  # Its changes are read.
    stage.booked(project)
    stage.clock.forward(1)

    asked, met = await stage.run(wait_s=None), await stage.run(wait_s=None)
    stage.erp.latency_s = 0.0
    await at_rest(stage)

    assert working.id != asked.id == met.id
    assert await stage.stands() == ["1 r1 approved posted ready", "2 r1 approved posted ready"]
    assert await stage.items() == []
