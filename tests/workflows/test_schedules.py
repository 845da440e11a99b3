"""What is done at set intervals: by one worker each time, whatever becomes of it. The clock is the store's."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from gateway.durable import DurableSettings, Schedule
from gateway.durable.schedules import Schedules
from gateway.store import schedules as rows
from gateway.store.database import Store, create_engine
from gateway.store.schedules import tb_schedule
from gateway.trace import current_correlation_id
from tests.fakes.clock import Clock
from tests.workflows.stage import PATIENCE_S, Stage
from tests.workflows.toy import QUICK

HOUR_S = 3600.0
STILL = replace(QUICK, lease_s=60.0, lease_renewal_s=1000.0)
"""Nothing is renewed while a test lasts."""


class Job:
    """Counts its runs; may be told to wait, or to break."""

    def __init__(self) -> None:
        self.runs, self.cut, self.breaks = 0, 0, False
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> None:
        """Run."""
        self.runs += 1
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cut += 1
            raise
        if self.breaks:
            raise ValueError("a mistake of ours")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(url: str, clock: Clock) -> AsyncIterator[Store]:
    opened = Store(create_engine(url), clock)
    yield opened
    await opened.close()


@pytest.fixture
def job() -> Job:
    return Job()


async def entered(store: Store, job: Job, every_s: float = HOUR_S, settings: DurableSettings = STILL) -> Schedules:
    """Return one worker's schedules, known."""
    schedule = Schedule(name="job", every_s=every_s, run=job)
    schedules = Schedules(store, [schedule], settings)
    await schedules.enter()
    return schedules


async def looked(*each: Schedules) -> None:
    """Let every worker look, at once, and end what it began."""
    await asyncio.gather(*(one.look() for one in each))
    await asyncio.gather(*(one.finished() for one in each))


async def until(holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - a counter tells nobody
            await asyncio.sleep(0.01)


async def test_a_new_schedule_is_due_at_once_and_then_at_its_interval(store: Store, clock: Clock, job: Job) -> None:
    schedules, counted = await entered(store, job), []
    for wait_s in (0, 0, HOUR_S - 1, 1, 0):
        clock.forward(wait_s)
        await looked(schedules)
        counted.append(job.runs)

    assert counted == [1, 1, 1, 2, 2]


async def test_times_that_went_by_are_caught_up_by_one_run_and_do_not_shift(
    store: Store, clock: Clock, job: Job
) -> None:
    schedules, counted = await entered(store, job), []
    for wait_s in (0, 3.5 * HOUR_S, 0.4 * HOUR_S, 0.1 * HOUR_S):
        clock.forward(wait_s)
        await looked(schedules)
        counted.append(job.runs)

    assert counted == [1, 2, 2, 3]


async def test_of_two_workers_one_runs_it_each_time(store: Store, clock: Clock, job: Job) -> None:
    first, second = await entered(store, job), await entered(store, job)
    for _ in range(5):
        await looked(first, second)
        clock.forward(HOUR_S)

    assert job.runs == 5


async def test_a_run_that_breaks_is_logged_and_comes_again_at_its_next_time(
    store: Store, clock: Clock, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    job.breaks, schedules = True, await entered(store, job)
    await looked(schedules)
    await looked(schedules)
    once = job.runs
    clock.forward(HOUR_S)
    await looked(schedules)

    assert (once, job.runs) == (1, 2)
    assert "The schedule job broke." in caplog.text


async def test_a_long_run_is_alone_however_often_it_would_be_due(store: Store, clock: Clock, job: Job) -> None:
    patient = replace(STILL, lease_s=100 * HOUR_S)
    first, second = await entered(store, job, settings=patient), await entered(store, job, settings=patient)
    job.go_on.clear()
    await first.look()
    for _ in range(3):
        clock.forward(HOUR_S)
        await first.look()
        await second.look()
    alone = job.runs
    job.go_on.set()
    await first.finished()
    await looked(first, second)
    clock.forward(HOUR_S)
    await looked(first, second)

    assert (alone, job.runs) == (1, 2)


async def test_a_long_run_keeps_its_hold(store: Store, clock: Clock, job: Job) -> None:
    renewing = replace(STILL, lease_renewal_s=0.02)
    first, second = await entered(store, job, settings=renewing), await entered(store, job)
    job.go_on.clear()
    await first.look()
    for _ in range(3):
        clock.forward(STILL.lease_s - 1)
        await until_held(store, clock)
        await second.look()
    job.go_on.set()
    await first.finished()

    assert job.runs == 1


async def until_held(store: Store, clock: Clock) -> None:
    """Return once the hold was renewed at the present moment."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with store.begin() as connection:
                held_until = (await connection.execute(select(tb_schedule.c.held_until))).scalar_one()
            if (held_until - clock()).total_seconds() == STILL.lease_s:
                return
            await asyncio.sleep(0.01)


async def test_a_dead_workers_run_is_made_by_another_and_cut_short_where_it_was_not_dead(
    store: Store, clock: Clock, job: Job
) -> None:
    frozen, other_job = await entered(store, job, settings=replace(STILL, lease_renewal_s=0.5)), Job()
    other = await entered(store, other_job)
    job.go_on.clear()
    await frozen.look()
    await until(lambda: job.runs == 1)
    clock.forward(STILL.lease_s)
    other_job.go_on.clear()
    await other.look()
    await until(lambda: job.cut == 1)
    await frozen.finished()
    other_job.go_on.set()
    await other.finished()
    await looked(frozen, other)

    assert (job.runs, other_job.runs) == (1, 1)


async def test_a_worker_that_stops_lets_another_run_it_at_once(store: Store, job: Job) -> None:
    first, second = await entered(store, job), await entered(store, job)
    job.go_on.clear()
    await first.look()
    await until(lambda: job.runs == 1)
    await first.stop()
    job.go_on.set()
    await looked(second)

    assert (job.cut, job.runs) == (1, 2)


async def test_a_schedule_that_became_more_frequent_does_not_wait_for_its_old_time(
    store: Store, clock: Clock, job: Job
) -> None:
    await looked(await entered(store, job))
    now_frequent = await entered(store, job, every_s=60.0)
    clock.forward(60)
    await looked(now_frequent)

    assert job.runs == 2


async def test_what_another_release_knows_is_left_to_it(store: Store, job: Job) -> None:
    await rows.enter(store, "unknown here", HOUR_S)
    await looked(await entered(store, job))

    assert job.runs == 1
    assert await rows.list_due(store) == ["unknown here"]


async def test_a_database_that_is_away_costs_neither_the_hold_nor_the_next_time(
    store: Store, job: Job, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def away(*_args: object) -> bool:
        raise ConnectionResetError

    schedules = await entered(store, job, settings=replace(STILL, lease_renewal_s=0.01))
    monkeypatch.setattr(rows, "renew", away)
    monkeypatch.setattr(rows, "finish", away)
    job.go_on.clear()
    with caplog.at_level(logging.WARNING):
        await schedules.look()
        await until(lambda: "could not be renewed" in caplog.text)
        job.go_on.set()
        await schedules.finished()

    assert (job.runs, job.cut) == (1, 0)
    assert "could not be written down" in caplog.text


async def test_a_worker_runs_its_schedules(stage: Stage) -> None:
    ids: list[str | None] = []

    async def note() -> None:
        ids.append(current_correlation_id.get())

    async with stage.working(schedules=[Schedule(name="note", every_s=0.2, run=note)]):
        await until(lambda: len(ids) > 1)

    assert len(set(ids)) == len(ids)
    assert None not in ids
