"""A served process past saturation: who comes beyond is sent away at once, and all are served again when it is over.

A few seconds of it; `make faults` goes on for longer.
"""

import asyncio
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import pytest
import yaml

from examples.demo.stage import TIEBEAM, installation, serving, token
from tests.fakes.composed import lift_quotas

SECONDS: Final = 60.0 if os.environ.get("TIEBEAM_CAMPAIGN") == "full" else 3.0
CALLERS, PLACES = 64, 2
AT_ONCE_S: Final = 10.0
"""On two cores that others use too; the product promises 25."""
GROWN_BYTES: Final = 96 * 2**20
WEB: Final = (*TIEBEAM, "serve", "--no-worker")
"""A worker would ask systems that are away, and be waited for at the end."""
READ: Final = "/platform/operations/v1/process-instances"


class Told(NamedTuple):
    """One answer, and how long it took."""

    status: int
    code: str | None
    retry_after: str | None
    took_s: float


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Return where the product listens that works on two calls at once, and a token."""
    folder = tmp_path_factory.mktemp("overload")
    config = installation(folder / "installation", {"base_url": "http://127.0.0.1:9", "password": "none"})
    lift_quotas(config)
    said = yaml.safe_load(config.read_text())
    said["http"] = said.get("http", {}) | {"most_under_way": PLACES}
    config.write_text(yaml.safe_dump(said, sort_keys=False))
    with serving(config, folder / "gateway.log", WEB) as url:
        yield url, token(config)


async def test_process_past_saturation_sheds_and_recovers(served: tuple[str, str]) -> None:
    url, access = served
    headers = {"Authorization": f"Bearer {access}"}
    limits = httpx.Limits(max_connections=CALLERS + 1)
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=30) as client:
        await asyncio.gather(*(asked(client) for _ in range(CALLERS)))
        before, told, until = memory_of_ours(), list[Told](), time.monotonic() + SECONDS
        alive = await asyncio.gather(health(client, until), *(keep_asking(client, told, until) for _ in range(CALLERS)))
        grown = memory_of_ours() - before
        after = [await recovered(client), *[await asked(client) for _ in range(20)]]

    statuses = Counter((one.status, one.code) for one in told)
    assert set(statuses) <= {(404, "resource.not_found"), (503, "gateway.overloaded")}, statuses
    assert all(statuses[one] for one in ((404, "resource.not_found"), (503, "gateway.overloaded"))), statuses
    assert {one.retry_after for one in told if one.status == 503} == {"1"}
    assert max(one.took_s for one in told) < AT_ONCE_S
    assert alive[0] == {200}
    assert grown < GROWN_BYTES
    assert {one.status for one in after} == {404}


async def keep_asking(client: httpx.AsyncClient, told: list[Told], until: float) -> None:
    """Ask again as soon as there is an answer."""
    while time.monotonic() < until:
        told.append(await asked(client))


async def asked(client: httpx.AsyncClient) -> Told:
    """Return the answer to a read that no cache has: the database is asked."""
    began = time.monotonic()
    answer = await client.get(f"{READ}/pin_01{uuid.uuid4().hex[:24].upper()}")
    return Told(
        answer.status_code, answer.json().get("code"), answer.headers.get("retry-after"), time.monotonic() - began
    )


async def health(client: httpx.AsyncClient, until: float) -> set[int]:
    """Return how the process says meanwhile whether it lives."""
    found = set[int]()
    while time.monotonic() < until:
        found.add((await client.get("/health/live")).status_code)
        await asyncio.sleep(0.2)
    return found


async def recovered(client: httpx.AsyncClient) -> Told:
    """Return the first answer that was worked on; ten seconds after the last call it must have come."""
    until = time.monotonic() + 10
    told = await asked(client)
    while told.status == 503 and time.monotonic() < until:
        told = await asked(client)
    return told


def memory_of_ours() -> int:
    """Return how much memory the processes use that this one has started, and those that they have."""
    parents = {int(one.name): _numbers(one) for one in Path("/proc").iterdir() if one.name.isdigit()}
    ours, found = {os.getpid()}, 0
    while ours:
        ours = {pid for pid, (parent, _) in parents.items() if parent in ours}
        found += sum(parents[pid][1] for pid in ours)
    return found


def _numbers(process: Path) -> tuple[int, int]:
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[1]), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
