"""Many writers and lost answers, on a real Redmine: its own database says what came of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, Unpack

import pytest

from gateway.egress import Http
from gateway.egress.response import Response
from gateway.errors import ApiError, Uncertain
from openapi.common.types import Code
from openapi.system.psa.v1 import NewProject, NewTask, Project, ProjectCustomer, Task
from system_apis.conformance.psa_time import a_booking, changed
from system_apis.conformance.target import PsaTarget
from system_apis.connectors.redmine import psa
from system_apis.ports import Psa
from tests.connectors.redmine import live
from tests.connectors.redmine.conversation import CONNECTION, Details

T = TypeVar("T")

pytestmark = pytest.mark.redmine
WRITERS = 8


@pytest.fixture
async def target(redmine_ready: dict[str, Any], tmp_path: Path) -> AsyncIterator[PsaTarget]:
    async with live.target(redmine_ready, tmp_path) as given:
        yield given


def project(number: str) -> NewProject:
    return NewProject(
        business_key=f"prj_live_{number}_psa",
        legal_entity="ES01",
        code=f"L-{number}",
        name="Data platform",
        customer=ProjectCustomer(business_key="cus_live_1", name="Alder Foods S.A."),
        start=date(2026, 12, 1),
        manager="ana.ruiz@example.com",
    )


def write_project(target: PsaTarget, new: NewProject, port: Psa | None = None) -> Awaitable[Project]:
    return target.writes.once(
        operation="create_project",
        key=new.business_key,
        payload=new,
        look=partial(target.port.find_project, new.business_key),
        act=partial((port or target.port).create_project, new),
    )


def write_task(target: PsaTarget, project_id: str, new: NewTask, port: Psa | None = None) -> Awaitable[Task]:
    return target.writes.once(
        operation="create_task",
        key=new.business_key,
        payload=new,
        look=partial(target.port.find_task, project_id, new.business_key),
        act=partial((port or target.port).create_task, project_id, new),
    )


async def settled(write: Callable[[], Awaitable[T]]) -> T:
    """Return the effect, asked for again as long as nobody knows."""
    while True:
        try:
            return await write()
        except Uncertain as unknown:
            await asyncio.sleep(unknown.retry_after_s or 1)


class Lost:
    """Loses the answer to the n-th write, after Redmine has done it."""

    def __init__(self, http: Http, write: int) -> None:
        self._http, self._left = http, write

    async def call(self, method: str, url: str, **details: Unpack[Details]) -> Response:
        """Return the answer, or lose it."""
        answer = await self._http.call(method, url, **details)
        self._left -= details["write"]
        if details["write"] and self._left == 0:
            raise Uncertain(Code.upstream_timeout_uncertain, "The test lost the answer.")
        return answer


async def test_project_of_eight_writers_with_one_key_is_one(target: PsaTarget) -> None:
    new = project("0010")

    tries = await asyncio.gather(*(write_project(target, new) for _ in range(WRITERS)), return_exceptions=True)

    made = [one for one in tries if isinstance(one, Project)]
    others = [one.code for one in tries if isinstance(one, ApiError)]
    assert len({one.id for one in made}) == 1
    assert len(made) + others.count(Code.upstream_write_in_progress) == WRITERS
    assert await target.books.count_projects(new.business_key) == 1


@pytest.mark.parametrize("write", [1, 2, 3])
async def test_project_whose_answer_is_lost_is_one_and_complete(
    target: PsaTarget, redmine_ready: dict[str, Any], write: int
) -> None:
    new = project(f"0020-{write}")
    async with live.egress() as http:
        with pytest.raises(Uncertain):
            await write_project(target, new, psa(CONNECTION, live.settings(redmine_ready), Lost(http, write)))

    async with asyncio.timeout(30):
        created = await settled(partial(write_project, target, new))

    assert created.manager_id is not None
    assert await target.books.count_projects(new.business_key) == 1


async def test_task_whose_answer_is_lost_is_one(target: PsaTarget, redmine_ready: dict[str, Any]) -> None:
    project_id = (await target.port.create_project(project("0030"))).id
    new = NewTask(business_key="tsk_live_0030", name="Build")
    async with live.egress() as http:
        with pytest.raises(Uncertain):
            await write_task(target, project_id, new, psa(CONNECTION, live.settings(redmine_ready), Lost(http, 1)))

    task = await settled(partial(write_task, target, project_id, new))

    assert await target.port.find_task(project_id, new.business_key) == task
    assert await target.books.count_tasks(new.business_key) == 1


async def test_time_on_projects_of_others_is_not_listed(target: PsaTarget) -> None:
    entry_id = await target.books.book_time(await a_booking(target))
    sample = await target.port.get_time_entries(["1"])

    found = await changed(target, datetime.now(UTC))

    assert sample["1"].legal_entity is None
    assert entry_id in {entry.id for entry in found}
    assert {entry.legal_entity for entry in found} == {"ES01"}
