"""`system/erp/v1` on a strict ERP in memory."""

from collections.abc import Iterator

import pytest
from schemathesis import Case

from gateway.contract import Mount, bind
from gateway.cursors import Cursors
from gateway.secret import Secret
from gateway.writes import Writes, WriteSettings
from system_apis.erp import v1
from tests.contracts.harness import THOROUGHLY, Harness, schema_of
from tests.contracts.pools_books import Books
from tests.fakes.erp import FakeErp
from tests.sample_api import client
from tests.stores import guard_store

CONTRACT, BASE = "system/erp/v1", "/system/books/erp/v1"
schema = schema_of(CONTRACT, BASE)


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    erp = FakeErp()
    it = Harness()
    it.pool = Books(it).prepare()
    store = it.open(guard_store(f"sqlite:///{tmp_path_factory.mktemp('erp')}/guard.sqlite"))
    writes = Writes(store, WriteSettings()).bound(erp)
    provided = {"erp": erp, "writes": writes, "cursors": Cursors(Secret("key"))}
    it.call_as(client(bind([Mount(contract=CONTRACT, module=v1, connection="books", provided=provided)])[0]), BASE)
    yield it
    it.close()


@schema.parametrize()
@THOROUGHLY
def test_every_answer_follows_the_contract(case: Case, harness: Harness) -> None:
    harness.try_out(case)


def test_every_operation_had_valid_answers(harness: Harness) -> None:
    assert harness.lacking(schema) == {}
