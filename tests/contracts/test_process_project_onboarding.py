"""`process/project_onboarding/v1` on a database and strict fakes of ERP and PSA; no worker carries anything out."""

import pytest

from process_apis.project_onboarding import v1
from system_apis.landscape import Configured
from tests.contracts.harness import Harness, schema_of
from tests.contracts.in_process import serve, trials_of
from tests.contracts.objects import Objects
from tests.contracts.pools import Onboardings
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import DE01, ES01, TEMPLATE

CONTRACT = "process/project_onboarding/v1"
ENTITIES = {"ES01": "books", "DE01": "books"}
LANDSCAPE = Configured(
    erps={"books": FakeErp()}, psas={"delivery": FakePsa()}, erp_of=ENTITIES, psa_of=dict.fromkeys(ENTITIES, "delivery")
)
schema = schema_of(CONTRACT, "/process/project-onboarding/v1")


@pytest.fixture(scope="module")
def harness(opened: Harness, made: Objects) -> Harness:
    return serve(
        opened,
        CONTRACT,
        v1,
        pool=Onboardings(opened, made).prepare(),
        store=made.store,
        engine=made,
        landscape=LANDSCAPE,
        entities={"ES01": ES01, "DE01": DE01},
        templates={TEMPLATE.code: TEMPLATE},
    )


test_every_answer_follows_the_contract, test_every_operation_had_valid_answers = trials_of(schema)
