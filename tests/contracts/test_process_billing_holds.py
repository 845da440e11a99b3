"""`process/billing_holds/v1` on a database with projects to hold; no worker tells any system."""

from collections.abc import Iterator
from typing import Any

import pytest
from schemathesis import Case

from gateway.contract import Mount, bind
from gateway.cursors import Cursors
from gateway.secret import Secret
from process_apis.billing_holds import v1
from tests.contracts.harness import THOROUGHLY, Harness, Prepare, schema_of
from tests.contracts.objects import Objects, objects
from tests.contracts.pools import list_from_the_start
from tests.sample_api import client

CONTRACT, BASE = "process/billing_holds/v1", "/process/billing-holds/v1"
schema = schema_of(CONTRACT, BASE)


class Holds:
    """Projects to hold, and holds on them."""

    def __init__(self, harness: Harness, made: Objects) -> None:
        self._harness, self._made = harness, made

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return {
            "list_holds": list_from_the_start,
            "place_hold": self._name_project,
            "get_hold": self._name_hold,
            "lift_hold": self._name_hold,
        }

    def _name_project(self, case: Case) -> None:
        kept = {name: value for name, value in case.body.items() if name != "until"}  # Most days are over.
        case.body = kept | {"scope": self._project()}

    def _name_hold(self, case: Case) -> None:
        body = {"scope": self._project(), "reason_code": "dispute"}
        case.path_parameters["hold_id"] = self._harness.ask("POST", "/holds", body)["id"]

    def _project(self) -> dict[str, Any]:
        return {"type": "project", "id": self._harness.run(self._made.project())}


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    it = Harness()
    made = it.open(objects(f"sqlite:///{tmp_path_factory.mktemp('holds')}/tiebeam.sqlite"))
    it.pool = Holds(it, made).prepare()
    provided = {"store": made.store, "engine": made, "cursors": Cursors(Secret("key"))}
    it.call_as(client(bind([Mount(contract=CONTRACT, module=v1, provided=provided)])[0]), BASE)
    yield it
    it.close()


@schema.parametrize()
@THOROUGHLY
def test_every_answer_follows_the_contract(case: Case, harness: Harness) -> None:
    harness.try_out(case)


def test_every_operation_had_valid_answers(harness: Harness) -> None:
    assert harness.lacking(schema) == {}
