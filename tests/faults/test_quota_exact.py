"""One limit, several processes: never above it, and almost all of it. Sampled, unless TIEBEAM_CAMPAIGN=full."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from msgspec import structs

from gateway.egress.limits import FLOOR
from tests.faults.quota_callers import Task, reports
from tests.servers_valkey import valkey

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
pytestmark = pytest.mark.campaign
PROCESSES: Final = 4
LASTS_S: Final = 20.0 if FULL else 2.0
RATES: Final = [(50, 50), (200, 200), (1_000, 1_000)] if FULL else [(200, 200)]
"""A burst of a second: nothing is lost while a busy machine lets none of the processes run for so long."""


@pytest.mark.parametrize(("rate", "burst"), RATES)
async def test_four_processes_get_what_one_limit_allows_and_no_more(rate: float, burst: float) -> None:
    with valkey() as server:
        task = Task(where=server.url.reveal(), lasts_s=LASTS_S, callers=8, rate=rate, burst=burst)
        told = await reports("quota_hammer", [task] * PROCESSES)
        lasted = time.monotonic() - told.began

    assert told.taken <= burst + rate * lasted
    assert told.taken >= 0.98 * (burst + rate * (LASTS_S - told.held_up_s))
    assert told.asked > told.taken
    assert all(each.taken for each in told.each if each.held_up_s < LASTS_S / 2)


class Vendor(asyncio.Protocol):
    """Answers every request, and notes when it came."""

    def __init__(self, came: list[float]) -> None:
        self._came, self._read = came, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._read = (self._read + data).split(b"\r\n\r\n")
        self._came.extend(time.monotonic() for _ in requests)
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * len(requests))


@asynccontextmanager
async def vendor() -> AsyncIterator[tuple[str, list[float]]]:
    """Give the URL of one, and the moments at which it was called."""
    came: list[float] = []
    server = await asyncio.get_running_loop().create_server(lambda: Vendor(came), "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", came


@pytest.mark.parametrize("processes", [1, 2])
async def test_web_and_worker_stay_within_a_vendors_limit_as_the_vendor_counts(tmp_path: Path, processes: int) -> None:
    rate, burst = 100.0, 20.0
    file = str(tmp_path / "counters.sqlite")
    async with vendor() as (url, came):
        web = Task(where=file, lasts_s=LASTS_S, callers=12, rate=rate, burst=burst, vendor=url)
        worker = structs.replace(web, part="worker")
        told = await reports("quota_vendor_calls", [web] * processes + [worker] * processes)

    assert [place for place, at in enumerate(came, 1) if place > burst + rate * (at - told.began)] == []
    assert len(came) == told.taken
    ran_s = LASTS_S - told.held_up_s
    assert len(came) >= 0.95 * rate * ran_s
    if processes == 1:  # Of several, each leaves the floor, and they take what is left of it.
        assert told.each[1].taken >= 0.5 * FLOOR * rate * ran_s  # The web process never pauses, and yet.
