"""What every PSA connector must pass: templates, tasks and milestones. What is not declared is refused, not faked."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.psa.v1 import Milestone, NewMilestone, NewTask, State1, Task
from system_apis.conformance.keys import fresh
from system_apis.conformance.psa import STRANGE_IDS, a_project, from_a_template, made, today
from system_apis.conformance.target import PsaTarget


async def task_made(target: PsaTarget, project_id: str, new: NewTask) -> Task:
    """Return what the guard made of it, as every caller writes."""
    return await target.writes.once(
        operation="create_task",
        key=new.business_key,
        payload=new,
        look=partial(target.port.find_task, project_id, new.business_key),
        act=partial(target.port.create_task, project_id, new),
    )


async def all_tasks(target: PsaTarget, project_id: str, limit: int = 100) -> list[Task]:
    """Return the tasks of all pages."""
    found: list[Task] = []
    after = None
    while True:
        page = await target.port.list_tasks(project_id, after=after, limit=limit)
        assert len(page.items) <= limit
        found += page.items
        after = page.after
        if after is None:
            return found


def needs(capability: object) -> None:
    """Skip what the PSA does not declare."""
    if not capability:
        pytest.skip("not a capability")


async def test_copy_of_a_template_has_its_tasks(target: PsaTarget) -> None:
    needs(target.port.capabilities.native_templates)
    project = await made(target, from_a_template(target))

    tasks = await all_tasks(target, project.id)

    assert tuple(task.name for task in tasks) == target.facts.template_tasks
    assert {task.project_id for task in tasks} == {project.id}
    assert {task.state for task in tasks} == {State1.closed}


async def test_copies_of_a_template_are_apart(target: PsaTarget) -> None:
    needs(target.port.capabilities.native_templates)
    one, other = [await made(target, from_a_template(target)) for _ in range(2)]

    await target.port.open_project(one.id)

    assert {task.state for task in await all_tasks(target, one.id)} == {State1.open}
    assert {task.state for task in await all_tasks(target, other.id)} == {State1.closed}


async def test_template_that_does_not_exist_is_refused_and_nothing_is_made(target: PsaTarget) -> None:
    new = a_project(target, native_template="No such template")
    expected = Code.template_unknown if target.port.capabilities.native_templates else Code.capability_missing

    with pytest.raises(Refused) as refused:
        await made(target, new)

    assert refused.value.code is expected
    assert await target.books.count_projects(new.business_key) == 0


async def test_task_is_carried_whole_and_read_alike(target: PsaTarget) -> None:
    needs(target.port.capabilities.tasks)
    project = await made(target, a_project(target))
    new = NewTask(business_key=fresh("tsk"), name="Découverte & 発見 100%", planned_hours="16.5")

    task = await task_made(target, project.id, new)

    assert (task.business_key, task.name, task.planned_hours) == (new.business_key, new.name, "16.5")
    assert (task.project_id, task.parent_id) == (project.id, None)
    assert await target.port.find_task(project.id, new.business_key) == task
    assert await all_tasks(target, project.id) == [task]


async def test_task_written_twice_with_one_key_is_there_once(target: PsaTarget) -> None:
    needs(target.port.capabilities.tasks)
    project = await made(target, a_project(target))
    new = NewTask(business_key=fresh("tsk"), name="Discovery")

    first, again = [await task_made(target, project.id, new) for _ in range(2)]

    assert again == first
    assert await target.books.count_tasks(new.business_key) == 1


async def test_task_of_another_project_is_not_found(target: PsaTarget) -> None:
    needs(target.port.capabilities.tasks)
    one, other = [await made(target, a_project(target)) for _ in range(2)]
    new = NewTask(business_key=fresh("tsk"), name="Discovery")
    await task_made(target, one.id, new)

    assert await target.port.find_task(other.id, new.business_key) is None
    assert await target.port.find_task(one.id, new.business_key[:-1]) is None


async def test_tasks_below_tasks_page_to_the_end_parents_first(target: PsaTarget) -> None:
    needs(target.port.capabilities.tasks)
    project = await made(target, a_project(target))
    parent = await task_made(target, project.id, NewTask(business_key=fresh("tsk"), name="Delivery"))
    for name in ("Build", "Test", "Roll-out"):
        await task_made(target, project.id, NewTask(business_key=fresh("tsk"), name=name, parent_id=parent.id))

    tasks = await all_tasks(target, project.id, limit=2)

    assert [(task.name, task.parent_id) for task in tasks] == [
        ("Delivery", None),
        ("Build", parent.id),
        ("Test", parent.id),
        ("Roll-out", parent.id),
    ]


async def test_task_below_a_task_of_another_project_is_refused(target: PsaTarget) -> None:
    needs(target.port.capabilities.tasks)
    one, other = [await made(target, a_project(target)) for _ in range(2)]
    parent = await task_made(target, one.id, NewTask(business_key=fresh("tsk"), name="Delivery"))
    new = NewTask(business_key=fresh("tsk"), name="Build", parent_id=parent.id)

    with pytest.raises(Refused):
        await task_made(target, other.id, new)

    assert await target.books.count_tasks(new.business_key) == 0


async def test_task_of_a_closed_project_takes_time_once_it_is_open(target: PsaTarget) -> None:
    needs(target.port.capabilities.tasks and target.port.capabilities.close_for_time)
    project = await made(target, a_project(target))
    await task_made(target, project.id, NewTask(business_key=fresh("tsk"), name="Discovery"))
    before = await target.books.book(project.id, today())

    await target.port.open_project(project.id)
    await task_made(target, project.id, NewTask(business_key=fresh("tsk"), name="Added later"))

    assert before is False
    assert await target.books.book(project.id, today())
    assert {task.state for task in await all_tasks(target, project.id)} == {State1.open}


@pytest.mark.parametrize("project_id", STRANGE_IDS)
async def test_tasks_of_an_unknown_project_are_not_there(target: PsaTarget, project_id: str) -> None:
    needs(target.port.capabilities.tasks)
    new = NewTask(business_key=fresh("tsk"), name="Discovery")

    for asked in (target.port.list_tasks, partial(target.port.create_task, new=new)):
        with pytest.raises(Refused) as refused:
            await asked(project_id)

        assert refused.value.code is Code.resource_not_found
    assert await target.books.count_tasks(new.business_key) == 0


async def milestone_made(target: PsaTarget, project_id: str, new: NewMilestone) -> Milestone:
    """Return what the guard made of it, as every caller writes."""
    return await target.writes.once(
        operation="create_milestone",
        key=new.business_key,
        payload=new,
        look=partial(target.port.find_milestone, project_id, new.business_key),
        act=partial(target.port.create_milestone, project_id, new),
    )


async def test_milestones_are_carried_whole_and_the_earliest_comes_first(target: PsaTarget) -> None:
    needs(target.port.capabilities.milestones)
    project = await made(target, a_project(target))
    first = NewMilestone(business_key=fresh("mil"), name="Design, accepté 发现", due_on=today() + timedelta(days=20))
    later = NewMilestone(business_key=fresh("mil"), name="In use", due_on=today() + timedelta(days=90))

    shown = [await milestone_made(target, project.id, new) for new in (later, first, first)]
    listed = (await target.port.list_milestones(project.id)).items

    assert shown[2] == shown[1]
    assert [(one.business_key, one.name, one.due_on) for one in listed] == [
        (new.business_key, new.name, new.due_on) for new in (first, later)
    ]


async def test_milestone_without_a_day_is_made(target: PsaTarget) -> None:
    needs(target.port.capabilities.milestones)
    project = await made(target, a_project(target))

    milestone = await milestone_made(target, project.id, NewMilestone(business_key=fresh("mil"), name="Some day"))

    assert milestone.due_on is None


async def test_what_is_not_declared_is_refused_rather_than_faked(target: PsaTarget) -> None:
    project, declared = await made(target, a_project(target)), target.port.capabilities
    port = target.port
    lacks: list[Callable[[], Awaitable[object]]] = []
    if not declared.milestones:
        new = NewMilestone(business_key=fresh("mil"), name="Design accepted")
        lacks += [partial(port.list_milestones, project.id), partial(port.find_milestone, project.id, "mil_1")]
        lacks += [partial(port.create_milestone, project.id, new)]
    if not declared.tasks:
        lacks.append(partial(port.create_task, project.id, NewTask(business_key=fresh("tsk"), name="Discovery")))
    if not declared.native_templates:
        templated = replace(a_project(target, manager=UNSET), native_template="Delivery standard")
        lacks.append(partial(port.create_project, templated))
    for lack in lacks:
        with pytest.raises(Refused) as refused:
            await lack()

        assert refused.value.code is Code.capability_missing
