"""`platform/operations/v1` on a database with processes and work items; nothing carries them out."""

import pytest

from gateway.platform.operations import v1
from tests.contracts.harness import Harness, schema_of
from tests.contracts.in_process import serve, trials_of
from tests.contracts.objects import Objects, wait_for_somebody
from tests.contracts.pools import Waiting

CONTRACT = "platform/operations/v1"
schema = schema_of(CONTRACT, "/platform/operations/v1")


@pytest.fixture(scope="module")
def harness(opened: Harness, made: Objects) -> Harness:
    return serve(
        opened,
        CONTRACT,
        v1,
        pool=Waiting(opened, made).prepare(),
        store=made.store,
        engine=made,
        workflows={wait_for_somebody.kind: wait_for_somebody},
    )


test_every_answer_follows_the_contract, test_every_operation_had_valid_answers = trials_of(schema)
