"""An earlier release with processes under way, then this one: beside it on PostgreSQL, in its place on SQLite.

Each release that is followed is checked out from this repository's history, and runs as it was. Whoever dies, and
whichever release takes a process up, each effect is in the vendor's books once.
"""

import asyncio
import os
import signal
from asyncio.subprocess import Process as Child
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from gateway.caller import INSTALLATION
from gateway.cli import main as cli
from gateway.durable import Process, State, Window, list_processes, resume
from gateway.durable.migrate import migrate, pending
from tests.faults.toy_workers import ended, seen, started, stopped
from tests.releases import COMMITS, OLDEST, THIS, Release, check_out
from tests.servers_postgres import Postgres, postgres
from tests.workflows.stage import Stage
from tests.workflows.toy import sell

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
pytestmark = pytest.mark.campaign
FIRST = [f"old_{number}" for number in range(40 if FULL else 12)]
SECOND = [f"new_{number}" for number in range(40 if FULL else 12)]
THIRD = [f"late_{number}" for number in range(40 if FULL else 12)]
MOMENTS = [
    ("between_intent_and_act", "create_deal"),
    ("between_act_and_record", "create_deal"),
    ("after", "create_deal"),
    ("before", "open_deal"),
    ("recorded", "open_deal"),
]
RESTS_WITHIN_S = 600  # Whoever plays the campaign has other work for the machine, too.
ASK = """
import asyncio, sys
from pathlib import Path
from gateway.durable.migrate import migrate
from tests.workflows.stage import Stage
async def ask(url, folder, keys):
    stage = Stage(url, Path(folder))
    for key in keys:
        await stage.ask(key)
    await stage.close()
migrate(sys.argv[1])
asyncio.run(ask(sys.argv[1], sys.argv[2], sys.argv[3:]))
"""
"""Whoever starts the release migrates; where a later one has, nothing is to be done."""


async def old_worker(old: Release, stage: Stage, *where: str) -> Child:
    """Start a worker of the old release; see `toy_worker` for where it is struck."""
    command = old.command("-m", "tests.faults.toy_worker", stage.url, stage.desk.folder, *where)
    return await asyncio.create_subprocess_exec(*command, cwd=old.tree, env=old.environment)


@pytest.fixture(scope="module", params=COMMITS)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Release:
    return check_out(request.param, tmp_path_factory.mktemp("release") / request.param)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
async def shared(server: Postgres, tmp_path: Path) -> AsyncIterator[Stage]:
    """An empty PostgreSQL."""
    opened = Stage(server.database(), tmp_path / "desk")
    yield opened
    await opened.close()


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Stage]:
    """An empty SQLite file."""
    opened = Stage(f"sqlite:///{tmp_path / 'tiebeam.sqlite'}", tmp_path / "desk")
    yield opened
    await opened.close()


async def all_of(stage: Stage) -> list[Process]:
    """Return every process."""
    return (await list_processes(stage.store, INSTALLATION, Window(limit=500))).items


async def resting(stage: Stage, count: int) -> list[Process]:
    """Return so many processes, once all of them rest; those that a refusal parked are resumed."""
    async with asyncio.timeout(RESTS_WITHIN_S):
        while True:
            found = await all_of(stage)
            for process in found:
                if process.state == State.parked:
                    await resume(stage.store, stage.engine, sell, INSTALLATION, process.id, {})
            if len(found) == count and all(process.ended_at for process in found):
                return found
            await asyncio.sleep(0.1)


def once(stage: Stage, keys: list[str]) -> bool:
    """Tell whether each deal was made and opened once, and nothing else."""
    wanted = Counter(f"{verb} {key}" for verb in ("create", "open") for key in keys)
    return Counter(stage.desk.effects()) == wanted


@pytest.mark.parametrize(("moment", "step"), MOMENTS)
@pytest.mark.skipif(not FULL, reason="Played in the full campaign; test_upgrade_service.py is the sample.")
async def test_both_releases_share_the_work_until_the_old_one_is_stopped(
    old: Release, shared: Stage, moment: str, step: str
) -> None:
    shared.desk.plan("create_deal", "refuse")
    old.do("-c", ASK, shared.url, shared.desk.folder, *FIRST)
    victim = await old_worker(old, shared, moment, step, "kill")
    died = await ended(victim)
    was_behind = pending(shared.url)

    migrate(shared.url)
    workers = [await old_worker(old, shared), await started(shared)]
    for key in SECOND:
        await shared.ask(key)
    old.do("-c", ASK, shared.url, shared.desk.folder, *THIRD)
    done = await resting(shared, len(FIRST + SECOND + THIRD))
    took = {int(pid) for pid, _, _ in seen(shared)}
    codes = [await stopped(worker) for worker in workers]

    assert (died, codes) == (-signal.SIGKILL, [0, 0])
    assert [version for version in was_behind if version != "engine"] == THIS.migrations[len(old.migrations) :]
    assert {process.state for process in done} == {"active"}
    assert {worker.pid for worker in workers} <= took
    assert once(shared, FIRST + SECOND + THIRD)


@pytest.mark.parametrize("old", COMMITS if FULL else [OLDEST], indirect=True)  # The oldest has the most to migrate.
@pytest.mark.parametrize(("moment", "step"), MOMENTS if FULL else MOMENTS[1:2])
async def test_the_new_release_goes_on_with_the_old_one_s_file(
    old: Release, embedded: Stage, moment: str, step: str
) -> None:
    embedded.desk.plan("create_deal", "refuse")
    old.do("-c", ASK, embedded.url, embedded.desk.folder, *FIRST)
    victim = await old_worker(old, embedded, moment, step, "kill")
    died = await ended(victim)

    migrate(embedded.url)
    worker = await started(embedded)
    for key in SECOND:
        await embedded.ask(key)
    done = await resting(embedded, len(FIRST + SECOND))
    code = await stopped(worker)
    old.do("-c", ASK, embedded.url, embedded.desk.folder)  # Whoever goes back starts it like this.

    assert (died, code) == (-signal.SIGKILL, 0)
    assert {process.state for process in done} == {"active"}
    assert once(embedded, FIRST + SECOND)


@pytest.mark.parametrize(
    ("old", "added", "refusal"),
    [
        ("0.1.0", [], None),
        ("0.1.0", ["dates"], "lifecycle.yaml: a policy file holds one list"),
        ("0.2.0", ["dates"], None),
        ("0.2.0", ["dates", "releases"], "'releases' was unexpected"),
    ],
    indirect=["old"],
)
def test_old_release_reads_the_files_but_for_what_is_added_once_it_is_gone(
    old: Release, tmp_path: Path, added: list[str], refusal: str | None
) -> None:
    folder = tmp_path / "installation"
    CliRunner().invoke(cli, ["init", str(folder)], catch_exceptions=False)
    if "dates" not in added:
        (folder / "policies" / "lifecycle.yaml").unlink()
    config = folder / "tiebeam.yaml"
    settings = yaml.safe_load(config.read_text().replace("{env: TRYTON_PASSWORD}", "{env: PATH}"))
    if "releases" not in added:
        del settings["releases"]
    config.write_text(yaml.safe_dump(settings))

    said = old.run("-m", "gateway.cli", "plan", "create_customer", "--config", config)

    assert (said.returncode == 0) is (refusal is None), said.stderr
    assert (refusal or "") in said.stderr
