"""A backup taken while everything works, more work after it, kill -9, and the backup put back on the real systems.

Callers ask again for what they had asked for. In the end Tryton's own books hold one of each thing, our own tables say
the same, and nothing is under way. Sampled, unless TIEBEAM_CAMPAIGN=full.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from gateway import commands_backup
from gateway.backup import restores
from gateway.settings import load
from tests.e2e.test_story import keys_of, signed
from tests.faults.killing_money import Case, Money
from tests.faults.money_books import kept
from tests.faults.mortal import Mortal
from tests.faults.onboarding_books import NATIVE, TrytonDelivery, TrytonLedger
from tests.faults.stage_of_money import Clocks, Servers, servers_of
from tests.faults.test_money_kills import RECALL, RELEASE, TRANSFER, Story, accept, book
from tests.servers_postgres import programs

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
ROUNDS = 12 if FULL else 1
SEED = 20_261_126
CLOCKS = Clocks(write_lease_s=8.0, settle_s=2.0, worker_lease_s=20.0)  # No worker dies here but by kill -9.
pytestmark = [pytest.mark.live, pytest.mark.campaign]
Document = dict[str, Any]


class Work(NamedTuple):
    """What is asked for: some of it is under way when the backup is taken, some comes after it."""

    released_before: Case
    """Under way at the backup."""
    released_after: Case
    transferred_before: Case
    """Under way at the backup."""
    transferred_after: Case
    recalled_after: Case
    onboarded_before: Document
    """Under way at the backup."""
    onboarded_after: Document


class House:
    """An installation that is stopped and started, and the systems that go on."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.servers, self._folder = servers, folder
        self.settings = load(str(servers.config))
        self.money = Money(Mortal(servers.config, folder), servers.desks)
        self._keys: dict[str, str] = {}

    async def close(self) -> None:
        """Let nothing of the installation run."""
        await self.money.product.__aexit__()

    async def back_up(self, file: Path) -> None:
        """Take a backup, as an operator does beside everything that runs."""
        await asyncio.to_thread(commands_backup.backup, self.settings, file, print)

    async def restore(self, file: Path) -> None:
        """Lose everything since the backup, and start again."""
        await self.money.product.kill_worker()
        await self.close()
        await asyncio.to_thread(commands_backup.restore, self.settings, file, print, force=True)
        self.money.product = Mortal(self.servers.config, self._folder)

    async def onboard(self, body: Document) -> str:
        """Ask for it: again under the same key where it was asked for before."""
        key = self._keys.setdefault(body["statement_of_work"]["number"], str(uuid4()))
        return await self.money.product.ask(body, key)

    async def transfer(self) -> None:
        """Take over what has changed, all of it."""
        while (await self.money.transfer())["more"]:
            pass

    async def check(self, story: Story, case: Case) -> None:
        """Compare what is in the books, and in our own tables, with what was computed by hand."""
        assert self.servers.books.found(case.job, case.entries) == story.leaves
        assert await kept(self.money.product.store, case.job, case.entries) == story.keeps


PAIRS = [
    "embedded",
    pytest.param("service", marks=pytest.mark.skipif(not FULL, reason="The sample is of the embedded pair.")),
]


@pytest.fixture(scope="module", params=PAIRS)
async def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch, servers_of(folder, request.param, CLOCKS) as servers:
        patch.setenv("PATH", str(programs()), prepend=os.pathsep)
        opened = House(servers, folder)
        yield opened
        await opened.close()


def another() -> Document:
    """Return a statement of work of a customer that is new."""
    body = signed()
    body["customer"]["confirmed_new"] = True
    return body


async def stocked(house: House) -> Work:
    """Return projects with time in the books, and statements of work that nobody has sent yet."""
    money = house.money
    first, second, recalled = await money.delivered(3)
    empty, later = await money.projects(2)
    return Work(
        released_before=await accept(money, first),
        released_after=await accept(money, second),
        transferred_before=await book(money, empty),
        transferred_after=later,
        recalled_after=recalled,
        onboarded_before=another(),
        onboarded_after=another(),
    )


async def ask_first(house: House, work: Work) -> None:
    """Ask for what is under way at the backup."""
    await house.onboard(work.onboarded_before)
    await house.money.start_release(work.released_before.job)
    await house.money.product.call("POST", "/process/time-transfer/v1/runs", {"connection": "delivery"})


async def ask_then(house: House, work: Work) -> None:
    """Ask for what comes after it, and wait for all of that."""
    money = house.money
    await house.onboard(work.onboarded_after)
    await money.start_release(work.released_after.job)
    await money.recall(work.recalled_after.entries[0])
    await house.transfer()
    await money.product.everything_ended()


async def check(house: House, work: Work) -> None:
    """Compare everything."""
    for body in (work.onboarded_before, work.onboarded_after):
        for system in (TrytonLedger(house.servers.erp), TrytonDelivery(house.servers.psa)):
            assert system.found(keys_of(body)) == system.wanted(NATIVE, active=True)
    for case in (work.released_before, work.released_after):
        await house.check(RELEASE, case)
    for case in (work.transferred_before, work.transferred_after):
        await house.check(TRANSFER, case)
    await house.check(RECALL, work.recalled_after)


async def test_a_backup_of_any_moment_that_is_put_back_loses_and_doubles_nothing(
    house: House, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    chance = Random(SEED)  # noqa: S311 - so that a run can be had again
    for number in range(ROUNDS):
        waits_s = (chance.uniform(0.0, 2.0), chance.uniform(0.0, 1.0))
        with subtests.test(round=number, waits_s=waits_s):
            work = await stocked(house)
            await ask_first(house, work)
            await house.money.product.start_worker()
            await asyncio.sleep(waits_s[0])
            file = tmp_path / f"{number}.tar"
            await house.back_up(file)
            work = work._replace(transferred_after=await book(house.money, work.transferred_after))
            await ask_then(house, work)
            await check(house, work)

            await house.restore(file)
            await house.onboard(another())  # It is given a number that the lost one had been given.
            await house.onboard(work.onboarded_before)
            await ask_then(house, work)

            await check(house, work)
            assert len(restores.list_all(house.settings.data)) == number + 1
