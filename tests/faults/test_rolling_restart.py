"""Two web processes and two workers, each replaced in turn while callers read and start processes.

No call fails, though nobody sends one twice; whatever was accepted comes to its end, and is there once in the vendor's
own books. Sampled, unless TIEBEAM_CAMPAIGN=full.
"""

import asyncio
import os
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.store import worker_leases
from gateway.store.database import Store, create_engine
from tests.fakes.statement_of_work import document
from tests.faults.rolling_stage import Service, service
from tests.faults.volume_firm import Vendor, vendor
from tests.servers_postgres import Postgres, postgres
from tests.servers_valkey import valkey

FULL: Final = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
pytestmark = pytest.mark.campaign
TIMES: Final = 5 if FULL else 1
"""How often each process is replaced."""
READERS, STARTERS = 3, 4
READ_EVERY_S, FOLLOW_EVERY_S = 0.2, 0.4
RESTS_WITHIN_S: Final = 180.0
ONBOARDINGS: Final = "/process/project-onboarding/v1/onboardings"
READS: Final = (
    "/process/status/v1/project-statuses?limit=5",
    "/system/books/erp/v1/legal-entities",
    f"{ONBOARDINGS}?limit=5",
)
SCOPES: Final = (
    "projects:read",
    "entities:read",
    "status:read",
    "onboardings:read",
    "onboardings:start",
    "onboardings:create",
)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
async def systems() -> AsyncIterator[Vendor]:
    async with vendor(seed=1, percent=0.0) as running:
        yield running


@pytest.fixture
async def house(server: Postgres, systems: Vendor, tmp_path: Path) -> AsyncIterator[Service]:
    with valkey() as counters:
        async with service(tmp_path, systems.url, server.database(), counters.url.reveal()) as running:
            yield running


async def test_every_process_is_replaced_and_no_call_fails_and_no_step_is_lost(house: Service, systems: Vendor) -> None:
    load = Load(house)
    async with asyncio.TaskGroup() as callers:
        callers.create_task(load.replaced())
        for number in range(READERS):
            callers.create_task(load.read(READS[number % len(READS)]))
        for _ in range(STARTERS):
            callers.create_task(load.start())
    rested = [await load.rested(onboarding) for onboarding in load.accepted]
    made = await systems.do("made", dict[str, list[str]])
    codes = house.codes + await house.stop()
    sys.stdout.write(load.report())

    assert house.balancer.failed == []
    assert Counter(one["state"] for one in rested) == {"active": len(load.accepted)}
    assert {step["state"] for one in rested for step in one["steps"]} <= {"done", "skipped"}
    for book in ("customers", "books", "delivery"):
        assert sorted(Counter(made[book]).values()) == [1] * len(load.accepted), book
    assert set(codes) == {0}
    assert len(house.balancer.served) == 2 + 2 * TIMES
    assert await leases(house) == (frozenset(), frozenset())


class Load:
    """What callers ask until all processes have been replaced."""

    def __init__(self, house: Service) -> None:
        self._house, self._over = house, asyncio.Event()
        self._headers = {"Authorization": f"Bearer {house.token(SCOPES)}"}
        self.accepted: list[str] = []
        self.reads = 0

    async def replaced(self) -> None:
        """Replace each process in turn, so that a web process and a worker go alternately."""
        for _ in range(2 * TIMES):
            for component in ("web", "worker"):
                await self._house.replace(component)
        self._over.set()

    async def read(self, path: str) -> None:
        """Read, again and again."""
        while not self._over.is_set():
            await self._house.balancer.call("GET", path, headers=self._headers)
            self.reads += 1
            await asyncio.sleep(READ_EVERY_S)

    async def start(self) -> None:
        """Start one process after another, the next where one rests: a busy machine is asked for less."""
        while not self._over.is_set():
            keyed = self._headers | {"Idempotency-Key": f'"{uuid.uuid4()}"'}
            answer = await self._house.balancer.call("POST", ONBOARDINGS, headers=keyed, json=signed())
            if answer is not None and answer.is_success:
                self.accepted.append(answer.headers["Location"])
                await self.rested(self.accepted[-1])

    async def rested(self, location: str) -> dict[str, Any]:
        """Return the onboarding, once it rests."""
        async with asyncio.timeout(RESTS_WITHIN_S):
            while True:
                fresh = self._headers | {"Cache-Control": "no-cache"}
                answer = await self._house.balancer.call("GET", location, headers=fresh)
                assert answer is not None and answer.is_success, self._house.balancer.failed  # noqa: PT018 - one thing
                onboarding: dict[str, Any] = answer.json()
                if onboarding["state"] in {"active", "parked", "cancelled"}:
                    return onboarding
                await asyncio.sleep(FOLLOW_EVERY_S)

    def report(self) -> str:
        """Return the figures of the campaign; `pytest -s` shows them."""
        served = sum(self._house.balancer.served.values())
        return (
            f"{4 * TIMES} processes replaced, {served} calls ({self.reads} reads in a row), {len(self.accepted)}"
            f" onboardings accepted, {len(self._house.balancer.failed)} calls failed\n"
        )


def signed() -> dict[str, Any]:
    """Return a statement of work of a customer whom nobody has."""
    tag = uuid.uuid4().hex[:10]
    body = document(
        opportunity__id=tag, customer__account=tag, customer__name=f"{tag[:5]} {tag[5:]}", customer__tax_id=None
    )
    body["customer"] |= {"legal_name": f"{tag[::-1]} S.L.", "no_tax_id_reason": "applied_for"}
    return body


async def leases(house: Service) -> worker_leases.Leases:
    """Return whose leases are there."""
    store = Store(create_engine(house.database_url))
    async with store.begin() as connection:
        found = await connection.run_sync(worker_leases.list_all)
    await store.close()
    return found
