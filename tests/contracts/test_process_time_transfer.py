"""`process/time_transfer/v1` on a database with entries and their facts; no worker carries anything out."""

import pytest

from process_apis.time_transfer import v1
from process_apis.time_transfer.order import TransferSettings
from system_apis.landscape import Configured
from tests.contracts.harness import Harness, schema_of
from tests.contracts.in_process import serve, trials_of
from tests.contracts.objects import Objects
from tests.contracts.pools_money import Transfers
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

CONTRACT = "process/time_transfer/v1"
LANDSCAPE = Configured(
    erps={"books": FakeErp()}, psas={"delivery": FakePsa()}, erp_of={"ES01": "books"}, psa_of={"ES01": "delivery"}
)
schema = schema_of(CONTRACT, "/process/time-transfer/v1")


@pytest.fixture(scope="module")
def harness(opened: Harness, made: Objects) -> Harness:
    return serve(
        opened,
        CONTRACT,
        v1,
        pool=Transfers(opened, made).prepare(),
        store=made.store,
        engine=made,
        landscape=LANDSCAPE,
        transfer_settings=TransferSettings(),
    )


test_every_answer_follows_the_contract, test_every_operation_had_valid_answers = trials_of(schema)
