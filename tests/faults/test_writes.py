"""The write guard under everything that gets lost: one document, and every caller told the truth.

The truth: who is told of success finds the document; who is told no has had no effect; who is told neither asks again.
"""

import asyncio
import itertools
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.agreement import agreeing
from gateway.caller import INSTALLATION
from gateway.errors import ApiError, Refused, Unavailable, Uncertain, WriteInProgress
from gateway.store.database import Store
from gateway.writes import Writes, WriteSettings
from openapi.common.types import Address
from openapi.system.erp.v1 import Customer, NewCustomer
from system_apis.erp import v1 as erp_api
from tests.fakes.erp import CAPABILITIES, FakeErp
from tests.fakes.vendor import AUTHOR, Fault
from tests.faults.file_vendor import MOMENTS, Books
from tests.servers_postgres import Postgres, postgres
from tests.stores import guard_store

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
WRITERS = 20
LEASE_S, SETTLE_S, LAG_S = 1.0, 0.3, 0.25
ALDER = NewCustomer(
    business_key="cus_crm1_4711",
    legal_entity="ES01",
    name="Alder Foods S.A.",
    country="ES",
    billing_address=Address(street="1 Market Street", city="Valencia", country="ES"),
)
LIES = {Fault.denied_after, Fault.refused_after}
# Whoever maps a lost answer to a refusal, before a slow index, deceives everybody: an answer ends the matter.
CASES = [case for case in itertools.product([None, *Fault], [0.0, LAG_S]) if case != (Fault.refused_after, LAG_S)]
SAMPLE = [(None, 0.0), (Fault.lost_after, LAG_S), (Fault.misnamed_after, LAG_S), (Fault.denied_after, 0.0)]

Told = Customer | ApiError


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'guard.sqlite'}"
    server: Postgres = request.getfixturevalue("server")
    return server.database()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with guard_store(url) as opened:
        yield opened


async def by_system_api(erp: FakeErp, writes: Writes) -> Customer:
    """Ask as a client of the system API does: one round, and what it answers."""
    return await erp_api.create_customer(erp=erp, writes=writes.bound(erp), caller=INSTALLATION, body=ALDER)


async def by_workflow(erp: FakeErp, writes: Writes) -> Customer:
    """Ask as a workflow does: on until it knows."""
    while True:
        try:
            return await writes.once(
                connection=erp.connection,
                operation="create_customer",
                key=ALDER.business_key,
                payload=ALDER,
                look=partial(erp.find_customer, ALDER.business_key),
                act=partial(erp.create_customer, ALDER),
                agree=agreeing(ALDER, "tax_id", "name"),
                settle_s=erp.capabilities.settle_s,
            )
        except (WriteInProgress, Uncertain):
            await asyncio.sleep(0.05)


async def told(author: str, ask: Callable[[], Awaitable[Customer]]) -> tuple[str, Told]:
    """Return what a caller is told, who signs each effect with a name of its own."""
    AUTHOR.set(author)
    try:
        return author, await ask()
    except ApiError as error:
        return author, error


def check_truth(erp: FakeErp, answers: list[tuple[str, Told]], liar_allowed: int) -> None:
    """Compare what each was told with the ERP's books."""
    made = list(erp.customers)
    lied_to = []
    for author, answer in answers:
        if isinstance(answer, Customer):
            assert answer in made, f"{author} was told of a customer that is not there."
        elif isinstance(answer, Refused | Unavailable) and author in erp.authors:
            lied_to.append(author)
    assert len(lied_to) <= liar_allowed, f"{lied_to} were told no, and had an effect."


@pytest.mark.campaign
@pytest.mark.parametrize(("fault", "lag_s"), CASES if FULL else SAMPLE)
async def test_twenty_writers_of_one_key_make_one_document(store: Store, fault: Fault | None, lag_s: float) -> None:
    erp = FakeErp(replace(CAPABILITIES, settle_s=SETTLE_S))
    erp.lag_s, erp.latency_s = lag_s, 0.002
    erp.plan("create_customer", fault)
    guards = [Writes(store, WriteSettings(lease_s=LEASE_S)) for _ in range(WRITERS)]
    ways = (by_system_api, by_workflow)

    answers = await asyncio.gather(
        *(told(f"w{number}", partial(ways[number % 2], erp, writes)) for number, writes in enumerate(guards))
    )
    # Whoever was left without an answer asks again, as the problem says.
    end = await told("last", partial(by_workflow, erp, guards[0]))

    assert [customer.business_key for customer in erp.customers] == [ALDER.business_key]
    # A wrong "no" before a slow index is believed once, by its own caller: nothing can tell it from a right one.
    check_truth(erp, [*answers, end], liar_allowed=1 if fault in LIES and lag_s else 0)
    assert isinstance(end[1], Customer)


@pytest.mark.campaign
@pytest.mark.parametrize("lag_s", [0.0, LAG_S] if FULL else [LAG_S])
async def test_a_row_of_faults_makes_one_document(store: Store, lag_s: float) -> None:
    erp = FakeErp(replace(CAPABILITIES, settle_s=SETTLE_S))
    erp.lag_s, erp.latency_s = lag_s, 0.001
    faults = [Fault.lost_before, Fault.misnamed_before, Fault.unavailable, Fault.lost_after, Fault.misnamed_after]
    erp.plan("create_customer", *faults)
    erp.plan("find_customer", Fault.unavailable, None, Fault.unavailable)
    guards = [Writes(store, WriteSettings(lease_s=LEASE_S)) for _ in range(WRITERS if FULL else 5)]

    answers: list[tuple[str, Told]] = []
    for turn in range(len(faults) + 2):
        answers += await asyncio.gather(
            *(told(f"t{turn}w{number}", partial(by_workflow, erp, writes)) for number, writes in enumerate(guards))
        )

    assert len(erp.customers) == 1
    check_truth(erp, answers, liar_allowed=0)
    assert isinstance(answers[-1][1], Customer)


async def writer(url: str, books: Books, moment: str, *keys: str) -> Process:
    program = (sys.executable, "-m", "tests.faults.file_vendor", url, str(books.path), moment, *keys)
    return await asyncio.create_subprocess_exec(*program, stdout=PIPE)


@pytest.mark.campaign
@pytest.mark.parametrize("moment", MOMENTS if FULL else MOMENTS[1::2])
async def test_process_killed_at_a_moment_leaves_one_document(
    store: Store, url: str, tmp_path: Path, moment: str
) -> None:
    books = Books(tmp_path / "books.txt")
    killed = await writer(url, books, moment)
    assert await killed.wait() == -9
    intent = await Writes(store, WriteSettings()).intent("books", "create_order", "ord_1")
    assert intent is not None
    assert intent.outcome == "uncertain"

    survivor = await writer(url, books, "never")
    out, _ = await survivor.communicate()

    assert out == b"ord_1"
    assert books.documents() == ["ord_1"]


@pytest.mark.campaign
async def test_processes_at_once_some_of_them_killed_leave_one_document(store: Store, url: str, tmp_path: Path) -> None:
    books = Books(tmp_path / "books.txt")
    await Writes(store, WriteSettings()).intent("books", "create_order", "ord_1")
    moments = [*MOMENTS, "never", "never"] * (2 if FULL else 1)

    writers = [await writer(url, books, moment) for moment in moments]
    told_by = [(moment, *await one.communicate()) for moment, one in zip(moments, writers, strict=True)]

    assert books.documents() == ["ord_1"]
    assert all(out == b"ord_1" for moment, out, _ in told_by if moment == "never")


@pytest.mark.campaign
async def test_batches_that_overlap_some_of_them_killed_leave_one_document_a_key(
    store: Store, url: str, tmp_path: Path
) -> None:
    books = Books(tmp_path / "books.txt")
    await Writes(store, WriteSettings()).intent("books", "create_orders", "ord_1")
    moments = ["halfway", "between_intent_and_act", "between_act_and_record", "never", "never"] * (2 if FULL else 1)
    keys = [f"ord_{number}" for number in range(len(moments) + 2)]

    writers = [await writer(url, books, moment, *keys[n : n + 3]) for n, moment in enumerate(moments)]
    for one in writers:
        await one.communicate()
    survivor = await writer(url, books, "never", *keys)
    out, _ = await survivor.communicate()

    assert out.decode().split() == keys
    assert sorted(books.documents()) == sorted(keys)
