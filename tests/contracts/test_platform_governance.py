"""`platform/governance/v1` through the edge in this process: what it governs is the edge itself."""

import pytest
from schemathesis import Case

from tests.contracts.harness import THOROUGHLY, Harness, schema_of
from tests.contracts.pools_governance import Governing
from tests.e2e.product import product_on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

BASE = "/platform/governance/v1"
schema = schema_of("platform/governance/v1", BASE, edge=True)


@pytest.fixture(scope="module")
def harness(opened: Harness, tmp_path_factory: pytest.TempPathFactory) -> Harness:
    folder = tmp_path_factory.mktemp("governed")
    product = opened.open(product_on_fakes(folder, FakeErp(), FakePsa()))
    opened.run(product.parts.in_force.start())
    opened.call_as(product.client(), BASE)
    opened.pool = Governing(opened, product.settings.path("policies")).prepare()
    return opened


@schema.parametrize()
@THOROUGHLY
def test_every_answer_follows_the_contract(case: Case, harness: Harness) -> None:
    harness.try_out(case)


def test_every_operation_had_valid_answers(harness: Harness) -> None:
    assert harness.lacking(schema) == {}
