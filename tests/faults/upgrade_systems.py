"""The systems of an installation that is upgraded: the vendor process, or a real Tryton; and what is in their books."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing
from datetime import date, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any, Final, Protocol

from examples.demo import orders
from examples.demo.books import Tryton
from examples.demo.people import TrytonDesks, Work
from examples.demo.stage import Ready
from examples.demo.story import open_department
from tests.faults.volume_firm import Vendor, vendor
from tests.faults.volume_ports import ERP, VENDOR
from tests.servers_tryton import ANY, tryton_server

MINUTES: Final = [60, 20]
"""What is worked on each project."""
SETTLE_S: Final = 2.0
Made = dict[str, list[str]]
"""The key of each document, by the book that it is in: customers, books, delivery, postings, invoices."""


class Systems(Protocol):
    """An ERP and a PSA, as people use them, and as whoever counts sees them."""

    department: str
    """One that there is."""

    def enter(self, settings: dict[str, Any], folder: Path) -> None:
        """Write how they are reached into an installation's settings."""

    async def work(self, code: str) -> None:
        """Let people work on a project; it is approved."""

    async def open_department(self, code: str) -> None:
        """Let there be one more."""

    async def made(self) -> Made:
        """Return what is in their books."""


class Fakes:
    """The vendor process."""

    department = "DATA"

    def __init__(self, process: Vendor) -> None:
        self._process, self._days = process, days()

    def enter(self, settings: dict[str, Any], folder: Path) -> None:  # noqa: ARG002 - it asks for no password
        """Write the vendor process into the settings."""
        own = {"base_url": self._process.url, "settle_s": 0.2}
        for connection in settings["connections"].values():
            connection |= {"vendor": VENDOR, "settings": own}
        settings["entities"]["ES01"]["rounding"] = ERP.rounding.value

    async def work(self, code: str) -> None:
        """Let somebody work on the project."""
        await self._process.do("book_on", code=code, minutes=MINUTES, on=next(self._days))

    async def open_department(self, code: str) -> None:
        """Let the ERP know it."""
        await self._process.do("open_department", code=code)

    async def made(self) -> Made:
        """Return what the process has."""
        made: Made = await self._process.do("made", Made)
        return made


class Live:
    """A Tryton, with the databases `erp` and `psa`."""

    department = "CONS"

    def __init__(self, ready: Ready, erp: Tryton, psa: Tryton, desks: TrytonDesks) -> None:
        self._ready, self._erp, self._psa, self._desks, self._days = ready, erp, psa, desks, days()

    def enter(self, settings: dict[str, Any], folder: Path) -> None:
        """Write the server into the settings."""
        (folder / "tryton-password").write_text(self._ready["password"])
        for connection in settings["connections"].values():
            address = {"base_url": self._ready["base_url"], "password": {"file": "tryton-password"}}
            connection["settings"] |= address | {"settle_s": SETTLE_S}

    async def work(self, code: str) -> None:
        """Let somebody work on the project."""
        await asyncio.to_thread(self._work, code)

    def _work(self, code: str) -> None:
        day = next(self._days)
        works = [Work("Ana Ruiz", "Build", day, minutes, "Interface of the loader") for minutes in MINUTES]
        self._desks.approve([self._desks.book(code, work) for work in works])

    async def open_department(self, code: str) -> None:
        """Let the ledger have an account for it."""
        await asyncio.to_thread(open_department, self._erp, code, code)

    async def made(self) -> Made:
        """Return what is in both databases, inactive documents too."""
        return await asyncio.to_thread(self._made)

    def _made(self) -> Made:
        erp, psa = self._erp, self._psa
        customers = erp.find("party.party", [["code", "like", "cus_%"], ANY], "code")
        books = erp.find("analytic_account.account", [["note", "like", "%key: prj_%"], ANY], "note")
        delivery = psa.find("project.work", [["comment", "like", "%key: prj_%"], ["type", "=", "project"]], "comment")
        ours = ["OR", ["description", "like", "tb_%"], ["description", "like", "inv_%_rel"]]
        postings = erp.find("account.move", [ours], "description")
        invoices = erp.find("account.invoice", [["reference", "like", "inv_%"]], "reference")
        return {
            "customers": [one["code"] for one in customers],
            "books": [_key(one["note"]) for one in books],
            "delivery": [_key(one["comment"]) for one in delivery],
            "postings": [one["description"] for one in postings],
            "invoices": [one["reference"] for one in invoices],
        }


def days() -> Iterator[date]:
    """Yield days of last month, one after the other: none has more than 24 hours."""
    return cycle(orders.last_month()[0] + timedelta(days=number) for number in range(28))


def _key(note: str) -> str:
    """Return the key that stands in a note."""
    return note.partition("key: ")[2].split()[0]


@asynccontextmanager
async def systems(name: str) -> AsyncIterator[Systems]:
    """Run the systems of that name, `fakes` or `tryton`."""
    if name == "fakes":
        async with vendor(seed=1, percent=0.0) as process:
            yield Fakes(process)
        return
    with ExitStack() as stack:
        ready = await asyncio.to_thread(stack.enter_context, tryton_server())
        url, password = ready["base_url"], ready["admin_password"]
        books = [
            stack.enter_context(closing(Tryton(f"{url}/{database}/rpc/", ready["admin_user"], password)))
            for database in ("erp", "psa")
        ]
        desks = stack.enter_context(closing(TrytonDesks(f"{url}/psa/rpc/", password)))
        yield Live(ready, *books, desks)
