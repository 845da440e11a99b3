"""`platform/operations/v1` on a database with processes and work items; nothing carries them out."""

from collections.abc import Iterator

import pytest
from schemathesis import Case

from gateway.contract import Mount, bind
from gateway.cursors import Cursors
from gateway.platform.operations import v1
from gateway.secret import Secret
from tests.contracts.harness import THOROUGHLY, Harness, schema_of
from tests.contracts.objects import objects, wait_for_somebody
from tests.contracts.pools import Waiting
from tests.sample_api import client

CONTRACT, BASE = "platform/operations/v1", "/platform/operations/v1"
schema = schema_of(CONTRACT, BASE)


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    it = Harness()
    made = it.open(objects(f"sqlite:///{tmp_path_factory.mktemp('operations')}/tiebeam.sqlite"))
    it.pool = Waiting(it, made).prepare()
    provided = {
        "store": made.store,
        "engine": made,
        "workflows": {wait_for_somebody.kind: wait_for_somebody},
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
