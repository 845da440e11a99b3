"""What workers on PostgreSQL do about each other, one of them in this process; dying ones have tests of their own."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from gateway.durable import LeaseLost, Process
from gateway.durable.engine import Engine, Runtime, Start, sync_engine
from gateway.durable.reaper import Reaper
from gateway.store import worker_leases
from gateway.store.database import IDLE_S
from gateway.store.worker_leases import Leases
from tests.workflows.stage import PATIENCE_S, Stage
from tests.workflows.toy import QUICK

DEAD = "elsewhere/1/aa"


@pytest.fixture
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    url = request.getfixturevalue("postgres_server").database(request.getfixturevalue("migrated_database"))
    opened = Stage(url, tmp_path / "desk")
    yield opened
    await opened.close()


async def left_by(stage: Stage, executor: str, process: Process) -> None:
    """Let a worker have the process under way, for the third time."""
    leaving = text(
        "UPDATE dbos.workflow_status SET status = 'PENDING', executor_id = :executor, owner_xid = 'xid',"
        " recovery_attempts = 3 WHERE workflow_uuid = :id"
    )
    async with stage.store.begin() as connection:
        await connection.execute(leaving, {"executor": executor, "id": process.workflow_id})


async def engine_row(stage: Stage, process: Process) -> tuple[object, ...]:
    """Return what the engine says of the process: state, queue, how often it was begun, by whom."""
    asked = text(
        "SELECT status, queue_name, recovery_attempts, owner_xid FROM dbos.workflow_status WHERE workflow_uuid = :id"
    )
    async with stage.store.begin() as connection:
        return tuple((await connection.execute(asked, {"id": process.workflow_id})).one())


async def leases(stage: Stage) -> Leases:
    """Return who is alive, and whose lease has run out."""
    async with stage.store.begin() as connection:
        return await connection.run_sync(worker_leases.list_all)


async def alive(stage: Stage, executor: str, *, ended: bool = False) -> None:
    """Let a worker be alive, or have been."""
    async with stage.store.begin() as connection:
        await connection.run_sync(worker_leases.take, executor, 60.0)
        if ended:
            await connection.run_sync(worker_leases.end, executor)


async def idle(_name: str, _start: Start) -> None:
    """Carry nothing out."""


async def test_what_is_put_back_keeps_its_queue_and_the_count_of_its_deaths(stage: Stage) -> None:
    asked = await stage.ask()
    await left_by(stage, DEAD, asked)
    await stage.engine.register_queue(replace(QUICK, poll_interval_s=60.0))
    runtime = Runtime(stage.url, [], idle, "here/1/aa", 3)
    runtime.launch()
    try:
        await asyncio.sleep(0.5)  # The queue has been looked at, and is not again.
        before = await engine_row(stage, asked)
        await runtime.recover("another/1/aa")
        untouched = await engine_row(stage, asked)
        await runtime.recover(DEAD)
        after = await engine_row(stage, asked)
        await runtime.recover(DEAD)
        again = await engine_row(stage, asked)
    finally:
        await runtime.destroy(0)

    assert before == untouched == ("PENDING", "processes", 3, "xid")
    assert after == again == ("ENQUEUED", "processes", 3, None)


async def test_what_a_dead_worker_left_is_ended_and_its_lease_forgotten(stage: Stage) -> None:
    asked = await stage.ask()
    await left_by(stage, DEAD, asked)
    await alive(stage, DEAD, ended=True)
    async with stage.working():
        done = await stage.rest(asked)
        async with asyncio.timeout(PATIENCE_S):
            while (await leases(stage)).expired:  # noqa: ASYNC110 - rows tell nobody
                await asyncio.sleep(0.05)

    assert done.state == "active"
    assert await leases(stage) == (frozenset(), frozenset())


class Recovered:
    """Writes down who was declared dead, and changes nothing."""

    def __init__(self) -> None:
        self.executors: list[str] = []

    async def __call__(self, executor: str) -> None:
        """Take one."""
        self.executors.append(executor)


async def test_a_lease_is_kept_while_a_run_names_its_worker(stage: Stage) -> None:
    await left_by(stage, DEAD, await stage.ask())
    await alive(stage, DEAD, ended=True)
    recovered = Recovered()
    reaper = Reaper(stage.store, stage.engine, recovered, QUICK)
    await reaper.reap()
    await reaper.reap()

    assert recovered.executors == [DEAD, DEAD]
    assert (await leases(stage)).expired == {DEAD}


async def test_a_worker_without_a_lease_is_waited_for_and_then_taken_for_dead(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    now = 100.0
    await left_by(stage, DEAD, await stage.ask())
    recovered = Recovered()
    reaper = Reaper(stage.store, stage.engine, recovered, QUICK, clock=lambda: now)
    await reaper.reap()
    now += QUICK.lease_s - 0.1
    await reaper.reap()
    early = list(recovered.executors)
    now += 0.1
    with caplog.at_level(logging.WARNING):
        await reaper.reap()

    assert (early, recovered.executors) == ([], [DEAD])
    assert f"Nobody knows the worker {DEAD}" in caplog.text


async def test_what_a_living_worker_has_under_way_is_left_alone(stage: Stage) -> None:
    await left_by(stage, DEAD, await stage.ask())
    await alive(stage, DEAD)
    recovered = Recovered()
    await Reaper(stage.store, stage.engine, recovered, replace(QUICK, lease_s=0.0)).reap()

    assert recovered.executors == []


async def test_a_worker_that_is_taken_for_dead_ends_with_an_error(stage: Stage) -> None:
    running = asyncio.create_task(stage.worker().run())
    async with asyncio.timeout(PATIENCE_S):
        while not (found := (await leases(stage)).living):  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.05)
    async with stage.store.begin() as connection:
        for executor in found:
            await connection.run_sync(worker_leases.end, executor)

    with pytest.raises(LeaseLost, match="Start it again"):
        await asyncio.wait_for(running, PATIENCE_S)


async def test_who_freezes_in_a_transaction_does_not_hold_its_locks_for_good(stage: Stage) -> None:
    asked = text("SHOW idle_in_transaction_session_timeout")
    async with stage.store.begin() as connection:
        ours = (await connection.execute(asked)).scalar_one()
    database = sync_engine(stage.url)
    with database.begin() as connection:
        engines = connection.execute(asked).scalar_one()
    database.dispose()

    assert ours == engines == f"{IDLE_S}s"


async def test_a_worker_that_cannot_ask_whether_it_is_done_leaves_its_work_to_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_self: Engine) -> frozenset[str]:
        async with stage.store.begin() as connection:
            await connection.execute(text("SELECT 1 FROM nothing"))
        raise AssertionError

    async with stage.working(lease_renewal_s=1.0):
        monkeypatch.setattr(Engine, "executors", away)

    assert len((await leases(stage)).expired) == 1
