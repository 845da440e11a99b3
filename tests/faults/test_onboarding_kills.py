"""The worker dies with kill -9 at every moment of every step of an onboarding, and of its compensation.

After restart it ends, and the systems' own books hold one of each thing. Moments are discovered in an undisturbed run,
so that a new step is killed too. Sampled, unless TIEBEAM_CAMPAIGN=full.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
import yaml

from examples.demo.books import Tryton
from examples.demo.stage import Ready, installation
from gateway.durable import Process, State
from tests.e2e.conftest import QUICK, SETTLE_S, in_service, quick
from tests.e2e.test_story import keys_of, signed
from tests.faults.killing_worker import Cell
from tests.faults.mortal import Document, Mortal
from tests.faults.onboarding_books import (
    NATIVE,
    PLAIN,
    Delivery,
    RedmineDelivery,
    Refusing,
    TrytonDelivery,
    TrytonLedger,
)
from tests.servers_redmine import redmine_server
from tests.servers_tryton import tryton_server

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
EVERY = 31
"""Of so many cells one is in the sample."""
GUARD = ("between_intent_and_act", "between_act_and_record")
CLOCKS = {**QUICK, "write_lease_s": 1.5, "worker_lease_s": 3.0}  # What a dead worker holds is waited for that long.

pytestmark = [pytest.mark.live, pytest.mark.campaign]


class Story(NamedTuple):
    """What is played."""

    template: str = NATIVE
    refused: bool = False
    """Whether the delivery system refuses the last step before people book time, and the onboarding is given up."""
    beyond: str | None = None
    """The story whose moments are another one's business."""


STORIES = {
    "goes_well": Story(),
    "task_by_task": Story(template=PLAIN, beyond="goes_well"),
    "is_undone": Story(refused=True),
}
ENDS = {
    False: {
        "state": "active",
        "project": "active",
        "code is the project's": True,
        "references": Counter(active=3),
        "contract and schedule": ["active", "planned", "planned"],
        "open work items": [],
        "locks": 0,
        "ends told": 1,
        "announced": 1,
    },
    True: {
        "state": "cancelled",
        "project": "cancelled",
        "code is the project's": True,  # The delivery system has shown it: nobody else may have it.
        "references": Counter(retired=3),
        "contract and schedule": ["cancelled", "cancelled", "cancelled"],
        "open work items": [],
        "locks": 0,
        "ends told": 1,
        "announced": 0,
    },
}
"""What our own tables say in the end; by whether it was refused."""


class World(NamedTuple):
    """The product, and the books of both systems."""

    product: Mortal
    ledger: TrytonLedger
    delivery: Delivery
    refusing: Refusing
    """What refuses the last step before people book time, or, where that one is Redmine's, the one before."""


@pytest.fixture(
    scope="module",
    params=[
        "embedded",
        pytest.param("service", marks=pytest.mark.skipif(not FULL, reason="The sample is of the embedded pair.")),
        pytest.param("redmine", marks=pytest.mark.redmine),
    ],
)
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder, kind = tmp_path_factory.mktemp(request.param), request.param
    with ExitStack() as servers:
        redmine = servers.enter_context(redmine_server()) if kind == "redmine" else None
        ready = servers.enter_context(tryton_server("postgresql" if kind == "service" else "sqlite"))
        config = installation(folder / "installation", ready, redmine)
        if kind == "service":
            in_service(servers, config)
        prepare(config)
        erp, psa = (servers.enter_context(closing(books(ready, database))) for database in ("erp", "psa"))
        async with Mortal(config, folder, schedules=False) as product:
            yield World(
                product=product,
                ledger=TrytonLedger(erp),
                delivery=RedmineDelivery(redmine) if redmine else TrytonDelivery(psa),
                refusing=Refusing(erp, "analytic_account.account") if redmine else Refusing(psa, "project.work"),
            )


def books(ready: Ready, database: str) -> Tryton:
    """Return a database of Tryton as its administrator sees it."""
    return Tryton(f"{ready['base_url']}/{database}/rpc/", ready["admin_user"], ready["admin_password"])


def prepare(config: Path) -> None:
    """Set clocks for tests, and add a template whose tasks the gateway makes itself."""
    connections = yaml.safe_load(config.read_text())["connections"]
    for connection in connections.values():
        connection["settings"]["settle_s"] = SETTLE_S
    quick(config, processes=CLOCKS, connections=connections)
    folder = config.parent / "templates"
    template = yaml.safe_load((folder / f"{NATIVE}.yaml").read_text())
    del template["native_templates"]
    (folder / f"{PLAIN}.yaml").write_text(yaml.safe_dump({**template, "code": PLAIN}))


async def play(world: World, story: Story, cell: Cell | None) -> tuple[Process, Document]:
    """Return the onboarding that has ended, though its worker died there, and the statement of work."""
    body, product = signed(), world.product
    body["customer"]["confirmed_new"], body["project"]["template"] = True, story.template
    product.condemn(cell)
    world.refusing.switch(on=story.refused)
    onboarding = await product.ask(body, str(uuid4()))
    if story.refused:
        await product.until(onboarding, lambda process: process.state == State.parked)
        world.refusing.switch(on=False)
        await product.cancel(onboarding)
    return await product.ended(onboarding), body


async def undisturbed(world: World, story: Story) -> tuple[list[Cell], Document]:
    """Return each moment of a story that nobody disturbs, from the refused step on where there is one; and its end."""
    process, _ = await play(world, story, None)
    kept, cells = await world.product.kept(process), world.product.seen()
    refused = [name for name, _, state in (step.partition(" ") for step in kept["steps"]) if state == "refused"]
    first = next((place for place, cell in enumerate(cells) if cell.step in refused), 0)
    return cells[first:], kept


def sample(cells: list[Cell]) -> list[Cell]:
    """Return every so many cells, and the moments inside the first write of each kind that makes a document."""
    writes = [
        cell for cell in cells if cell.moment in GUARD and cell.step.startswith("create_") and ":" not in cell.step
    ]
    return [cell for place, cell in enumerate(cells) if cell in writes or place % EVERY == EVERY // 2]


@pytest.mark.parametrize("name", STORIES)
async def test_worker_killed_at_any_moment_leaves_one_of_each(
    world: World, name: str, subtests: pytest.Subtests
) -> None:
    story = STORIES[name]
    cells, kept = await undisturbed(world, story)
    others = (await undisturbed(world, STORIES[story.beyond]))[0] if story.beyond else []
    cells = [cell for cell in cells if cell not in others]
    assert {key: kept[key] for key in ENDS[story.refused]} == ENDS[story.refused]

    for cell in cells if FULL else sample(cells):
        with subtests.test(moment=cell.moment, step=cell.step):
            deaths = world.product.deaths
            process, body = await play(world, story, cell)

            assert world.product.deaths == deaths + 1
            for system in (world.ledger, world.delivery):
                assert system.found(keys_of(body)) == system.wanted(story.template, active=not story.refused)
            assert await world.product.kept(process) == kept
