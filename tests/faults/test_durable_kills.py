"""The worker dies with kill -9, wherever it can: each process ends, and the vendor's books hold each effect once.

The moments are discovered in an undisturbed run, so that a new step is killed too. Sampled, unless
TIEBEAM_CAMPAIGN=full.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.durable import MOMENTS, Process, Workflow
from gateway.durable.engine import Status
from gateway.durable.migrate import migrate
from tests.faults.toy_workers import ENDS_WITHIN_S, started
from tests.servers_postgres import Postgres, postgres
from tests.workflows.stage import Stage
from tests.workflows.toy import sell, sell_or_not

pytestmark = pytest.mark.campaign
FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
SAMPLE = 1
GUARD = ("between_intent_and_act", "between_act_and_record")


class Story(NamedTuple):
    """What is played, and how it has to end."""

    flow: Workflow[Any]
    refuse: str
    state: str
    effects: list[str]


STORIES = {
    "goes_well": Story(sell, "", "active", ["create deal_1", "open deal_1"]),
    "is_undone": Story(sell_or_not, "open_deal", "cancelled", ["create deal_1", "cancel deal_1"]),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def fresh(tmp_path: Path, *name: str) -> Path:
    """Return an empty folder."""
    folder = tmp_path / "-".join(name)
    folder.mkdir()
    return folder


@asynccontextmanager
async def staged(profile: str, server: Postgres, folder: Path, story: Story) -> AsyncIterator[tuple[Stage, Process]]:
    """Open a fresh installation, in a folder that is there, in which the story was asked for."""
    url = server.database() if profile == "postgresql" else f"sqlite:///{folder / 'tiebeam.sqlite'}"
    migrate(url)
    stage = Stage(url, folder / "desk")
    if story.refuse:
        stage.desk.plan(story.refuse, "refuse", "refuse")  # Twice: the first refusal may be lost with the worker.
    try:
        yield stage, await stage.ask(flow=story.flow)
    finally:
        await stage.close()


async def moments_of(profile: str, server: Postgres, folder: Path, story: Story) -> list[tuple[str, str]]:
    """Return every moment that an undisturbed run comes through."""
    seen: list[tuple[str, str]] = []

    async def notice(moment: str, step: str) -> None:
        seen.append((moment, step.split("?", maxsplit=1)[0]))

    async with staged(profile, server, folder, story) as (stage, process), stage.working(notice):
        await stage.rest(process)
    return [*dict.fromkeys(seen), *((moment, "create_deal") for moment in GUARD)]


async def until_ended(stage: Stage, process: Process) -> None:
    """Return once the engine has put the run down: what people see may be there before."""
    async with asyncio.timeout(ENDS_WITHIN_S):
        while await stage.engine.status_of(process.workflow_id) is not Status.ended:  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("name", STORIES)
async def test_a_worker_killed_at_any_moment_leaves_each_effect_once(
    name: str, profile: str, server: Postgres, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    story = STORIES[name]
    cells = await moments_of(profile, server, fresh(tmp_path, "undisturbed"), story)
    assert {moment for moment, _ in cells} == {*MOMENTS, *GUARD}

    for moment, step in cells if FULL else random.sample(cells, SAMPLE):
        with subtests.test(moment=moment, step=step):
            async with staged(profile, server, fresh(tmp_path, moment, step), story) as (stage, process):
                victim = await started(stage, moment, step, "kill")
                died = await asyncio.wait_for(victim.wait(), ENDS_WITHIN_S)
                successor = await started(stage, moment, step, "kill")
                await until_ended(stage, process)
                ended = await stage.rest(process)
                successor.terminate()
                stopped = await asyncio.wait_for(successor.wait(), ENDS_WITHIN_S)

                assert (died, stopped) == (-9, 0)
                assert ended.state == story.state
                assert stage.desk.effects() == story.effects


async def test_a_worker_in_a_process_of_its_own_is_the_only_one_on_a_file(server: Postgres, tmp_path: Path) -> None:
    async with staged("sqlite", server, fresh(tmp_path, "two"), STORIES["goes_well"]) as (stage, process):
        first = await started(stage)
        await stage.rest(process)
        second = await started(stage)
        refused = await asyncio.wait_for(second.wait(), ENDS_WITHIN_S)
        first.terminate()

        assert refused == 1
        assert await asyncio.wait_for(first.wait(), ENDS_WITHIN_S) == 0
