"""An ERP and two PSAs as a process of its own, with books that only it has, on a wire on which calls get lost.

`python -m tests.faults.volume_vendor SEED PERCENT` prints its port, and ends with its standard input. So many percent
of all calls of the gateway fail, each in one of the ways of `Lost`; what people do in these systems never does.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum, auto
from functools import partial
from random import Random
from typing import Any, Final, get_type_hints

import msgspec
from aiohttp import web
from msgspec.structs import replace

from gateway.errors import Refusal, Refused, Unavailable
from openapi.system.psa.v1 import Resource
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.psa_time import ANA
from tests.faults.volume_ports import ERP, PSA, SLOW_S, Booking, Entered, Shown, Told

SHUT_S: Final = 0.2
PSAS: Final = ("delivery", "support")


class Lost(StrEnum):
    """What becomes of a call that fails."""

    refused = auto()
    """It is answered, and then nobody can connect for a moment."""
    away = auto()
    """503, and no effect."""
    before = auto()
    """The connection breaks, and there is no effect."""
    after = auto()
    """The connection breaks, and there is one."""
    slow = auto()
    """There is an effect, and its answer comes when nobody waits any more."""
    late = auto()
    """The effect itself comes when nobody waits any more."""


class Wire:
    """Decides what becomes of each call."""

    def __init__(self, seed: int, percent: float) -> None:
        self._chance, self._percent = Random(seed), percent  # noqa: S311 - so that a run can be had again
        self.calls: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.shut: Callable[[], None] = lambda: None

    def fate(self) -> Lost | None:
        """Return how the call fails, or None where it goes well."""
        if self._chance.uniform(0, 100) >= self._percent:
            return None
        lost = self._chance.choice(list(Lost))
        self.lost[lost] += 1
        return lost

    async def carry(
        self, request: web.Request, name: str, answer: Callable[[bytes], Awaitable[web.Response]]
    ) -> web.StreamResponse:
        """Return the answer, unless it gets lost; the effect is there even where whoever asked hangs up."""
        self.calls[name] += 1
        asked, lost = await request.read(), self.fate()
        if lost is Lost.away:
            return web.Response(status=503)
        if lost is Lost.before:
            return _broken(request)
        if lost is Lost.late:
            await asyncio.sleep(SLOW_S)
        said = await answer(asked)
        if lost is Lost.slow:
            await asyncio.sleep(SLOW_S)
        if lost is Lost.after:
            return _broken(request)
        if lost is Lost.refused:
            said.force_close()
            self.shut()
        return said


def _broken(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


class Systems:
    """The three systems, and what people do in them."""

    def __init__(self) -> None:
        self.erp = FakeErp(ERP)
        year = datetime.now(UTC).year
        self.erp.years = (year - 1, year, year + 1)
        self.psas = {name: FakePsa(replace(PSA, connection=name)) for name in PSAS}

    def system(self, name: str) -> FakeErp | FakePsa:
        """Return a system by the name of its connection."""
        return self.psas.get(name) or self.erp

    def hire(self, emails: list[str]) -> None:
        """Let people book time in both PSAs."""
        for psa in self.psas.values():
            psa.resources = [_person(number, email) for number, email in enumerate(emails, 1)]

    def projects(self, codes: Mapping[str, str]) -> dict[str, list[str]]:
        """Return the ids in PSA and ERP of new projects; `codes` says which PSA has them."""
        return {
            code: [self.psas[psa].make_project(code).id, self.erp.make_project(code).id] for code, psa in codes.items()
        }

    def book(self, bookings: list[Booking]) -> list[str]:
        """Return the ids of time that is booked and approved; some of it is committed a moment later."""
        return [
            self.psas[one.psa]
            .book_time(
                one.project_id,
                one.minutes,
                on=one.on,
                by=one.by,
                approved=True,
                seen_after_s=one.seen_after_s,
                description="Loader",
            )
            .id
            for one in bookings
        ]

    def correct(self, psa: str, entry_id: str, minutes: int) -> None:
        """Let an entry say something else."""
        self.psas[psa].edit(entry_id, minutes=minutes)

    def recall(self, psa: str, entry_id: str) -> None:
        """Let an entry be taken back."""
        self.psas[psa].recall(entry_id)

    def period(self, on: date, *, is_open: bool) -> None:
        """Open or close a month of the books."""
        (self.erp.open_period if is_open else self.erp.close_period)(on)

    def ledger(self) -> list[Entered]:
        """Return every entry of the ERP's journal."""
        posted = {one.business_key: one.project_id for one in self.erp.transactions}
        return [
            Entered(
                key=entry.origin or "",
                project_id=posted[entry.origin or ""],
                on=entry.on,
                debit=entry.lines[0].account,
                net=str(entry.lines[0].debit - entry.lines[0].credit),
            )
            for entry in self.erp.books.entries
        ]

    def made(self) -> dict[str, list[str]]:
        """Return the key of each customer, project, posting and invoice, by the book that has it."""
        books: dict[str, Iterable[Any]] = {name: psa.projects for name, psa in self.psas.items()}
        books |= {"customers": self.erp.customers, "books": self.erp.projects}
        books |= {"postings": self.erp.transactions, "invoices": self.erp.invoices}
        return {name: [one.business_key or "" for one in book] for name, book in books.items()}

    def book_on(self, code: str, minutes: list[int], on: date) -> list[str]:
        """Return the ids of time that somebody has booked on a project, by its code; it is approved."""
        (found,) = ((psa, one) for psa in self.psas.values() for one in psa.projects if one.code == code)
        psa, project = found
        booked = [psa.book_time(project.id, each, on=on, approved=True, description="Loader") for each in minutes]
        return [entry.id for entry in booked]

    def open_department(self, code: str) -> None:
        """Let projects be of a department."""
        self.erp.departments.add(code)

    def shown(self) -> list[Shown]:
        """Return every time entry as it is, with what people see beside it, in both PSAs."""
        return [
            Shown(
                psa=name,
                entry_id=entry.id,
                project_id=entry.project_id,
                on=entry.work_date,
                by=entry.resource_email or "",
                minutes=entry.minutes or 0,
                approved=entry.approval.approved_by is not None,
                told=[Told(state=one.state, amount=one.amount) for one in psa.feedback.get(entry.id, [])],
            )
            for name, psa in self.psas.items()
            for entry in psa.entries()
        ]


def _person(number: int, email: str) -> Resource:
    return replace(ANA, id=str(number), email=email, name=email.partition("@")[0])


def application(wire: Wire, systems: Systems) -> web.Application:
    """Return what answers: `/systems/NAME/OPERATION` over the wire, `/people/ACTION` beside it."""

    async def called(request: web.Request) -> web.StreamResponse:
        name, operation = request.match_info["system"], request.match_info["operation"]
        answer = partial(_answer, getattr(systems.system(name), operation))
        return await wire.carry(request, f"{name} {operation}", answer)

    async def done(request: web.Request) -> web.Response:
        action = getattr(systems, request.match_info["action"])
        said = action(**_arguments(action, await request.read()))
        return web.Response(body=msgspec.json.encode(said))

    async def counted(_request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode({"calls": wire.calls, "lost": wire.lost}))

    application = web.Application(client_max_size=1 << 26)
    application.router.add_post("/systems/{system}/{operation}", called)
    application.router.add_post("/people/{action}", done)
    application.router.add_get("/calls", counted)
    return application


async def _answer(operation: Callable[..., Awaitable[object]], asked: bytes) -> web.Response:
    """Return what the port of the fake says, as JSON."""
    try:
        said = await operation(**_arguments(operation, asked))
    except Refused as refused:
        return web.Response(status=422, body=msgspec.json.encode(Refusal.of(refused)))
    except Unavailable:
        return web.Response(status=503)
    return web.Response(body=msgspec.json.encode(said, enc_hook=_refusal))


def _arguments(operation: Callable[..., object], asked: bytes) -> dict[str, Any]:
    hints = get_type_hints(operation)
    return {name: msgspec.convert(value, hints[name]) for name, value in msgspec.json.decode(asked).items()}


def _refusal(one: object) -> object:
    if isinstance(one, Refused):
        return {"refused": Refusal.of(one)}
    raise NotImplementedError(type(one))


async def main(seed: int, percent: float) -> None:
    """Serve until nobody is there any more."""
    wire = Wire(seed, percent)
    runner = web.AppRunner(application(wire, Systems()), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: int = runner.addresses[0][1]
    shut = asyncio.Event()
    wire.shut = shut.set
    door = asyncio.create_task(_open_and_shut(runner, site, port, shut))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    door.cancel()
    await runner.cleanup()


async def _open_and_shut(runner: web.AppRunner, site: web.TCPSite, port: int, shut: asyncio.Event) -> None:
    """Let nobody connect for a moment, whenever that is wished."""
    while True:
        await shut.wait()
        await site.stop()
        await asyncio.sleep(SHUT_S)
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        shut.clear()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
