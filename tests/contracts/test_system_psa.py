"""`system/psa/v1` on a strict PSA in memory."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from schemathesis import Case

from gateway.contract import Mount, bind
from gateway.cursors import Cursors
from gateway.secret import Secret
from gateway.writes import Writes, WriteSettings
from openapi.system.psa.v1 import NewMilestone, NewProject, NewTask, ProjectCustomer
from system_apis.psa import v1
from tests.contracts.harness import THOROUGHLY, Harness, schema_of
from tests.fakes.psa import FakePsa
from tests.stores import guard_store

CONTRACT, BASE = "system/psa/v1", "/system/delivery/psa/v1"
schema = schema_of(CONTRACT, BASE)


class Projects:
    """Projects that exist, for calls that need one."""

    def __init__(self, psa: FakePsa) -> None:
        self._psa, self._numbers = psa, iter(range(10_000))

    async def fill(self) -> None:
        for number in range(3):
            new = NewProject(
                business_key=f"prj_{number}",
                legal_entity="ES01",
                code=f"P-{number}",
                name="Data platform",
                customer=ProjectCustomer(business_key="cus_1", name="Alder"),
                start=date(2026, 12, 1),
            )
            project = await self._psa.create_project(new)
            await self._psa.create_task(project.id, NewTask(business_key="tsk_1", name="Discovery"))
            await self._psa.create_milestone(project.id, NewMilestone(business_key="mst_1", name="Accepted"))

    def name_one(self, case: Case) -> None:
        case.path_parameters["project_id"] = "1"

    def name_one_to_change(self, case: Case) -> None:
        case.path_parameters["project_id"] = "2"  # A cancelled project takes no tasks.

    def list_from_the_start(self, case: Case) -> None:
        case.query = {"limit": 1}

    def list_of_one(self, case: Case) -> None:
        self.name_one(case)
        self.list_from_the_start(case)

    def search(self, case: Case) -> None:
        case.query = {"code": "P-1"}

    def new_project(self, case: Case) -> None:
        number = next(self._numbers)
        case.body = self._with_key(case.body, {"native_template", "end"}) | {
            "legal_entity": "ES01",
            "code": f"Q-{number}",
            "manager": "ana.ruiz@example.com",
        }

    def new_part(self, case: Case) -> None:
        self.name_one(case)
        case.body = self._with_key(case.body, {"parent_id"})

    def _with_key(self, body: dict[str, Any], without: set[str]) -> dict[str, Any]:
        kept = {name: value for name, value in body.items() if name not in without}
        return kept | {"business_key": f"key_{next(self._numbers)}"}


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    psa = FakePsa()
    projects = Projects(psa)
    it = Harness()
    it.pool = {
        "list_resources": projects.list_from_the_start,
        "search_projects": projects.search,
        "create_project": projects.new_project,
        "get_project": projects.name_one,
        "open_project": projects.name_one_to_change,
        "close_project": projects.name_one_to_change,
        "cancel_project": projects.name_one_to_change,
        "list_tasks": projects.list_of_one,
        "create_task": projects.new_part,
        "list_milestones": projects.list_of_one,
        "create_milestone": projects.new_part,
    }
    it.run(projects.fill())
    store = it.open(guard_store(f"sqlite:///{tmp_path_factory.mktemp('psa')}/guard.sqlite"))
    writes = Writes(store, WriteSettings()).bound(psa)
    provided = {"psa": psa, "writes": writes, "cursors": Cursors(Secret("key"))}
    it.serve(bind([Mount(contract=CONTRACT, module=v1, connection="delivery", provided=provided)])[0])
    yield it
    it.close()


@schema.parametrize()
@THOROUGHLY
def test_every_answer_follows_the_contract(case: Case, harness: Harness) -> None:
    harness.try_out(case)


def test_every_operation_had_valid_answers(harness: Harness) -> None:
    assert harness.lacking(schema) == {}
