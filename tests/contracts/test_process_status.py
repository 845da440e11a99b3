"""`process/status/v1` on a database with projects, and strict fakes of the systems that know them."""

from collections.abc import Iterator

import pytest
from schemathesis import Case

from gateway.contract import Mount, bind
from gateway.cursors import Cursors
from gateway.secret import Secret
from openapi.process.status.v1 import Family
from process_apis.status import v1
from process_apis.status.systems import Systems
from tests.contracts.harness import THOROUGHLY, Harness, schema_of
from tests.contracts.objects import objects
from tests.contracts.pools import Statuses
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.sample_api import client

CONTRACT, BASE = "process/status/v1", "/process/status/v1"
schema = schema_of(CONTRACT, BASE)


class Systemscape:
    """Two systems that have forgotten every project: that is a status too."""

    def __init__(self) -> None:
        self._erp, self._psa = FakeErp(), FakePsa()

    def erp(self, _connection: str) -> FakeErp:
        """Return the books."""
        return self._erp

    def psa(self, _connection: str) -> FakePsa:
        """Return the delivery."""
        return self._psa


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    it = Harness()
    made = it.open(objects(f"sqlite:///{tmp_path_factory.mktemp('status')}/tiebeam.sqlite"))
    it.pool = Statuses(it, made).prepare()
    families = {"books": Family.erp, "delivery": Family.psa}
    systems = Systems(made.store, Systemscape(), families, {})  # type: ignore[arg-type]  # As much as is asked of it.
    provided = {"store": made.store, "systems": systems, "cursors": Cursors(Secret("key"))}
    it.call_as(client(bind([Mount(contract=CONTRACT, module=v1, provided=provided)])[0]), BASE)
    yield it
    it.close()


@schema.parametrize()
@THOROUGHLY
def test_every_answer_follows_the_contract(case: Case, harness: Harness) -> None:
    harness.try_out(case)


def test_every_operation_had_valid_answers(harness: Harness) -> None:
    assert harness.lacking(schema) == {}
