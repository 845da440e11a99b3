"""Several workers on one PostgreSQL: they share the work, and whatever becomes of one, the others end it, once."""

import signal
from asyncio.subprocess import Process as Child
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gateway.caller import INSTALLATION
from gateway.durable import resume
from gateway.durable.migrate import migrate
from tests.faults.toy_worker import AT_ONCE, MAX_RECOVERIES
from tests.faults.toy_workers import ended, frozen, leases, living, pid_of, seen, started, stopped, until
from tests.servers_postgres import Postgres, postgres
from tests.workflows.stage import Stage
from tests.workflows.toy import sell

pytestmark = pytest.mark.campaign
DEALS = [f"deal_{number}" for number in range(1, 5 * AT_ONCE + 1)]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
async def stage(server: Postgres, tmp_path: Path) -> AsyncIterator[Stage]:
    url = server.database()
    migrate(url)
    opened = Stage(url, tmp_path / "desk")
    yield opened
    await opened.close()


Start = Callable[..., Awaitable[Child]]


@pytest.fixture
async def start(stage: Stage) -> AsyncIterator[Start]:
    """Return what starts a worker; where a test fails, it leaves none behind."""
    children: list[Child] = []

    async def another(*where: str) -> Child:
        children.append(await started(stage, *where))
        return children[-1]

    yield another
    for child in children:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def test_two_workers_share_the_work_and_leave_no_lease(stage: Stage, start: Start) -> None:
    workers = [await start() for _ in range(2)]
    await living(stage, 2)
    asked = [await stage.ask(key) for key in DEALS]
    done = [await stage.rest(process) for process in asked]
    codes = [await stopped(worker) for worker in workers]

    assert {process.state for process in done} == {"active"}
    assert Counter(stage.desk.effects()) == Counter(f"{verb} {key}" for verb in ("create", "open") for key in DEALS)
    assert {int(pid) for pid, _, _ in seen(stage)} == {worker.pid for worker in workers}
    assert codes == [0, 0]
    assert await leases(stage) == (frozenset(), frozenset())


async def test_a_worker_that_is_killed_has_its_work_ended_by_the_other(stage: Stage, start: Start) -> None:
    victim = await start("before", "open_deal", "kill")
    await living(stage, 1)
    asked = [await stage.ask(key) for key in DEALS]
    died = await ended(victim)
    other = await start()
    done = [await stage.rest(process) for process in asked]
    alive = await leases(stage)
    code = await stopped(other)

    assert (died, code) == (-signal.SIGKILL, 0)
    assert {process.state for process in done} == {"active"}
    assert Counter(stage.desk.effects()) == Counter(f"{verb} {key}" for verb in ("create", "open") for key in DEALS)
    assert [pid_of(executor) for executor in alive.living] == [other.pid]


@pytest.mark.parametrize(
    ("moment", "step"),
    [
        ("after", "decide_colour"),
        ("between_intent_and_act", "create_deal"),
        ("between_act_and_record", "create_deal"),
        ("after", "create_deal"),
        ("before", "open_deal"),
        ("recorded", "open_deal"),
    ],
)
async def test_a_worker_that_was_frozen_and_wakes_up_writes_nothing_and_ends(
    moment: str, step: str, stage: Stage, start: Start
) -> None:
    asked = await stage.ask()
    sleeper = await start(moment, step, "freeze")
    await frozen(sleeper)
    other = await start()
    done = await stage.rest(asked)
    shown, told = await stage.shown(done), await stage.told(done)
    sleeper.send_signal(signal.SIGCONT)
    code = await ended(sleeper)

    assert code == 1  # Whoever started it starts another one.
    assert done.state == "active"
    assert await stage.rest(asked) == done
    assert (await stage.shown(done), await stage.told(done)) == (shown, told)
    assert stage.desk.effects() == ["create deal_1", "open deal_1"]
    assert [pid_of(executor) for executor in (await leases(stage)).living] == [other.pid]
    assert await stopped(other) == 0


@pytest.mark.parametrize("moment", ["before", "between_intent_and_act"])
async def test_a_worker_that_wakes_up_does_not_send_what_was_refused_meanwhile(
    moment: str, stage: Stage, start: Start
) -> None:
    asked = await stage.ask()
    sleeper = await start(moment, "create_deal", "freeze")
    await frozen(sleeper)
    stage.desk.plan("create_deal", "refuse")
    other = await start()
    parked = await stage.rest(asked)
    sleeper.send_signal(signal.SIGCONT)
    code = await ended(sleeper)
    untouched = await stage.rest(asked)
    effects = stage.desk.effects()
    await resume(stage.store, stage.engine, sell, INSTALLATION, parked.id, {})
    done = await stage.until(asked, lambda process: process.ended_at is not None)

    assert (code, effects) == (1, [])
    assert (parked.state, parked.current_step) == ("parked", "create_deal")
    assert untouched == parked
    assert done.state == "active"
    assert stage.desk.effects() == ["create deal_1", "open deal_1"]
    assert await stopped(other) == 0


async def test_a_run_that_kills_every_worker_is_left_to_a_person(stage: Stage, start: Start) -> None:
    poison, deaths = await stage.ask(), 0
    where = ("before", "create_deal", "kill_always")
    while deaths <= MAX_RECOVERIES:
        deaths += await ended(await start(*where)) == -signal.SIGKILL
    survivor = await start(*where)
    parked = await stage.until(poison, lambda process: process.state == "parked")
    items = await stage.items(parked)
    code = await stopped(survivor)

    assert (deaths, code) == (MAX_RECOVERIES + 1, 0)
    assert [item.step for item in items] == ["create_deal"]
    assert stage.desk.effects() == []


async def test_what_a_worker_could_not_end_in_time_is_taken_up_by_the_next(stage: Stage, start: Start) -> None:
    stage.desk.plan("check", "hang")
    asked = await stage.ask()
    slow = await start()
    await until(lambda: (stage.desk.folder / "seen").exists() and "before decide_colour" in _said(stage))
    code = await stopped(slow)
    left = await leases(stage)
    other = await start()
    done = await stage.rest(asked)

    assert code == 0
    assert [pid_of(executor) for executor in left.expired] == [slow.pid]
    assert done.state == "active"
    assert await stopped(other) == 0
    assert await leases(stage) == (frozenset(), frozenset())


def _said(stage: Stage) -> str:
    return "\n".join(f"{moment} {step}" for _, moment, step in seen(stage))
