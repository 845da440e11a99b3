"""The write guard before a real Tryton, which makes eight documents of eight creates with one key.

Answers are lost between the connector and the guard; what is there is counted in Tryton's own books.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from msgspec import Struct
from msgspec.structs import replace

from gateway.agreement import agreeing
from gateway.caller import INSTALLATION
from gateway.egress.limits import Part
from gateway.egress.terms import Breaker, Patience, Quota, Terms
from gateway.egress.upstreams import Upstreams
from gateway.errors import ApiError, Refused, Unavailable, Uncertain, WriteInProgress
from gateway.writes import Writes, WriteSettings
from openapi.common.types import Address
from openapi.system.erp.v1 import AccountingProject, NewAccountingProject, NewCustomer
from system_apis.connector import Connection
from system_apis.connectors.tryton import erp as tryton_erp
from system_apis.erp import v1 as erp_api
from system_apis.ports import Erp
from tests.fakes.vendor import AUTHOR, BEFORE, Fault, raise_for
from tests.servers_tryton import TrytonErpBooks, settings_of, tryton_server
from tests.stores import guard_store

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
CONNECTION = Connection(name="books", environment="sandbox", legal_entities=("ES01",))
TERMS = Terms(
    quota=Quota(rate=200, burst=200, concurrency=8, interactive_share=0.5, when_unavailable="count_alone"),
    patience=Patience(deadline_s=30, connect_s=2, read_retries=3),
    circuit=Breaker(failures=20, open_s=1),
)
WRITERS, SETTLE_S, LAG_S = 20, 1.0, 0.8
# What hangs takes the whole lease, and a refusal ends the matter: both are seen with the fake.
FAULTS = [
    None,
    *(fault for fault in Fault if fault not in {Fault.hangs_before, Fault.hangs_after, Fault.refused_after}),
]
CASES = [(fault, lag_s) for fault in FAULTS for lag_s in (0.0, LAG_S)]
SAMPLE = [(None, 0.0), (Fault.lost_after, LAG_S), (Fault.misnamed_after, 0.0), (Fault.denied_after, LAG_S)]

pytestmark = [pytest.mark.live, pytest.mark.campaign]


class Lossy:
    """The port of a real ERP, on a line that loses answers and with an index that is slow."""

    def __init__(self, port: Erp, *faults: Fault | None, lag_s: float = 0.0) -> None:
        self._port, self._faults, self._lag_s = port, deque(faults), lag_s
        self._shown_from = 0.0
        self.authors: list[str] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else the port has
        return getattr(self._port, name)

    async def find_accounting_project(self, business_key: str) -> AccountingProject | None:
        """Return the project, once the index has it."""
        asked_at = time.monotonic()
        found = await self._port.find_accounting_project(business_key)
        return found if asked_at >= self._shown_from else None

    async def create_accounting_project(self, new: NewAccountingProject) -> AccountingProject:
        """Return the new project, unless something is lost on the way there or back."""
        fault = self._faults.popleft() if self._faults else None
        if fault is not None and fault in BEFORE:
            raise_for(fault)
        made = await self._port.create_accounting_project(new)
        self.authors.append(AUTHOR.get())
        self._shown_from = time.monotonic() + self._lag_s
        if fault is not None:
            raise_for(fault)
        return made


class Stage(Struct, frozen=True, kw_only=True):
    """A real ERP, the guard before it, and its own books."""

    port: Erp
    writes: Writes
    books: TrytonErpBooks
    customer_id: str

    def new(self) -> NewAccountingProject:
        """Return a project that nobody asked for yet."""
        tail = uuid4().hex[:8]
        return NewAccountingProject(
            business_key=f"prj_live_{tail}_erp",
            legal_entity="ES01",
            code=f"L-{tail}",
            name="Written by many",
            customer_id=self.customer_id,
            dimensions=[],
        )


@pytest.fixture(scope="module")
def ready() -> Iterator[dict[str, Any]]:
    with tryton_server() as running:
        yield running


@pytest.fixture
async def stage(ready: dict[str, Any], tmp_path: Path) -> AsyncIterator[Stage]:
    upstreams = Upstreams({CONNECTION.name: TERMS}, part=Part.whole)
    port = tryton_erp(CONNECTION, settings_of(ready, "erp", settle_s=SETTLE_S), upstreams.http(CONNECTION.name))
    books = TrytonErpBooks(ready, "erp")
    alder = NewCustomer(
        business_key=f"cus_live_{uuid4().hex[:8]}",
        legal_entity="ES01",
        name="Alder Foods S.A.",
        country="ES",
        billing_address=Address(street="1 Market Street", city="Valencia", country="ES"),
    )
    async with guard_store(f"sqlite:///{tmp_path / 'guard.sqlite'}") as store:
        customer = await port.create_customer(alder)
        writes = Writes(store, WriteSettings(lease_s=60))
        yield Stage(port=port, writes=writes, books=books, customer_id=customer.id)
    await upstreams.close()
    books.leave()


async def by_system_api(erp: Lossy, writes: Writes, new: NewAccountingProject) -> AccountingProject:
    """Ask as a client of the system API does: one round, and what it answers."""
    asked: dict[str, Any] = {"erp": erp, "writes": writes.bound(erp)}
    return await erp_api.create_accounting_project(**asked, caller=INSTALLATION, body=new)


async def by_workflow(erp: Lossy, writes: Writes, new: NewAccountingProject) -> AccountingProject:
    """Ask as a workflow does: on until it knows."""
    while True:
        try:
            return await writes.bound(erp).once(
                operation="create_accounting_project",
                key=new.business_key,
                payload=new,
                look=partial(erp.find_accounting_project, new.business_key),
                act=partial(erp.create_accounting_project, new),
                agree=agreeing(new, "legal_entity", "code", "customer_id"),
            )
        except (WriteInProgress, Uncertain):
            await asyncio.sleep(0.1)


async def test_tryton_alone_makes_as_many_as_it_is_asked_for(stage: Stage) -> None:
    new = stage.new()

    await asyncio.gather(*(stage.port.create_accounting_project(new) for _ in range(8)), return_exceptions=True)

    assert await stage.books.count_projects(new.business_key) > 1, "The guard would have nothing to prevent."


@pytest.mark.parametrize(("fault", "lag_s"), CASES if FULL else SAMPLE)
async def test_twenty_writers_of_one_key_make_one_project(stage: Stage, fault: Fault | None, lag_s: float) -> None:
    erp, new = Lossy(stage.port, fault, lag_s=lag_s), stage.new()

    async def told(number: int) -> tuple[str, AccountingProject | ApiError]:
        AUTHOR.set(f"w{number}")
        try:
            return f"w{number}", await (by_workflow if number % 2 else by_system_api)(erp, stage.writes, new)
        except ApiError as error:
            return f"w{number}", error

    answers = await asyncio.gather(*(told(number) for number in range(WRITERS)))
    found = await by_workflow(erp, stage.writes, new)

    assert await stage.books.count_projects(new.business_key) == 1
    lied_to = []
    for author, answer in answers:
        if isinstance(answer, AccountingProject):
            assert answer.id == found.id
        elif isinstance(answer, Refused | Unavailable) and author in erp.authors:
            lied_to.append(author)
    # A port's wrong "no" before a slow index is believed once, by its own caller.
    assert len(lied_to) <= (1 if fault is Fault.denied_after and lag_s else 0)


async def test_another_document_under_the_key_is_refused(stage: Stage) -> None:
    erp, new = Lossy(stage.port), stage.new()
    await by_system_api(erp, stage.writes, new)

    with pytest.raises(Refused) as refused:
        await by_system_api(erp, stage.writes, replace(new, name="Another"))

    assert refused.value.code == "process.payload_conflict"
    assert await stage.books.count_projects(new.business_key) == 1
