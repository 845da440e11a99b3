"""`process/project_onboarding/v1` on a database and strict fakes of ERP and PSA; no worker carries anything out."""

from collections.abc import Iterator

import pytest
from schemathesis import Case

from gateway.contract import Mount, bind
from gateway.cursors import Cursors
from gateway.secret import Secret
from process_apis.project_onboarding import v1
from system_apis.landscape import Configured
from tests.contracts.harness import THOROUGHLY, Harness, schema_of
from tests.contracts.objects import objects
from tests.contracts.pools import Onboardings
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import DE01, ES01, TEMPLATE
from tests.sample_api import client

CONTRACT, BASE = "process/project_onboarding/v1", "/process/project-onboarding/v1"
ENTITIES = {"ES01": "books", "DE01": "books"}
LANDSCAPE = Configured(
    erps={"books": FakeErp()}, psas={"delivery": FakePsa()}, erp_of=ENTITIES, psa_of=dict.fromkeys(ENTITIES, "delivery")
)
schema = schema_of(CONTRACT, BASE)


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    it = Harness()
    made = it.open(objects(f"sqlite:///{tmp_path_factory.mktemp('onboarding')}/tiebeam.sqlite"))
    it.pool = Onboardings(it, made).prepare()
    provided = {
        "store": made.store,
        "engine": made,
        "landscape": LANDSCAPE,
        "entities": {"ES01": ES01, "DE01": DE01},
        "templates": {TEMPLATE.code: TEMPLATE},
        "cursors": Cursors(Secret("key")),
    }
    it.call_as(client(bind([Mount(contract=CONTRACT, module=v1, provided=provided)])[0]), BASE)
    yield it
    it.close()


@schema.parametrize()
@THOROUGHLY
def test_every_answer_follows_the_contract(case: Case, harness: Harness) -> None:
    harness.try_out(case)


def test_every_operation_had_valid_answers(harness: Harness) -> None:
    assert harness.lacking(schema) == {}
