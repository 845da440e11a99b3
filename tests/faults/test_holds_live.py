"""Holds against releases on a running Tryton, at random moments and over every scope.

No invoice is submitted after its hold was stored, by the database's order; each hold has stopped it, or names the one
invoice; and after lifting and releasing again everything is invoiced, once. Sampled, unless TIEBEAM_CAMPAIGN=full.
"""

import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Final

import pytest

from tests.faults.killing_money import Money
from tests.faults.money_books import MoneyBooks
from tests.faults.racing_holds import ABOUT_ONE_THING, Run, at_rest, drawn, run, stored_at, submitted
from tests.faults.stage_of_money import Clocks, stage_of_money

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
RACES: Final = 102 if FULL else 6
AT_ONCE: Final = 6
CLOCKS = Clocks(write_lease_s=60.0, settle_s=5.0)
"""Nobody dies here."""
EVERYTHING: Final = "18181.67"
"""An hour at 120.00, twenty minutes at 185.00, and the design at 18,000.00."""
BILLED: Final = {"accrued income": "0.00", "revenue": f"-{EVERYTHING}", "cost of work": "52.00"}

pytestmark = [pytest.mark.live, pytest.mark.campaign]


class World:
    """The product, the books of both systems, and how long a release takes that nobody disturbs."""

    def __init__(self, money: Money, books: MoneyBooks) -> None:
        self.money, self.books = money, books
        self.outcomes: Counter[str] = Counter()

    async def lasts_s(self) -> float:
        """Return how long a release takes."""
        (case,) = await self.money.delivered(1)
        await self.money.approve_milestone(case.job)
        began = time.monotonic()
        await self.money.release(case.job)
        return time.monotonic() - began


@pytest.fixture(
    scope="module",
    params=[
        "embedded",
        pytest.param("service", marks=pytest.mark.skipif(not FULL, reason="The sample is of the embedded pair.")),
    ],
)
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with stage_of_money(tmp_path_factory.mktemp(request.param), request.param, CLOCKS) as (money, books):
        yield World(money, books)


async def test_no_invoice_is_submitted_after_its_hold(world: World, subtests: pytest.Subtests) -> None:
    money, lasts_s = world.money, await world.lasts_s()
    for first in range(0, RACES, AT_ONCE):
        cases = await money.delivered(AT_ONCE)
        for case in cases:
            await money.approve_milestone(case.job)
        races = [await drawn(money, case, first + place, lasts_s) for place, case in enumerate(cases)]
        running = [await run(money, race) for race in races]
        await money.product.everything_ended()
        for number, one in enumerate(running, first):
            with subtests.test(race=number, scope=one.race.scope_type):
                await check_who_was_first(world, await at_rest(money, one))
        await release_again(world, running)
        for number, one in enumerate(running, first):
            with subtests.test(race=number, scope=one.race.scope_type, again=True):
                check_all_is_invoiced(world, one)

    assert sum(world.outcomes.values()) == RACES
    assert not FULL or min(world.outcomes[outcome] for outcome in ("stopped", "too late", "left out")) > 0


async def check_who_was_first(world: World, one: Run) -> None:
    """Compare what the hold says with the database's order, and with Tryton's ledger."""
    store, race = world.money.product.store, one.race
    requests, placed_at = await submitted(store, race), await stored_at(store, one.hold)
    (request,) = requests
    said = {met["request_id"]: met for met in one.hold["requests"]}
    world.outcomes[outcome_of(one, request.held_facts)] += 1

    if request.held_facts == 0:
        assert {met["effect"] for met in said.values()} <= {"stopped"}
        assert one.hold["state"] == "active"
        assert (world.books.numbers(race.case.job) == []) is (request.number is None)
        return
    # An invoice has what is held: it was submitted before the hold was stored, and the hold names it.
    assert request.submitted_at is not None
    assert request.submitted_at < placed_at
    assert world.books.numbers(race.case.job) == [request.number]
    over = request.posted_at is not None and request.posted_at < placed_at
    if over and race.scope_type not in ABOUT_ONE_THING:
        assert (one.hold["state"], said) == ("active", {})
        return
    assert one.hold["state"] == "too_late"
    assert said[request.id]["effect"] == "too_late"
    assert said[request.id]["invoice_number"] == request.number


def outcome_of(one: Run, held_facts: int) -> str:
    """Return in a word who was first."""
    (request,) = one.release["requests"]
    if held_facts:
        return "too late"
    return {"held": "stopped", "posted": "left out"}[request["state"]]


async def release_again(world: World, running: list[Run]) -> None:
    """Lift each hold, and release once more."""
    money = world.money
    for one in running:
        await money.lift(one.hold)
    await money.product.everything_ended()
    for one in running:
        await money.start_release(one.race.case.job)
    await money.product.everything_ended()


def check_all_is_invoiced(world: World, one: Run) -> None:
    """Compare Tryton's ledger with what all of the work is worth."""
    found = world.books.found(one.race.case.job, one.race.case.entries)
    states, nets = zip(*(invoice.split()[:2] for invoice in found["invoices"]), strict=True)
    assert set(states) == {"posted"}
    assert sum(map(Decimal, nets)) == Decimal(EVERYTHING)
    assert found["balances"] == BILLED
    assert found["told of entries"] == [["feedback: posted", "feedback: billed"]] * 2
    assert found["shown as"] == "Open"
