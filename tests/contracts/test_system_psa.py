"""`system/psa/v1` on a strict PSA in memory."""

import pytest

from gateway.writes import Writes, WriteSettings
from system_apis.psa import v1
from tests.contracts.harness import Harness, schema_of
from tests.contracts.in_process import serve, trials_of
from tests.contracts.pools_books import Delivery, with_time
from tests.fakes.psa import FakePsa
from tests.stores import guard_store

CONTRACT = "system/psa/v1"
schema = schema_of(CONTRACT, "/system/delivery/psa/v1")


@pytest.fixture(scope="module")
def harness(opened: Harness, tmp_path_factory: pytest.TempPathFactory) -> Harness:
    psa = with_time(FakePsa())
    store = opened.open(guard_store(f"sqlite:///{tmp_path_factory.mktemp('psa')}/guard.sqlite"))
    writes = Writes(store, WriteSettings()).bound(psa)
    return serve(opened, CONTRACT, v1, pool=Delivery(opened).prepare(), connection="delivery", psa=psa, writes=writes)


test_every_answer_follows_the_contract, test_every_operation_had_valid_answers = trials_of(schema)
