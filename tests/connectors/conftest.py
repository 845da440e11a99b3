"""The running systems that the conformance suite is given; a further one is a further row.

`erp_target` and `psa_target` are each of them in turn, each with the guard of writes on a database of its own.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from examples.servers.start import Backend
from gateway.egress.limits import Part
from gateway.egress.terms import Breaker, Patience, Quota, Terms
from gateway.egress.upstreams import Upstreams
from gateway.writes import Writes, WriteSettings
from openapi.common.types import Address, Dimension, DimensionType
from openapi.system.erp.v1 import TransactionKind
from system_apis.conformance.target import ErpFacts, ErpTarget, PsaFacts, PsaTarget
from system_apis.connector import Connection
from system_apis.connectors import tryton
from tests.servers_tryton import TrytonPsaBooks, settings_of, tryton_server
from tests.servers_tryton_ledger import TrytonLedger
from tests.stores import guard_store

Trytons = Callable[[Backend], dict[str, Any]]
TERMS = Terms(
    quota=Quota(rate=500, burst=500, concurrency=16, interactive_share=0.5, when_unavailable="count_alone"),
    patience=Patience(deadline_s=30, connect_s=2, read_retries=2),
    circuit=Breaker(failures=50, open_s=1),
)
ERP = ErpFacts(
    legal_entity="ES01",
    currency="EUR",
    address=Address(street="Gran Via 1", postal_code="28013", city="Madrid", country="ES"),
    other_address=Address(street="12 rue Émile Zola", city="Lyon", country="FR"),
    tax_ids=("ESB58818501", "FR40303265045"),
    bad_tax_id="ESB58818502",
    payment_terms=("net_30", "immediate"),
    dimension=Dimension(type=DimensionType.department, code="CONS"),
    staff="Ana Ruiz",
    accounts={
        TransactionKind.cost: ("5.1.3", "2.2.4"),
        TransactionKind.unbilled_sale: ("1.4.2", "4.2.2"),
        TransactionKind.unbilled_sale_release: ("4.2.2", "1.4.2"),
    },
    project_accounts=frozenset({"5.1.3", "4.2.2"}),
    revenue_account="4.1.2",
    other_account="1.4.2",
    tax_code="VAT 21%",
    taxed={
        ("2.50",): "0.52",  # 0.525: half to even goes down here,
        ("1.50",): "0.32",  # and up here, from 0.315.
        ("10.02", "10.02", "10.02"): "6.31",  # 6.3126 on the sum; line by line it would be 6.30.
        ("33.33", "33.33", "33.34"): "21.00",
    },
    item="CONS-H",
    closable=date(datetime.now(UTC).year - 1, 3, 15),
)
PSA = PsaFacts(
    legal_entity="ES01",
    person="ana.ruiz@example.com",
    approver="chloe@example.com",
    native_template="Delivery standard",
    template_tasks=("Discovery", "Build", "Handover"),
)


@pytest.fixture(scope="session")
def trytons() -> Iterator[Trytons]:
    """Start a Tryton on each database that is asked for, once."""
    running: dict[Backend, dict[str, Any]] = {}
    with ExitStack() as servers:

        def running_on(backend: Backend) -> dict[str, Any]:
            if backend not in running:
                running[backend] = servers.enter_context(tryton_server(backend))
            return running[backend]

        yield running_on


@pytest.fixture(scope="session")
async def writes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Writes]:
    """The guard, as an installation has it, on SQLite."""
    path: Path = tmp_path_factory.mktemp("guard") / "guard.sqlite"
    async with guard_store(f"sqlite:///{path}") as store:
        yield Writes(store, WriteSettings())


@pytest.fixture(scope="session")
async def upstreams() -> AsyncIterator[Upstreams]:
    """The real egress, patient enough for a busy machine."""
    names = [f"{family}-{backend}" for family in ("erp", "psa") for backend in ("sqlite", "postgresql")]
    out = Upstreams(dict.fromkeys([*names, "delivery"], TERMS), part=Part.web)
    yield out
    await out.close()


TRYTONS: Final = [
    pytest.param("sqlite", marks=pytest.mark.live, id="tryton-sqlite"),
    pytest.param("postgresql", marks=pytest.mark.live, id="tryton-postgresql"),
]


def connection(family: str, backend: str) -> Connection:
    """Return a connection to one of the systems."""
    return Connection(name=f"{family}-{backend}", environment="sandbox", legal_entities=("ES01",))


@pytest.fixture(scope="session", params=TRYTONS)
def erp_target(
    request: pytest.FixtureRequest, trytons: Trytons, upstreams: Upstreams, writes: Writes
) -> Iterator[ErpTarget]:
    """Each ERP that the suite runs on."""
    ready, where = trytons(request.param), connection("erp", request.param)
    port, books = tryton.erp(where, settings_of(ready, "erp"), upstreams.http(where.name)), TrytonLedger(ready, "erp")
    yield ErpTarget(port=port, writes=writes.bound(port), books=books, facts=ERP, lose_session=books.lose_session)
    books.leave()


@pytest.fixture(scope="session", params=TRYTONS)
def psa_target(
    request: pytest.FixtureRequest, trytons: Trytons, upstreams: Upstreams, writes: Writes
) -> Iterator[PsaTarget]:
    """Each PSA that the suite runs on."""
    ready, where = trytons(request.param), connection("psa", request.param)
    port, books = tryton.psa(where, settings_of(ready, "psa"), upstreams.http(where.name)), TrytonPsaBooks(ready, "psa")
    yield PsaTarget(port=port, writes=writes.bound(port), books=books, facts=PSA, lose_session=books.lose_session)
    books.leave()
