"""Every contract over HTTP: Granian, the edge, a token, the binder, the handlers; strict fakes stand behind them.

The bulk of calls is made in process, a file for each contract; here each operation gets a few, on the whole way.
"""

from collections.abc import Callable, Iterator

import httpx
import pytest
from hypothesis import settings
from schemathesis import Case
from schemathesis.schemas import BaseSchema

from tests.contracts.harness import THOROUGHLY, Harness, Prepare, schema_of
from tests.contracts.objects import Objects, objects
from tests.contracts.pools import Onboardings, Statuses, Waiting
from tests.contracts.pools_books import Books, Delivery
from tests.contracts.pools_governance import Governing
from tests.contracts.pools_money import Holds, Releases, Transfers
from tests.contracts.served import BASES, Served, served

GOVERNANCE = "platform/governance/v1"
BRIEFLY = settings(THOROUGHLY, max_examples=10)
POOLS: dict[str, Callable[[Harness, Objects], dict[str, Prepare]]] = {
    "system/erp/v1": lambda harness, _: Books(harness).prepare(),
    "system/psa/v1": lambda harness, _: Delivery(harness).prepare(),
    "process/project_onboarding/v1": lambda harness, made: Onboardings(harness, made).prepare(),
    "process/time_transfer/v1": lambda harness, made: Transfers(harness, made).prepare(),
    "process/invoice_release/v1": lambda harness, made: Releases(harness, made).prepare(),
    "process/billing_holds/v1": lambda harness, made: Holds(harness, made).prepare(),
    "process/billing_holds/v2": lambda harness, made: Holds(harness, made).prepare(),
    "process/status/v1": lambda harness, made: Statuses(harness, made).prepare(),
    "platform/operations/v1": lambda harness, made: Waiting(harness, made).prepare(),
}
"""Of `platform/governance/v1` the pool also needs the policies that it changes."""
SCHEMAS: dict[str, BaseSchema] = {contract: schema_of(contract, base, edge=True) for contract, base in BASES.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(scope="module")
def harnesses(server: Served) -> Iterator[dict[str, Harness]]:
    """A caller of each contract, by its name."""
    found = {contract: Harness() for contract in BASES}
    for contract, it in found.items():
        headers = {"Authorization": f"Bearer {server.token}"}
        it.call_as(httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30), BASES[contract])
        if contract == GOVERNANCE:
            it.pool = Governing(it, server.policies).prepare()
        else:
            it.pool = POOLS[contract](it, it.open(objects(server.database)))
    yield found
    for it in found.values():
        it.close()


@SCHEMAS["system/erp/v1"].parametrize()
@BRIEFLY
def test_ledger_answers_as_its_contract_says(case: Case, harnesses: dict[str, Harness]) -> None:
    harnesses["system/erp/v1"].try_out(case)


@SCHEMAS["system/psa/v1"].parametrize()
@BRIEFLY
def test_delivery_answers_as_its_contract_says(case: Case, harnesses: dict[str, Harness]) -> None:
    harnesses["system/psa/v1"].try_out(case)


@SCHEMAS["process/project_onboarding/v1"].parametrize()
@BRIEFLY
def test_onboarding_answers_as_its_contract_says(case: Case, harnesses: dict[str, Harness]) -> None:
    harnesses["process/project_onboarding/v1"].try_out(case)


@SCHEMAS["process/time_transfer/v1"].parametrize()
@BRIEFLY
def test_transfers_answer_as_their_contract_says(case: Case, harnesses: dict[str, Harness]) -> None:
    harnesses["process/time_transfer/v1"].try_out(case)


@SCHEMAS["process/invoice_release/v1"].parametrize()
@BRIEFLY
def test_releases_answer_as_their_contract_says(case: Case, harnesses: dict[str, Harness]) -> None:
    harnesses["process/invoice_release/v1"].try_out(case)


@SCHEMAS["process/billing_holds/v1"].parametrize()
@BRIEFLY
def test_holds_answer_as_their_contract_says(case: Case, harnesses: dict[str, Harness]) -> None:
    harnesses["process/billing_holds/v1"].try_out(case)


@SCHEMAS["process/billing_holds/v2"].parametrize()
@BRIEFLY
def test_holds_of_version_2_answer_as_their_contract_says(case: Case, harnesses: dict[str, Harness]) -> None:
    harnesses["process/billing_holds/v2"].try_out(case)


@SCHEMAS["process/status/v1"].parametrize()
@BRIEFLY
def test_status_answers_as_its_contract_says(case: Case, harnesses: dict[str, Harness]) -> None:
    harnesses["process/status/v1"].try_out(case)


@SCHEMAS["platform/operations/v1"].parametrize()
@BRIEFLY
def test_operations_answer_as_their_contract_says(case: Case, harnesses: dict[str, Harness]) -> None:
    harnesses["platform/operations/v1"].try_out(case)


@SCHEMAS[GOVERNANCE].parametrize()
@BRIEFLY
def test_governance_answers_as_its_contract_says(case: Case, harnesses: dict[str, Harness]) -> None:
    harnesses[GOVERNANCE].try_out(case)


@pytest.mark.parametrize("contract", BASES)
def test_every_operation_had_valid_answers(contract: str, harnesses: dict[str, Harness]) -> None:
    assert harnesses[contract].lacking(SCHEMAS[contract]) == {}


def test_every_contract_that_is_served_was_called(server: Served) -> None:
    page = httpx.get(f"{server.url}/docs").text

    assert [base for base in BASES.values() if f"/docs{base}" not in page] == []
    assert page.count("contract as written") == len(BASES), "Give the new contract a base, a pool and a test here."
