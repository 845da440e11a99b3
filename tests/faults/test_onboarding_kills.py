"""The worker dies with kill -9 at every moment of every step of an onboarding, and of its compensation.

After restart it ends, and Tryton's own books hold one of each thing. Moments are discovered in an undisturbed run, so
that a new step is killed too. Sampled, unless TIEBEAM_CAMPAIGN=full.
"""

import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
import yaml

from examples.demo.books import Tryton
from examples.demo.proof import OPENS_ON
from examples.demo.stage import Ready, installation
from gateway.durable import Process, State
from tests.e2e.conftest import QUICK, in_service, quick
from tests.e2e.test_story import keys_of, signed
from tests.faults.killing_worker import Cell
from tests.faults.mortal import Document, Mortal
from tests.servers_tryton import ANY, tryton_server

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
EVERY = 21
"""Of so many cells one is in the sample."""
GUARD = ("between_intent_and_act", "between_act_and_record")
CLOCKS = {**QUICK, "write_lease_s": 1.5}  # What a dead worker holds is waited for that long.
NEVER = (9999, 12, 31)
NATIVE, PLAIN = "delivery_standard", "plain"
TASKS = {NATIVE: 3, PLAIN: 5}
FROZEN = {
    "name": "Nobody writes",
    "model": "project.work",
    "global_p": True,
    "default_p": False,
    "rules": [["create", [{"domain": json.dumps([["id", "<", 0]])}]]],
    **{f"perm_{what}": what == "delete" for what in ("read", "write", "create", "delete")},
}
"""A rule of access in Tryton that refuses all writes to projects, once it is switched on."""

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


def books_after(story: Story) -> Document:
    """Return what Tryton's own books have to hold, once each."""
    well = not story.refused
    return {
        "customers": [well],
        "customers in delivery": [True],
        "ledger": ["opened" if well else "closed"],
        "delivery": ["Open" if well else "Cancelled"],
        "tasks": [OPENS_ON if well else NEVER] * TASKS[story.template],
    }


class World:
    """The product, and the books of both systems."""

    def __init__(self, product: Mortal, ready: Ready) -> None:
        self.product = product
        self.erp, self.psa = (
            Tryton(f"{ready['base_url']}/{database}/rpc/", ready["admin_user"], ready["admin_password"])
            for database in ("erp", "psa")
        )
        self._rule = self.psa.model("ir.rule.group", "create", [FROZEN])

    def close(self) -> None:
        """Hang up."""
        self.erp.close()
        self.psa.close()

    def freeze(self, *, frozen: bool) -> None:
        """Let the delivery system refuse writes to projects, or take them again."""
        self.psa.model("ir.rule.group", "write", self._rule, {"perm_write": frozen})

    def books(self, body: Document) -> Document:
        """Return what there is of a statement of work, inactive or not."""
        keys = keys_of(body)
        party = ["code", "=", keys["customer"]]
        account, project = (["like", f"%key: {keys[name]}%"] for name in ("erp", "psa"))
        ledger = self.erp.find("analytic_account.account", [["note", *account], ANY], "state")
        roots = self.psa.find("project.work", [["comment", *project], ["type", "=", "project"]], "status.name")
        below = ["parent", "child_of", [root["id"] for root in roots], "parent"]
        tasks = self.psa.find("project.work", [below, ["type", "=", "task"]], "timesheet_start_date")
        days = [task["timesheet_start_date"] for task in tasks]
        return {
            "customers": [bool(one["active"]) for one in self.erp.find("party.party", [party, ANY], "active")],
            "customers in delivery": [
                bool(one["active"]) for one in self.psa.find("party.party", [party, ANY], "active")
            ],
            "ledger": [one["state"] for one in ledger],
            "delivery": [root["status."]["name"] for root in roots],
            "tasks": [(day["year"], day["month"], day["day"]) for day in days],
        }


@pytest.fixture(
    scope="module",
    params=[
        "embedded",
        pytest.param("service", marks=pytest.mark.skipif(not FULL, reason="The sample is of the embedded pair.")),
    ],
)
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as servers:
        ready = servers.enter_context(tryton_server("sqlite" if request.param == "embedded" else "postgresql"))
        config = installation(folder / "installation", ready)
        if request.param == "service":
            in_service(servers, config)
        quick(config, processes=CLOCKS)
        add_plain_template(config.parent / "templates")
        async with Mortal(config, folder) as product:
            world = World(product, ready)
            yield world
            world.close()


def add_plain_template(folder: Path) -> None:
    """Write a template whose tasks the gateway makes itself."""
    template = yaml.safe_load((folder / f"{NATIVE}.yaml").read_text())
    del template["native_templates"]
    (folder / f"{PLAIN}.yaml").write_text(yaml.safe_dump({**template, "code": PLAIN}))


async def play(world: World, story: Story, cell: Cell | None) -> tuple[Process, Document]:
    """Return the onboarding that has ended, though its worker died there, and the statement of work."""
    body, product = signed(), world.product
    body["customer"]["confirmed_new"], body["project"]["template"] = True, story.template
    product.condemn(cell)
    world.freeze(frozen=story.refused)
    onboarding = await product.ask(body, str(uuid4()))
    if story.refused:
        await product.until(onboarding, lambda process: process.state == State.parked)
        world.freeze(frozen=False)
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
            assert world.books(body) == books_after(story)
            assert await world.product.kept(process) == kept
