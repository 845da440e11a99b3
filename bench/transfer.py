"""What the transfer of time takes: entries a second, calls of the ERP, state on disk and memory, at 1,000 and 10,000.

One worker on SQLite, as the product composes it, and a strict vendor in a process of its own that answers at once:
what is measured is the gateway, its HTTP and its database. The clock runs from the start of the run that meets the
entries until the PSA was told of the last one; everything between two runs counts.
"""

import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from sqlalchemy import func, select, text

from bench.rounds import Measure
from gateway.durable import Engine
from process_apis.ledger.entries import tb_time_entry
from process_apis.time_transfer import runs
from process_apis.time_transfer.order import TransferOrder, TransferSettings
from process_apis.time_transfer.workflow import transfer_time
from tests.faults.volume_firm import RATES, Firm, Vendor, firm, vendor
from tests.faults.volume_ports import ERP, Booking

SMALL: Final = {"1k": 1_000}
SIZES: Final = SMALL | {"10k": 10_000}
PSA: Final = "delivery"
PROJECTS, DAYS, WARM = 8, 50, 20
FACTS_OF_AN_ENTRY: Final = 2
"""What it cost, and what it brings."""
SEED: Final = 1
UNHURRIED: Final = {"poll_s": 60.0, "sweep_s": 86_400.0, "overlap_s": 600.0}
"""The product's own clocks, but for the sweep, which is measured by nobody here."""
PATIENCE_S: Final = 300.0


class Cost(NamedTuple):
    """What so many entries took."""

    entries: int
    seconds: float
    cpu_s: float
    """Of the worker: what a busy machine changes least."""
    erp_calls: int
    state_bytes: int
    memory_mb: float


@asynccontextmanager
async def measured() -> AsyncIterator[Measure]:
    """Give the measure; each size has a fresh installation, and the large one is taken in the first round only."""
    sizes = iter([SIZES])

    async def measure() -> Mapping[str, float]:
        return figures({name: await transferred(entries) for name, entries in next(sizes, SMALL).items()})

    yield measure


def figures(costs: Mapping[str, Cost]) -> dict[str, float]:
    """Return what is reported of these sizes."""
    found: dict[str, float] = {}
    for name, cost in costs.items():
        found[f"transfer_entries_per_s_{name}"] = cost.entries / cost.seconds
        found[f"transfer_cpu_ms_per_entry_{name}"] = cost.cpu_s / cost.entries * 1000
        found[f"transfer_state_bytes_per_entry_{name}"] = cost.state_bytes / cost.entries
        found[f"transfer_memory_mb_{name}"] = cost.memory_mb
    small = costs["1k"]
    found["transfer_erp_calls_per_1000"] = small.erp_calls / small.entries * 1000
    found["transfer_erp_calls_per_1000_least"] = least_calls(1000)
    if large := costs.get("10k"):
        found["transfer_cost_flatness"] = (large.cpu_s / large.entries) / (small.cpu_s / small.entries)
    return found


def least_calls(entries: int) -> int:
    """Return how few calls of the ERP could post so many entries: each batch is a look and a send."""
    return 2 * ceil(entries * FACTS_OF_AN_ENTRY / ERP.batch_size)


async def transferred(entries: int) -> Cost:
    """Return what a transfer of so many entries takes."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiebeam-bench-")))
        systems = await stack.enter_async_context(vendor(SEED, 0))
        house = await stack.enter_async_context(
            firm(folder, systems, None, workers=1, projects=PROJECTS, transfer=UNHURRIED, deadline_s=20.0, settle_s=0.0)
        )
        await house.book(_bookings(house, WARM))
        house.crew.start()
        await house.until(lambda: _all_told(house, WARM), "The worker is warm", PATIENCE_S)
        await house.book(_bookings(house, entries))
        pid, before, calls = house.crew.workers[0].pid, await _state_bytes(house), await _erp_calls(systems)
        cpu_s, began = _cpu_s(pid), await _run_asked_for(house)
        await house.until(lambda: _all_told(house, WARM + entries), f"{entries} entries", PATIENCE_S)
        return Cost(
            entries=entries,
            seconds=(datetime.now(UTC) - began).total_seconds(),
            cpu_s=_cpu_s(pid) - cpu_s,
            erp_calls=await _erp_calls(systems) - calls,
            state_bytes=await _state_bytes(house) - before,
            memory_mb=_peak_mb(pid),
        )


async def _run_asked_for(house: Firm) -> datetime:
    """Return when the run was asked for that meets all that is booked."""
    order = TransferOrder(connection=PSA, sweep=False, legal_entity="ES01", settings=TransferSettings())
    engine = Engine(house.database_url)
    try:
        run = await runs.start(house.store, engine, transfer_time, order, "bench", "bench-run-1")
    finally:
        engine.close()
    return run.created_at


async def _erp_calls(systems: Vendor) -> int:
    calls = (await systems.calls())["calls"]
    return sum(number for name, number in calls.items() if name.startswith("books "))


def _bookings(house: Firm, entries: int) -> list[Booking]:
    chance = Random(SEED)  # noqa: S311 - the same work each time
    today, people = datetime.now(UTC).date(), sorted(RATES)
    projects = sorted(project_id for psa, project_id in house.projects if psa == PSA)
    return [
        Booking(
            psa=PSA,
            project_id=chance.choice(projects),
            minutes=chance.randint(5, 60),
            on=today - timedelta(days=1 + number % DAYS),
            by=chance.choice(people),
        )
        for number in range(entries)
    ]


async def _all_told(house: Firm, entries: int) -> bool | None:
    told = select(func.count()).select_from(tb_time_entry).where(tb_time_entry.c.told.is_not(None))
    async with house.store.begin() as connection:
        return True if (await connection.execute(told)).scalar_one() == entries else None


async def _state_bytes(house: Firm) -> int:
    """Return how large the database is, whatever of it is still in the log beside it."""
    async with house.store.begin() as connection:
        pages, size = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar_one() for name in ("page_count", "page_size")
        ]
    return int(pages * size)


def _cpu_s(pid: int | None) -> float:
    """Return how much CPU time a process has had, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int | None) -> float:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
