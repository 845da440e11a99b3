"""`process/invoice_release/v1` on a database with contracts and milestones; no worker carries anything out."""

from pathlib import Path

import pytest

from process_apis.invoice_release import v1
from process_apis.invoice_release.usual import ReleaseSettings
from process_apis.ledger.mappings import load_mappings
from system_apis.landscape import Configured
from tests.contracts.harness import Harness, schema_of
from tests.contracts.in_process import serve, trials_of
from tests.contracts.objects import Objects
from tests.contracts.pools_money import Releases
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import DE01, ES01

CONTRACT = "process/invoice_release/v1"
ENTITIES = {"ES01": "books", "DE01": "books"}
LANDSCAPE = Configured(
    erps={"books": FakeErp()}, psas={"delivery": FakePsa()}, erp_of=ENTITIES, psa_of=dict.fromkeys(ENTITIES, "delivery")
)
MAPPINGS = Path(__file__).parents[2] / "sample" / "mappings"
schema = schema_of(CONTRACT, "/process/invoice-release/v1")


@pytest.fixture(scope="module")
def harness(opened: Harness, made: Objects) -> Harness:
    return serve(
        opened,
        CONTRACT,
        v1,
        pool=Releases(opened, made).prepare(),
        store=made.store,
        engine=made,
        landscape=LANDSCAPE,
        entities={"ES01": ES01, "DE01": DE01},
        mappings=load_mappings(MAPPINGS),
        release_settings=ReleaseSettings(),
    )


test_every_answer_follows_the_contract, test_every_operation_had_valid_answers = trials_of(schema)
