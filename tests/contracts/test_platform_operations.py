"""`platform/operations/v1` on a database with processes and work items; nothing carries them out."""

from collections.abc import Iterator

import pytest
from schemathesis import Case

from gateway.contract import Mount, bind
from gateway.cursors import Cursors
from gateway.platform.operations import v1
from gateway.secret import Secret
from tests.contracts.harness import THOROUGHLY, Harness, schema_of
from tests.contracts.objects import Objects, objects, wait_for_somebody

CONTRACT, BASE = "platform/operations/v1", "/platform/operations/v1"
schema = schema_of(CONTRACT, BASE)


class Pool:
    """Names objects that exist."""

    def __init__(self, harness: Harness, made: Objects) -> None:
        self._harness, self._made = harness, made

    def list_from_the_start(self, case: Case) -> None:
        case.query = {"limit": 1}

    def name_process(self, case: Case) -> None:
        case.path_parameters["process_id"] = self._harness.run(self._made.process()).id

    def name_item(self, case: Case) -> None:
        case.path_parameters["work_item_id"] = self._harness.run(self._made.work_item())

    def decide(self, case: Case) -> None:
        self.name_item(case)
        case.body = {"decision": {}}


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    it = Harness()
    made = it.open(objects(f"sqlite:///{tmp_path_factory.mktemp('operations')}/tiebeam.sqlite"))
    pool = Pool(it, made)
    it.pool = {
        "list_process_instances": pool.list_from_the_start,
        "get_process_instance": pool.name_process,
        "list_work_items": pool.list_from_the_start,
        "get_work_item": pool.name_item,
        "assign_work_item": pool.name_item,
        "resume_work_item": pool.decide,
    }
    provided = {
        "store": made.store,
        "engine": made,
        "workflows": {wait_for_somebody.kind: wait_for_somebody},
        "cursors": Cursors(Secret("key")),
    }
    it.serve(bind([Mount(contract=CONTRACT, module=v1, provided=provided)])[0])
    yield it
    it.close()


@schema.parametrize()
@THOROUGHLY
def test_every_answer_follows_the_contract(case: Case, harness: Harness) -> None:
    harness.try_out(case)


def test_every_operation_had_valid_answers(harness: Harness) -> None:
    assert harness.lacking(schema) == {}
