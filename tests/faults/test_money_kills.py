"""The worker dies with kill -9 at every moment of each step of a transfer, a recall, a release, a hold, and of probes.

After restart all of it ends, and Tryton's own books hold one posting a fact, one invoice, no accrued income that is
invoiced, and one word on each entry. Moments are discovered in an undisturbed run, so that a new step is killed too.
Sampled, unless TIEBEAM_CAMPAIGN=full.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple

import pytest

from tests.faults.killing_money import Case, Money
from tests.faults.killing_worker import Cell
from tests.faults.money_books import Found, MoneyBooks, kept
from tests.faults.stage_of_money import Clocks, stage_of_money

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
EVERY = 31
"""Of so many cells one is in the sample."""
CLOCKS = Clocks(write_lease_s=8.0, settle_s=2.0)
pytestmark = [pytest.mark.live, pytest.mark.campaign]


class Story(NamedTuple):
    """What is played: how it begins, what is condemned, and what it leaves, computed by hand."""

    stock: Callable[[Money, int], Awaitable[list[Case]]]
    play: Callable[[Money, Case], Awaitable[None]]
    leaves: Found
    """In the systems' books."""
    keeps: Found
    """In our own tables."""
    ready: Callable[[Money, Case], Awaitable[Case]] | None = None
    """What is done for one case before it is condemned."""
    loses: Cell | None = None
    """The answer that gets lost, so that the outcome is unknown first; the worker dies when it is looked for."""
    beyond: str | None = None
    """The story whose moments are another one's business."""


async def book(money: Money, case: Case) -> Case:
    """Return the case with time that is approved, and waits."""
    return case._replace(entries=await money.book(case.job, money.works()))


async def accept(money: Money, case: Case) -> Case:
    """Return the case, whose design is accepted."""
    await money.approve_milestone(case.job)
    return case


async def transfer(money: Money, _case: Case) -> None:
    """Take the time over; one entry is rejected."""
    await money.transfer()


async def recall(money: Money, case: Case) -> None:
    """Take the first entry back."""
    await money.recall(case.entries[0])


async def release(money: Money, case: Case) -> None:
    """Invoice the time and the design."""
    await money.release(case.job)


async def hold(money: Money, case: Case) -> None:
    """Place a hold on the project, and lift it once the PSA shows it."""
    placed = await money.hold("project", case.job.id)
    await money.product.everything_ended()
    await money.lift(placed)
    await money.product.everything_ended()


# An hour of a consultant at 120.00 costs 38.00; 20 minutes of a lead at 185.00 are 61.67, and cost 42.00 / 3 = 14.00.
FIRST = ["r1_cost posted 5.1.3 38.00", "r1_sale posted 1.4.2 120.00"]
SECOND = ["r1_cost posted 5.1.3 14.00", "r1_sale posted 1.4.2 61.67"]
TAKEN_BACK = ["r1_cost_rev posted 2.2.4 38.00", "r1_sale_rev posted 4.2.2 120.00"]
NOTHING = {
    "postings": [],
    "invoices": [],
    "balances": {"accrued income": "0.00", "revenue": "0.00", "cost of work": "0.00"},
    "told of entries": [],
    "told of the project": [],
    "shown as": "Open",
}
COSTS = ["cost original posted non_billable 14.00", "cost original posted non_billable 38.00"]
NONE_KEPT = {
    "entries": [],
    "facts": [],
    "requests": [],
    "facts on requests": ["0 0"],
    "milestones": ["planned", "planned"],
    "holds": [],
    "shown": [],
    "work items": [],
    "unknown writes": ["0"],
    "inbox": ["0"],
    "locks": ["0"],
}
TRANSFER = Story(
    stock=Money.projects,
    ready=book,
    play=transfer,
    leaves=NOTHING
    | {
        "postings": [FIRST, SECOND, []],
        "balances": {"accrued income": "181.67", "revenue": "-181.67", "cost of work": "52.00"},
        "told of entries": [["feedback: posted"], ["feedback: posted"], ["feedback: rejected"]],
    },
    keeps=NONE_KEPT
    | {
        "entries": ["approved posted", "approved posted", "approved rejected_validation"],
        "facts": [
            *COSTS,
            "unbilled_sale original posted ready 120.00",
            "unbilled_sale original posted ready 61.67",
        ],
        "work items": ["quantity.out_of_range"],
    },
)
RECALL = Story(
    stock=Money.delivered,
    play=recall,
    leaves=NOTHING
    | {
        "postings": [sorted(FIRST + TAKEN_BACK), SECOND],
        "balances": {"accrued income": "61.67", "revenue": "-61.67", "cost of work": "14.00"},
        "told of entries": [["feedback: posted", "feedback: reversed"], ["feedback: posted"]],
    },
    keeps=NONE_KEPT
    | {
        "entries": ["recall_requested reversed", "approved posted"],
        "facts": [
            "cost original posted non_billable 14.00",
            "cost original reversed reversed 38.00",
            "cost reversal posted non_billable -38.00",
            "unbilled_sale original reversed reversed 120.00",
            "unbilled_sale original posted ready 61.67",
            "unbilled_sale reversal posted non_billable -120.00",
        ],
    },
)
# The design is 18,000.00; 21 % of 18,181.67 are 3,818.1507.
RELEASE = Story(
    stock=Money.delivered,
    ready=accept,
    play=release,
    leaves=NOTHING
    | {
        "postings": [FIRST, SECOND],
        "invoices": ["posted 18181.67 3818.15 21999.82"],
        "balances": {"accrued income": "0.00", "revenue": "-18181.67", "cost of work": "52.00"},
        "told of entries": [["feedback: posted", "feedback: billed"]] * 2,
        "told of the project": ["billing"],
    },
    keeps=NONE_KEPT
    | {
        "entries": ["approved posted", "approved posted"],
        "facts": [
            *COSTS,
            "fee original skipped billed 18000.00",
            "unbilled_sale original posted billed 120.00",
            "unbilled_sale original posted billed 61.67",
            "unbilled_sale_release original posted non_billable 181.67",
        ],
        "requests": ["posted applied"],
        "facts on requests": ["3 3"],
        "milestones": ["invoiced", "planned"],
    },
)
HOLD = Story(
    stock=Money.projects,
    play=hold,
    leaves=NOTHING | {"told of the project": ["hold: on", "hold: off"]},
    keeps=NONE_KEPT | {"holds": ["lifted 0"], "shown": ["books skipped None", "delivery acked False"]},
)
STORIES = {
    "transfer": TRANSFER,
    "recall": RECALL,
    "release": RELEASE,
    "hold": HOLD,
    "drafts_in_doubt": TRANSFER._replace(loses=Cell("answered_1", "post_billable_transactions"), beyond="transfer"),
    "postings_in_doubt": TRANSFER._replace(loses=Cell("answered_2", "post_billable_transactions"), beyond="transfer"),
    "words_in_doubt": TRANSFER._replace(loses=Cell("answered_1", "write_time_feedback"), beyond="transfer"),
    "reversals_in_doubt": RECALL._replace(loses=Cell("answered_1", "post_billable_transactions"), beyond="recall"),
    "invoice_in_doubt": RELEASE._replace(loses=Cell("answered_1", "create_invoice"), beyond="release"),
    "posted_in_doubt": RELEASE._replace(loses=Cell("answered_1", "post_invoice"), beyond="release"),
    "accrued_in_doubt": RELEASE._replace(loses=Cell("answered_1", "post_billable_transactions"), beyond="release"),
    "note_in_doubt": RELEASE._replace(loses=Cell("answered_1", "write_billing_note"), beyond="release"),
    "flag_in_doubt": HOLD._replace(loses=Cell("answered_1", "set_hold_flag:2"), beyond="hold"),
}
SAMPLED: Mapping[str, Mapping[str, list[Cell]]] = {
    "embedded": {
        "release": [Cell("between_act_and_record", "create_invoice"), Cell("after", "post_invoice")],
        "hold": [Cell("after", "set_hold_flag:2")],
        "invoice_in_doubt": [Cell("before", "create_invoice", time=2)],
    },
    "service": {"release": [Cell("between_act_and_record", "create_invoice")]},
}
"""Where a second document would be made by whoever does not look; to find these out anew is for the full campaign."""
DISCOVERED = ("embedded", "transfer")
"""Whose moments the sample finds out by itself, too."""


class World:
    """The product, and the books of both systems."""

    def __init__(self, money: Money, books: MoneyBooks) -> None:
        self.money, self.books = money, books
        self._cells: dict[str, list[Cell]] = {}

    async def play(self, story: Story, case: Case, cell: Cell | None) -> Case:
        """Return the case, played to its end though its worker died there."""
        product = self.money.product
        product.condemn(None)
        ready = await story.ready(self.money, case) if story.ready else case
        product.condemn(cell)
        if story.loses:
            product.lose(story.loses)
        await story.play(self.money, ready)
        return ready

    async def cells(self, name: str) -> list[Cell]:
        """Return each moment of a story that nobody disturbs, and that is not another story's."""
        if name not in self._cells:
            story = STORIES[name]
            others = await self.cells(story.beyond) if story.beyond else []
            (case,) = await story.stock(self.money, 1)
            case = await self.play(story, case, None)
            seen = self.money.product.seen_each_time()
            await self.check(story, case)
            self._cells[name] = [cell for cell in seen if cell not in others]
            assert self._cells[name], "Nothing of it is its own: what gets lost is not there any more."
        return self._cells[name]

    async def check(self, story: Story, case: Case) -> None:
        """Compare what is in the books, and in our own tables, with what was computed by hand."""
        assert self.books.found(case.job, case.entries) == story.leaves
        assert await kept(self.money.product.store, case.job, case.entries) == story.keeps


@pytest.fixture(scope="module", params=["embedded", "service"])
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with stage_of_money(tmp_path_factory.mktemp(request.param), request.param, CLOCKS) as (money, books):
        yield World(money, books)


async def cells_of(world: World, name: str, pair: str) -> list[Cell]:
    """Return where the worker is killed in a story."""
    if FULL:
        return await world.cells(name)
    if (pair, name) == DISCOVERED:
        return sample(await world.cells(name))
    return SAMPLED[pair].get(name, [])


def sample(cells: list[Cell]) -> list[Cell]:
    """Return every so many cells, and one at least."""
    return [cell for place, cell in enumerate(cells) if place % EVERY == min(EVERY, len(cells)) // 2]


@pytest.mark.parametrize("name", STORIES)
async def test_worker_killed_at_any_moment_leaves_each_effect_once(
    request: pytest.FixtureRequest, world: World, name: str, subtests: pytest.Subtests
) -> None:
    story, cells = STORIES[name], await cells_of(world, name, request.node.callspec.params["world"])
    if not cells:
        pytest.skip("Played in the full campaign.")

    for cell, case in zip(cells, await story.stock(world.money, len(cells)), strict=True):
        with subtests.test(moment=cell.moment, step=cell.step, time=cell.time):
            deaths = world.money.product.deaths
            played = await world.play(story, case, cell)

            assert world.money.product.deaths == deaths + 1
            await world.check(story, played)
