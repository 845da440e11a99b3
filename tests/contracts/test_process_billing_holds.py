"""`process/billing_holds/v1` on a database with projects to hold; no worker tells any system."""

from typing import Any

import pytest
from schemathesis import Case

from process_apis.billing_holds import v1
from tests.contracts.harness import Harness, Prepare, schema_of
from tests.contracts.in_process import serve, trials_of
from tests.contracts.objects import Objects
from tests.contracts.pools import list_from_the_start

CONTRACT = "process/billing_holds/v1"
schema = schema_of(CONTRACT, "/process/billing-holds/v1")


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
def harness(opened: Harness, made: Objects) -> Harness:
    return serve(opened, CONTRACT, v1, pool=Holds(opened, made).prepare(), store=made.store, engine=made)


test_every_answer_follows_the_contract, test_every_operation_had_valid_answers = trials_of(schema)
