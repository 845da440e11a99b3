"""`system/erp/v1` on a strict ERP in memory."""

import pytest

from gateway.writes import Writes, WriteSettings
from system_apis.erp import v1
from tests.contracts.harness import Harness, schema_of
from tests.contracts.in_process import serve, trials_of
from tests.contracts.pools_books import Books
from tests.fakes.erp import FakeErp
from tests.stores import guard_store

CONTRACT = "system/erp/v1"
schema = schema_of(CONTRACT, "/system/books/erp/v1")


@pytest.fixture(scope="module")
def harness(opened: Harness, tmp_path_factory: pytest.TempPathFactory) -> Harness:
    erp = FakeErp()
    store = opened.open(guard_store(f"sqlite:///{tmp_path_factory.mktemp('erp')}/guard.sqlite"))
    writes = Writes(store, WriteSettings()).bound(erp)
    return serve(opened, CONTRACT, v1, pool=Books(opened).prepare(), connection="books", erp=erp, writes=writes)


test_every_answer_follows_the_contract, test_every_operation_had_valid_answers = trials_of(schema)
