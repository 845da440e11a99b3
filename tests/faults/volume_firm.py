"""A firm with two PSAs and one ERP, whose workers die again and again; and what each side says in the end."""

import asyncio
import multiprocessing
import signal
import sys
from asyncio.subprocess import PIPE
from asyncio.subprocess import Process as Child
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import msgspec
import yaml
from sqlalchemy import func, select

from examples.demo.stage import installation, promise
from gateway.caller import INSTALLATION
from gateway.durable.migrate import migrate
from gateway.store import work_items
from gateway.store.database import Store, create_engine
from gateway.store.inbox import tb_inbox
from gateway.store.pages import Window
from gateway.store.work_items import WorkItem
from process_apis.ledger.facts import Fact, find_facts
from tests.faults import volume_worker
from tests.faults.volume_ports import DEADLINE_S, VENDOR, Booking, Entered, Shown
from tests.faults.volume_vendor import PSAS
from tests.workflows.money_stage import Money

T = TypeVar("T")
PATIENCE_S: Final = 240.0
LOOK_EVERY_S: Final = 0.1
MOST_GIVE_UP: Final = 20
CLOCKS: Final = {
    "retry_interval_s": 0.05,
    "probes_s": [0.5, 1.0],
    "write_deadline_s": 600.0,
    "poll_interval_s": 0.1,
    "unavailable_resume_s": 0.5,
    "write_lease_s": 6.0,
    "worker_lease_s": 3.0,
}
TRANSFER: Final = {"poll_s": 1.0, "sweep_s": 5.0, "overlap_s": 10.0, "retry_rejected_s": 3.0}
QUOTA: Final = {
    "rate": 10_000,
    "burst": 10_000,
    "concurrency": 16,
    "interactive_share": 0.5,
    "when_unavailable": "count_alone",
}
RATES: Final = {f"person-{number}@example.com": f"{30 + number}.50" for number in range(12)}
"""What an hour of each person costs."""
NEW_HIRE: Final = "new.hire@example.com"
"""Who books time before the mappings know about it."""
NEW_HIRES_RATE: Final = "29.00"


def install(
    folder: Path,
    vendor_url: str,
    database_url: str | None,
    *,
    transfer: Mapping[str, float],
    deadline_s: float,
    **connector: object,
) -> Path:
    """Return the settings file of the firm's installation."""
    config = installation(folder, {"base_url": vendor_url, "password": "none"})
    settings = yaml.safe_load(config.read_text())
    plain = {"vendor": VENDOR, "environment": "sandbox", "owner": "finance-systems", "legal_entities": ["ES01"]}
    own = {"settings": {"base_url": vendor_url, **connector}}
    families = {"books": "erp", **dict.fromkeys(PSAS, "psa")}
    promise(folder / "ownership.yaml", "support")
    settings["connections"] = {name: plain | own | {"family": family} for name, family in families.items()}
    settings["processes"] |= CLOCKS
    settings["transfer"] |= transfer
    if database_url:
        settings["database"] = {"url": {"file": "database-url"}}
        (config.parent / "database-url").write_text(database_url)
    config.write_text(yaml.safe_dump(settings, sort_keys=False))
    (config.parent / "policies/90-volume.yaml").write_text(yaml.safe_dump({"policies": [upstream(deadline_s)]}))
    item = {"item": "CONSULTING", "kind": "labor", "unit": "hour"}
    (config.parent / "mappings/items.yaml").write_text(yaml.safe_dump({"version": 1, "rows": [item]}))
    employ(config, RATES)
    return config


def upstream(deadline_s: float) -> dict[str, object]:
    """Return how patient the gateway is with each system."""
    return {
        "kind": "upstream",
        "quota": QUOTA,
        "patience": {"deadline_s": deadline_s, "connect_s": 1, "read_retries": 3},
        "circuit": {"failures": 5, "open_s": 1},
        "cache_s": 0,
    }


def employ(config: Path, rates: dict[str, str]) -> None:
    """Let the mappings know these people; workers that start from now on do."""
    rows = [
        {"email": email, "legal_entity": "ES01", "role": "consultant", "cost_rate": rate}
        for email, rate in rates.items()
    ]
    (config.parent / "mappings/people.yaml").write_text(yaml.safe_dump({"version": 1, "rows": rows}))


class Vendor:
    """The vendor process, as people use it and as whoever counts sees it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(base_url=url, timeout=60)

    async def do(self, action: str, into: Any = None, **asked: object) -> Any:  # noqa: ANN401 - `into` says what
        """Return what came of what people did."""
        answer = await self._http.post(f"/people/{action}", content=msgspec.json.encode(asked))
        assert answer.is_success, answer.text
        return msgspec.json.decode(answer.content, type=into or Any)

    async def ledger(self) -> list[Entered]:
        """Return the ERP's journal."""
        found: list[Entered] = await self.do("ledger", list[Entered])
        return found

    async def shown(self) -> list[Shown]:
        """Return all time, with what is said beside it."""
        found: list[Shown] = await self.do("shown", list[Shown])
        return found

    async def calls(self) -> dict[str, dict[str, int]]:
        """Return how many calls there were, by system and operation, and how many of them failed, by how."""
        counted: dict[str, dict[str, int]] = (await self._http.get("/calls")).json()
        return counted

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()


@asynccontextmanager
async def vendor(seed: int, percent: float) -> AsyncIterator[Vendor]:
    """Run the vendor process."""
    module = "tests.faults.volume_vendor"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, str(seed), str(percent), stdin=PIPE, stdout=PIPE
    )
    assert child.stdin
    assert child.stdout
    opened = Vendor(f"http://127.0.0.1:{int(await child.stdout.readline())}")
    try:
        yield opened
    finally:
        await opened.close()
        child.stdin.close()
        await _gone(child)


async def _gone(child: Child) -> None:
    try:
        await asyncio.wait_for(child.wait(), 10)
    except TimeoutError:
        child.kill()
        await child.wait()


class Crew:
    """The workers: whoever is killed is followed by another one at once."""

    def __init__(self, config: Path, size: int) -> None:
        self._config, self._log = config, config.parent / "workers.log"
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.faults.volume_worker"])
        self._size = size
        self.workers: list[ForkServerProcess] = []
        self.killed = 0
        self.gave_up = 0
        """How many ended by themselves: a stalled machine makes others take a worker for dead."""

    def start(self) -> None:
        """Let the crew be complete."""
        for worker in [one for one in self.workers if not one.is_alive()]:
            self.workers.remove(worker)
            self.gave_up += worker.exitcode != -signal.SIGKILL
        assert self.gave_up <= MOST_GIVE_UP, self.said()
        while len(self.workers) < self._size:
            worker = self._processes.Process(target=volume_worker.run, args=(self._config, self._log), daemon=True)
            worker.start()
            self.workers.append(worker)

    async def kill(self, place: int) -> None:
        """Kill one as a machine does that loses its power, and start the next."""
        self.start()
        victim = self.workers[place]
        assert victim.pid is not None
        victim.kill()
        await asyncio.to_thread(victim.join, 10)
        self.killed += 1
        self.start()

    async def stop(self) -> None:
        """Let none be left; nobody waits for what they are at."""
        for worker in self.workers:
            worker.kill()
        for worker in self.workers:
            await asyncio.to_thread(worker.join, 10)

    def said(self) -> str:
        """Return the end of what they said."""
        return self._log.read_text()[-6000:] if self._log.exists() else ""


class Firm:
    """The installation's own tables, and the projects that everybody knows."""

    def __init__(self, config: Path, database_url: str, vendor: Vendor, crew: Crew) -> None:
        self.config, self.database_url, self.vendor, self.crew = config, database_url, vendor, crew
        self.store = Store(create_engine(database_url))
        self.projects: dict[tuple[str, str], str] = {}
        """The ERP's id of each project, by PSA and the id there."""

    async def found(self, number: int, today: date) -> None:
        """Let there be so many projects, under contract at 120.00 an hour, known to both sides."""
        codes = {f"P-{place}": PSAS[place % len(PSAS)] for place in range(number)}
        made = await self.vendor.do("projects", dict[str, list[str]], codes=codes)
        await self.vendor.do("hire", emails=[*RATES, NEW_HIRE])
        money = Money(self.store)
        terms = {"starts_on": today - timedelta(days=200), "ends_on": today + timedelta(days=200)}
        for code, psa in codes.items():
            in_psa, in_erp = made[code]
            self.projects[psa, in_psa] = in_erp
            project = await money.project(psa=psa, known_as={psa: in_psa, "books": in_erp}, **terms)
            await money.contract(project)

    async def book(self, bookings: list[Booking]) -> list[tuple[str, str]]:
        """Return PSA and id of each time entry, booked and approved."""
        ids = await self.vendor.do("book", list[str], bookings=bookings)
        return [(one.psa, entry_id) for one, entry_id in zip(bookings, ids, strict=True)]

    async def facts(self) -> list[Fact]:
        """Return all facts."""
        async with self.store.begin() as connection:
            return await find_facts(connection)

    async def items(self) -> list[WorkItem]:
        """Return the work items that wait for somebody."""
        return (await work_items.list_all(self.store, INSTALLATION, Window(limit=100))).items

    async def unsettled(self) -> int:
        """Return how many changes wait or are being worked off."""
        asked = select(func.count()).select_from(tb_inbox).where(tb_inbox.c.settled_at.is_(None))
        async with self.store.begin() as connection:
            return int((await connection.execute(asked)).scalar_one())

    async def until(self, found: Callable[[], Awaitable[T | None]], what: str, within_s: float = PATIENCE_S) -> T:
        """Return what is found, once it is; workers that gave up are followed by others meanwhile."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while (one := await found()) is None:
            assert loop.time() < end, f"{what}: not within {within_s} s. The workers said:\n{self.crew.said()}"
            self.crew.start()
            await asyncio.sleep(LOOK_EVERY_S)
        return one


@asynccontextmanager
async def firm(
    folder: Path,
    vendor: Vendor,
    database_url: str | None,
    *,
    workers: int,
    projects: int,
    transfer: Mapping[str, float] = TRANSFER,
    deadline_s: float = DEADLINE_S,
    **connector: object,
) -> AsyncIterator[Firm]:
    """Give a firm that has projects and no worker yet; at the end all of its workers end."""
    config = install(
        folder / "installation", vendor.url, database_url, transfer=transfer, deadline_s=deadline_s, **connector
    )
    (config.parent / "data").mkdir(exist_ok=True)
    url = database_url or f"sqlite:///{config.parent / 'data' / 'tiebeam.sqlite'}"
    await asyncio.to_thread(migrate, url)
    crew = Crew(config, workers)
    opened = Firm(config, url, vendor, crew)
    try:
        await opened.found(projects, datetime.now(UTC).date())
        yield opened
    finally:
        await crew.stop()
        await opened.store.close()
