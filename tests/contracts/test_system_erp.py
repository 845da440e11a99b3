"""`system/erp/v1` on a strict ERP in memory."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from schemathesis import Case

from gateway.contract import Mount, bind
from gateway.cursors import Cursors
from gateway.secret import Secret
from gateway.writes import Writes, WriteSettings
from openapi.common.types import Address
from openapi.system.erp.v1 import NewAccountingProject, NewCustomer
from system_apis.erp import v1
from tests.contracts.harness import THOROUGHLY, Harness, schema_of
from tests.fakes.erp import FakeErp
from tests.stores import guard_store

CONTRACT, BASE = "system/erp/v1", "/system/books/erp/v1"
ADDRESS = Address(street="1 Market Street", city="Valencia", country="ES")
schema = schema_of(CONTRACT, BASE)


class Books:
    """Customers and projects that exist, for calls that need one."""

    def __init__(self, erp: FakeErp) -> None:
        self._erp, self._numbers, self._entities = erp, iter(range(10_000)), cycle(["ES01", "DE01"])

    async def fill(self) -> None:
        for number in range(5):
            key = f"cus_{number}"
            await self._erp.create_customer(
                NewCustomer(
                    business_key=key, legal_entity="ES01", name=f"Alder {number}", country="ES", billing_address=ADDRESS
                )
            )
            await self._erp.create_accounting_project(
                NewAccountingProject(
                    business_key=f"prj_{number}",
                    legal_entity="ES01",
                    code=f"P-{number}",
                    name="Data",
                    customer_id="1",
                    dimensions=[],
                )
            )

    def name_customer(self, case: Case) -> None:
        case.path_parameters["customer_id"] = "1"

    def name_project(self, case: Case) -> None:
        case.path_parameters["project_id"] = "1"

    def search_customer(self, case: Case) -> None:
        case.query = {"name": "Alder", "limit": 2}

    def search_project(self, case: Case) -> None:
        case.query = {"code": "P-1"}

    def new_customer(self, case: Case) -> None:
        case.body = self._served(case.body) | {"country": "ES", "payment_terms": "net_30", "tax_id": "ESA08000143"}

    def new_project(self, case: Case) -> None:
        number = next(self._numbers)
        case.body = self._served(case.body) | {"code": f"Q-{number}", "customer_id": "1", "dimensions": []}

    def change(self, case: Case) -> None:
        self.name_customer(case)
        customer = next(iter(self._erp.customers))
        case.headers["If-Match"] = f'"{customer.version}"'
        case.body = {"name": f"Alder {next(self._numbers)}"}

    def list_from_the_start(self, case: Case) -> None:
        case.query = {"limit": 1}

    def _served(self, body: Any) -> Any:  # noqa: ANN401 - a JSON document.
        return body | {"business_key": f"key_{next(self._numbers)}", "legal_entity": next(self._entities)}


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    erp = FakeErp()
    books = Books(erp)
    it = Harness()
    it.pool = {
        "list_legal_entities": books.list_from_the_start,
        "search_customers": books.search_customer,
        "create_customer": books.new_customer,
        "get_customer": books.name_customer,
        "update_customer": books.change,
        "search_accounting_projects": books.search_project,
        "create_accounting_project": books.new_project,
        "get_accounting_project": books.name_project,
        "activate_accounting_project": books.name_project,
        "deactivate_accounting_project": books.name_project,
    }
    it.run(books.fill())
    store = it.open(guard_store(f"sqlite:///{tmp_path_factory.mktemp('erp')}/guard.sqlite"))
    writes = Writes(store, WriteSettings()).bound(erp)
    provided = {"erp": erp, "writes": writes, "cursors": Cursors(Secret("key"))}
    it.serve(bind([Mount(contract=CONTRACT, module=v1, connection="books", provided=provided)])[0])
    yield it
    it.close()


@schema.parametrize()
@THOROUGHLY
def test_every_answer_follows_the_contract(case: Case, harness: Harness) -> None:
    harness.try_out(case)


def test_every_operation_had_valid_answers(harness: Harness) -> None:
    assert harness.lacking(schema) == {}
