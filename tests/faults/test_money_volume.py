"""Two workers on one PostgreSQL, many time entries, a wire on which calls get lost, and kill -9 at random moments.

In the end the PSA's approved time, our facts, the ERP's journal and what the PSA shows agree, for every project and
day, in count and to the cent. Sampled, unless TIEBEAM_CAMPAIGN=full.
"""

import asyncio
import os
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import pytest

from openapi.common.types import Code
from openapi.system.psa.v1 import TimeFeedbackState
from process_apis.ledger.facts import Adjustment, Fact, Kind, Posting
from tests.fakes.erp_master import ACCRUED_INCOME, COST_OF_SALES
from tests.faults.volume_firm import NEW_HIRE, NEW_HIRES_RATE, RATES, Firm, employ, firm, vendor
from tests.faults.volume_ports import Booking, Entered, Shown
from tests.servers_postgres import Postgres, postgres

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
pytestmark = pytest.mark.campaign
SEED, LOST_PERCENT, WORKERS = 20_261_125, 5.0, 2
HOUR: Final = Decimal("120.00")
CENT: Final = Decimal("0.01")
TOO_LONG: Final = 30 * 60


class Size(NamedTuple):
    """How much of everything."""

    entries: int
    kills: int
    projects: int
    days: int
    bad: int
    """How many of each kind of bad entry."""
    between_s: float
    """Between two kills, at most."""


SIZE = Size(2_000, 30, 8, 10, 4, 2.0) if FULL else Size(150, 3, 4, 3, 1, 1.5)


class Cell(NamedTuple):
    """A project and day of one PSA, and one side of the books."""

    psa: str
    project_id: str
    on: date
    kind: Kind


class Sum(NamedTuple):
    """How many, and how much."""

    count: int
    net: Decimal


Sums = dict[Cell, Sum]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
async def house(server: Postgres, tmp_path: Path) -> AsyncIterator[Firm]:
    async with (
        vendor(SEED, LOST_PERCENT) as systems,
        firm(tmp_path, systems, server.database(), workers=WORKERS, projects=SIZE.projects, batch_size=20) as opened,
    ):
        yield opened


async def test_entries_facts_postings_and_feedback_agree_whoever_dies_and_whatever_gets_lost(house: Firm) -> None:
    chance, moments = Random(SEED), Random(SEED + 1)  # noqa: S311 - so that a run can be had again
    today = datetime.now(UTC).date()
    closed = today - timedelta(days=45)
    await house.vendor.do("period", on=closed, is_open=False)
    bad = await house.book(unfit(house, chance, today, closed))
    house.crew.start()

    killing = asyncio.create_task(kill(house, moments, SIZE.kills - WORKERS))
    await book_all(house, chance, today)
    asked = await house.until(lambda: asked_about(house, bad), "Somebody is asked about each bad entry")
    await mend(house, bad, closed)
    await change_minds(house, chance, bad)
    await killing
    await house.until(lambda: at_rest(house), "Everything is posted and told")

    shown, ledger, facts = await house.vendor.shown(), await house.vendor.ledger(), await house.facts()
    calls = await house.vendor.calls()
    sys.stdout.write(report(house, shown, ledger, facts, calls))
    approved = summed(wanted(shown))
    codes = (Code.resource_not_mapped, Code.period_closed, Code.quantity_out_of_range)
    assert len(shown) == SIZE.entries
    assert Counter(asked.values()) == dict.fromkeys(codes, SIZE.bad)
    assert [key for key, times in Counter(one.key for one in ledger).items() if times > 1] == []
    assert summed(kept(house, facts)) == approved
    assert summed(entered(house, ledger)) == approved
    assert summed(told(shown)) == sales(approved)
    assert {fact.posting for fact in facts} <= {Posting.posted, Posting.reversed}
    assert await house.items() == []
    assert house.crew.killed == SIZE.kills
    assert calls["lost"]


def report(
    house: Firm, shown: list[Shown], ledger: list[Entered], facts: list[Fact], calls: dict[str, dict[str, int]]
) -> str:
    """Return the figures of the campaign; `pytest -s` shows them."""
    asked, lost = sum(calls["calls"].values()), sum(calls["lost"].values())
    net = sum((one.net for one in sales(summed(entered(house, ledger))).values()), Decimal(0))
    return (
        f"{len(shown)} entries, {len(facts)} facts, {len(ledger)} postings, {net} of sales; {asked} calls,"
        f" {lost} of them lost {calls['lost']}; {house.crew.killed} kills, {house.crew.gave_up} gave up\n"
    )


async def kill(house: Firm, chance: Random, times: int) -> None:
    """Kill one worker after another, at random moments."""
    for _ in range(times):
        await asyncio.sleep(chance.uniform(0.2, SIZE.between_s))
        await house.crew.kill(chance.randrange(WORKERS))


def booking(house: Firm, chance: Random, on: date, by: str, minutes: int | None = None) -> Booking:
    """Return time on any project; every PSA commits some of it a moment later."""
    psa, project_id = chance.choice(sorted(house.projects))
    return Booking(
        psa=psa,
        project_id=project_id,
        minutes=minutes or chance.randint(7, 90),
        on=on,
        by=by,
        seen_after_s=chance.choice([0.0, 0.0, 1.5]),
    )


def unfit(house: Firm, chance: Random, today: date, closed: date) -> list[Booking]:
    """Return time that cannot be posted: of somebody unknown, in a closed period, and of more hours than a day has."""
    someone, yesterday = min(RATES), today - timedelta(days=1)
    kinds = [(yesterday, NEW_HIRE, None), (closed, someone, None), (yesterday, someone, TOO_LONG)]
    return [booking(house, chance, *kind) for kind in kinds for _ in range(SIZE.bad)]


async def book_all(house: Firm, chance: Random, today: date) -> None:
    """Let people book and get approved, some more of it every moment."""
    left = SIZE.entries - 3 * SIZE.bad
    days = [today - timedelta(days=number) for number in range(1, SIZE.days + 1)]
    while left:
        some = [booking(house, chance, chance.choice(days), chance.choice(sorted(RATES))) for _ in range(min(left, 50))]
        await house.book(some)
        left -= len(some)
        await asyncio.sleep(0.5)


async def asked_about(house: Firm, bad: list[tuple[str, str]]) -> dict[str, Code] | None:
    """Return why somebody is asked, by entry, once that is so for all that are bad."""
    keys = {f"tb_{psa}_{entry_id}" for psa, entry_id in bad}
    asked = {item.trace_key: item.code for item in await house.items() if item.trace_key in keys}
    return asked if asked.keys() == keys else None


async def mend(house: Firm, bad: list[tuple[str, str]], closed: date) -> None:
    """Mend each kind where it is mended: in the mappings, which workers read as they start, in the ERP, in the PSA."""
    employ(house.config, RATES | {NEW_HIRE: NEW_HIRES_RATE})
    for place in range(WORKERS):
        await house.crew.kill(place)
    await house.vendor.do("period", on=closed, is_open=True)
    for psa, entry_id in bad[2 * SIZE.bad :]:
        await house.vendor.do("correct", psa=psa, entry_id=entry_id, minutes=60)


async def change_minds(house: Firm, chance: Random, bad: list[tuple[str, str]]) -> None:
    """Correct some entries that are in the books by now, and take some back."""
    posted = [one for one in await house.vendor.shown() if is_posted(one) and (one.psa, one.entry_id) not in bad]
    some = chance.sample(posted, min(len(posted), max(4, SIZE.entries // 100)))
    for number, one in enumerate(some):
        where = {"psa": one.psa, "entry_id": one.entry_id}
        if number % 4:
            await house.vendor.do("correct", **where, minutes=one.minutes + 15)
        else:
            await house.vendor.do("recall", **where)


def is_posted(one: Shown) -> bool:
    """Tell whether people see that it is in the books."""
    return bool(one.told) and one.told[-1].state is TimeFeedbackState.posted


async def at_rest(house: Firm) -> bool | None:
    """Return that people see of all approved time what it brings, and that nothing waits."""
    shown = await house.vendor.shown()
    if summed(told(shown)) != sales(summed(wanted(shown))):
        return None
    waits = await house.items() or await house.unsettled()
    return None if waits else True


class Part(NamedTuple):
    """What one document adds to its cell."""

    cell: Cell
    count: int
    net: Decimal


def summed(parts: Iterable[Part]) -> Sums:
    """Return count and sum of each cell; what was posted and reversed is nothing."""
    sums: defaultdict[Cell, Sum] = defaultdict(lambda: Sum(0, Decimal(0)))
    for cell, count, net in parts:
        sums[cell] = Sum(sums[cell].count + count, sums[cell].net + net)
    return {cell: one for cell, one in sums.items() if one != Sum(0, Decimal(0))}


def wanted(shown: Iterable[Shown]) -> Iterator[Part]:
    """Yield what approved time costs and brings, reckoned here, from the PSA's own minutes."""
    rates = RATES | {NEW_HIRE: NEW_HIRES_RATE}
    for one in shown:
        if one.approved:
            for kind, rate in ((Kind.cost, Decimal(rates[one.by])), (Kind.sale, HOUR)):
                net = (one.minutes * rate / 60).quantize(CENT, ROUND_HALF_EVEN)
                yield Part(Cell(one.psa, one.project_id, one.on, kind), 1, net)


def kept(house: Firm, facts: Iterable[Fact]) -> Iterator[Part]:
    """Yield what our facts say."""
    in_psa = {(psa, in_erp): in_psa for (psa, in_psa), in_erp in house.projects.items()}
    for fact in facts:
        cell = Cell(fact.source_instance, in_psa[fact.source_instance, fact.erp_project_id], fact.work_date, fact.kind)
        yield Part(cell, -1 if fact.adjustment is Adjustment.reversal else 1, Decimal(fact.net))


def entered(house: Firm, ledger: Iterable[Entered]) -> Iterator[Part]:
    """Yield what the ERP's journal says."""
    places = {in_erp: place for place, in_erp in house.projects.items()}
    kinds = {COST_OF_SALES: Kind.cost, ACCRUED_INCOME: Kind.sale}
    for entry in ledger:
        net = Decimal(entry.net)
        yield Part(Cell(*places[entry.project_id], entry.on, kinds[entry.debit]), -1 if net < 0 else 1, net)


def told(shown: Iterable[Shown]) -> Iterator[Part]:
    """Yield what people see beside their time."""
    for one in shown:
        if is_posted(one):
            amount = one.told[-1].amount
            yield Part(Cell(one.psa, one.project_id, one.on, Kind.sale), 1, Decimal(amount.amount if amount else 0))


def sales(sums: Sums) -> Sums:
    """Return what the customers pay."""
    return {cell: one for cell, one in sums.items() if cell.kind is Kind.sale}
