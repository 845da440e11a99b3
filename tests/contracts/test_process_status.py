"""`process/status/v1` on a database with projects, and strict fakes of the systems that know them."""

import pytest

from openapi.process.status.v1 import Family
from process_apis.status import v1
from process_apis.status.systems import Systems
from tests.contracts.harness import Harness, schema_of
from tests.contracts.in_process import serve, trials_of
from tests.contracts.objects import Objects
from tests.contracts.pools import Statuses
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

CONTRACT = "process/status/v1"
schema = schema_of(CONTRACT, "/process/status/v1")


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
def harness(opened: Harness, made: Objects) -> Harness:
    families = {"books": Family.erp, "delivery": Family.psa}
    systems = Systems(made.store, Systemscape(), families, {})  # type: ignore[arg-type]  # As much as is asked of it.
    return serve(opened, CONTRACT, v1, pool=Statuses(opened, made).prepare(), store=made.store, systems=systems)


test_every_answer_follows_the_contract, test_every_operation_had_valid_answers = trials_of(schema)
