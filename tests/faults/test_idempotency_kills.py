"""The web process dies with kill -9 around the record of an idempotency key; the caller sends the call again.

Whatever moment it was, one process instance comes of it and one customer in the ERP's own books, and the repeated call
gets the instance that the first one made. Sampled, unless TIEBEAM_CAMPAIGN=full.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest
import yaml
from sqlalchemy import func, select

from examples.demo.stage import installation, serving
from gateway import commands, commands_tokens, main
from gateway.egress.limits import Part
from gateway.settings import Settings, load
from gateway.store import idempotency_records
from gateway.store.business_events import tb_business_event
from gateway.store.database import Store, create_engine
from gateway.store.processes import tb_process_instance
from tests.e2e.conftest import in_service, quick
from tests.fakes.composed import lift_quotas, on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import document
from tests.faults.killing_web import MOMENTS, order_of

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
ROUNDS = 20 if FULL else 1
ONBOARDINGS = "/process/project-onboarding/v1/onboardings"
LEASE_S = 3
ENDS_WITHIN_S = 60.0
LEASES = [{"kind": "idempotency", "keep_days": 7, "lease_s": LEASE_S}]

pytestmark = pytest.mark.campaign


class Gateway(NamedTuple):
    """An installation, and where it keeps things."""

    config: Path
    settings: Settings
    store: Store
    token: str


@pytest.fixture(
    params=[
        "embedded",
        pytest.param("service", marks=pytest.mark.skipif(not FULL, reason="The sample is of the embedded pair.")),
    ]
)
async def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Gateway]:
    with contextlib.ExitStack() as servers:
        config = installation(tmp_path / "installation", {"base_url": "http://127.0.0.1:9", "password": "nobody asks"})
        lift_quotas(config)
        (config.parent / "policies" / "91-leases.yaml").write_text(yaml.safe_dump({"policies": LEASES}))
        if request.param == "service":
            in_service(servers, config)
        quick(config)
        settings = load(str(config))
        commands.prepare(settings)
        store = Store(create_engine(settings.database_url))
        token = commands_tokens.development_token(settings, commands_tokens.Claims(client="crm"), 86_400)
        yield Gateway(config, settings, store, token)
        await store.close()


@contextlib.asynccontextmanager
async def served(gateway: Gateway, log: str) -> AsyncIterator[httpx.AsyncClient]:
    """Serve for the length of the block, in a process of its own that may be dead at its end; yield a caller."""
    serve = [sys.executable, "-m", "tests.faults.killing_web"]
    headers = {"Authorization": f"Bearer {gateway.token}"}
    with serving(gateway.config, gateway.config.parent / log, serve) as url:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
            yield client


def statement(number: int) -> dict[str, Any]:
    """Return a statement of work of a customer and an opportunity of its own."""
    return document(
        opportunity__id=f"00{number}",
        customer__account=f"47{number}",
        customer__confirmed_new=True,
        statement_of_work__number=f"SOW-{number}",
    )


async def repeated(client: httpx.AsyncClient, body: dict[str, Any], key: str) -> tuple[httpx.Response, list[int]]:
    """Return the first answer that is no 409, and how often it was told to come back."""
    refused: list[int] = []
    for _ in range(10 * LEASE_S):
        answer = await client.post(ONBOARDINGS, json=body, headers={"Idempotency-Key": key})
        if answer.status_code != httpx.codes.CONFLICT:
            return answer, refused
        assert answer.json()["code"] == "idempotency.in_progress"
        refused.append(answer.status_code)
        await asyncio.sleep(float(answer.headers["retry-after"]))
    raise AssertionError("The key of a dead process is not free.")


async def instances(gateway: Gateway) -> dict[str, str]:
    """Return the process instances by their business keys."""
    columns = tb_process_instance.c
    async with gateway.store.begin() as connection:
        return {row.business_key: row.id for row in await connection.execute(select(columns.business_key, columns.id))}


async def carried_out(gateway: Gateway) -> FakeErp:
    """Return the ERP once a worker has ended every process."""
    erp = FakeErp()
    parts = on_fakes(main.parts(main.read(gateway.settings), Part.worker), erp, FakePsa())
    columns = tb_process_instance.c
    unfinished = select(func.count()).select_from(tb_process_instance).where(columns.ended_at.is_(None))
    try:
        async with main.worker(parts).started(), asyncio.timeout(ENDS_WITHIN_S):
            while True:
                async with gateway.store.begin() as connection:
                    if not (await connection.execute(unfinished)).scalar_one():
                        return erp
                await asyncio.sleep(0.05)
    finally:
        await parts.aclose()


class Cell(NamedTuple):
    """One call: which one, under which key, and where its process dies."""

    number: int
    moment: str
    key: str


async def strike(gateway: Gateway, client: httpx.AsyncClient, cell: Cell, before: dict[str, str]) -> None:
    """Let the process die under the call; the effect is there, or is not, as the moment has it."""
    order_of(gateway.settings).write_text(cell.moment)
    with pytest.raises(httpx.TransportError):
        await client.post(ONBOARDINGS, json=statement(cell.number), headers={"Idempotency-Key": cell.key})
    died = await instances(gateway)

    assert not order_of(gateway.settings).exists()
    assert len(died) == len(before) + (cell.moment != "taken")


async def call_again(gateway: Gateway, client: httpx.AsyncClient, cell: Cell, before: dict[str, str]) -> dict[str, str]:
    """Return all instances after the call was sent again, to another process; it has made none but its own."""
    died = await instances(gateway)
    body, keyed = statement(cell.number), {"Idempotency-Key": cell.key}
    other = await client.post(ONBOARDINGS, json=statement(cell.number + 500), headers=keyed)
    answer, refused = await repeated(client, body, cell.key)
    replayed, _ = await repeated(client, body, cell.key)
    after = await instances(gateway)

    assert other.json()["code"] == "idempotency.key_reuse_mismatch"
    assert answer.status_code == httpx.codes.ACCEPTED
    assert ("idempotency-replayed" in answer.headers) is (cell.moment == "recorded")
    assert not (refused and cell.moment == "recorded")  # Otherwise until the lease of the dead process is over.
    assert replayed.headers["idempotency-replayed"] == "true"
    assert replayed.content == answer.content
    assert replayed.json()["id"] == answer.json()["id"] == after[answer.json()["business_key"]]
    assert after.keys() - before.keys() == {answer.json()["business_key"]}
    assert died.items() <= after.items()
    return after


async def test_call_that_is_repeated_after_its_process_died_goes_on_with_what_it_began(gateway: Gateway) -> None:
    cells = [Cell(number, moment, f'"{uuid4()}"') for number, moment in enumerate(MOMENTS * ROUNDS, 10)]
    made: dict[str, str] = {}
    for place in range(len(cells) + 1):  # Each process takes up what the one before it left, and dies in its turn.
        async with served(gateway, f"{place}.log") as client:
            if place:
                made = await call_again(gateway, client, cells[place - 1], made)
            if place < len(cells):
                await strike(gateway, client, cells[place], made)

    erp = await carried_out(gateway)
    for cell in cells:
        assert len(erp.customers.carrying(f"cus_crm1_47{cell.number}")) == 1
    assert len(made) == len(cells)
    assert await told(gateway, "tiebeam.project_onboarding.accepted.v1") == len(cells)
    assert await records(gateway) == len(cells)


async def told(gateway: Gateway, type_: str) -> int:
    """Return how often something was announced."""
    asked = select(func.count()).select_from(tb_business_event).where(tb_business_event.c.type == type_)
    async with gateway.store.begin() as connection:
        return int((await connection.execute(asked)).scalar_one())


async def records(gateway: Gateway) -> int:
    """Return how many keys have an answer."""
    kept = idempotency_records.TABLE.c.status.is_not(None)
    async with gateway.store.begin() as connection:
        asked = select(func.count()).select_from(idempotency_records.TABLE).where(kept)
        return int((await connection.execute(asked)).scalar_one())
