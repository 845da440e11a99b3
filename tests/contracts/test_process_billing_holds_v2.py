"""`process/billing_holds/v2` on a database with projects to hold; no worker tells any system."""

import pytest

from process_apis.billing_holds import v2
from tests.contracts.harness import Harness, schema_of
from tests.contracts.in_process import serve, trials_of
from tests.contracts.objects import Objects
from tests.contracts.pools_money import Holds

CONTRACT = "process/billing_holds/v2"
schema = schema_of(CONTRACT, "/process/billing-holds/v2")


@pytest.fixture(scope="module")
def harness(opened: Harness, made: Objects) -> Harness:
    return serve(opened, CONTRACT, v2, pool=Holds(opened, made).prepare(), store=made.store, engine=made)


test_every_answer_follows_the_contract, test_every_operation_had_valid_answers = trials_of(schema)
