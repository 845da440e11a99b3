"""What every PSA connector must pass: people and projects. `psa_tasks.py` has what a project is made of."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from gateway.errors import Refused, WriteInProgress
from openapi.common.types import Code
from openapi.system.psa.v1 import NewProject, Project, ProjectCustomer, ProjectState, State
from system_apis.conformance.keys import fresh, fresh_code
from system_apis.conformance.target import PsaTarget

STRANGE_IDS = ("999999999", "99999999999999999999", "0", "-1", "1 OR 1=1", "nobody", "1/2", "%", "ñ")


def today() -> date:
    """Return a day on which people book time: projects of the suite start a month before it."""
    return datetime.now(UTC).date()


def a_project(target: PsaTarget, **other: object) -> NewProject:
    """Return a project that does not exist yet, whole but for a template."""
    new = NewProject(
        business_key=fresh("prj"),
        legal_entity=target.facts.legal_entity,
        code=fresh_code(),
        name="Data platform: étape 1 发现",
        customer=ProjectCustomer(business_key=fresh("cus"), name="Conformance S.A."),
        start=today() - timedelta(days=30),
        end=today() + timedelta(days=150),
        manager=target.facts.person,
    )
    return replace(new, **other)


def from_a_template(target: PsaTarget, **other: object) -> NewProject:
    """Return a project that has what time is booked on as soon as it is made, where the PSA has a template."""
    return a_project(target, native_template=target.facts.native_template or UNSET, **other)


async def made(target: PsaTarget, new: NewProject) -> Project:
    """Return what the guard made of it, as every caller writes."""
    return await target.writes.once(
        operation="create_project",
        key=new.business_key,
        payload=new,
        look=partial(target.port.find_project, new.business_key),
        act=partial(target.port.create_project, new),
    )


async def test_capabilities_name_the_connection_and_whom_it_serves(target: PsaTarget) -> None:
    capabilities = target.port.capabilities

    assert capabilities.connection == target.port.connection
    assert target.facts.legal_entity in capabilities.legal_entities
    assert capabilities.native_templates == (target.facts.native_template is not None)


async def test_examination_of_a_ready_system_leaves_nothing_to_mend(target: PsaTarget) -> None:
    findings = await target.port.examine()

    assert findings
    assert [finding for finding in findings if not finding.holds] == []


async def test_people_page_to_the_end_and_are_shown_once(target: PsaTarget) -> None:
    seen, after = [], None
    while True:
        page = await target.port.list_resources(after=after, limit=2)
        assert len(page.items) <= 2
        seen += [resource.id for resource in page.items]
        after = page.after
        if after is None:
            break

    assert len(seen) == len(set(seen)) > 2
    assert seen == [resource.id for resource in (await target.port.list_resources(limit=100)).items]


async def test_person_is_found_by_the_address_in_any_case(target: PsaTarget) -> None:
    person = await target.port.find_resource(target.facts.person.upper())

    assert person is not None
    assert (person.email or "").casefold() == target.facts.person.casefold()
    assert person.state is State.active


@pytest.mark.parametrize("email", ["nobody@example.com", "%@example.com", "_na.ruiz@example.com", "a@b"])
async def test_person_with_an_unknown_address_is_none(target: PsaTarget, email: str) -> None:
    assert await target.port.find_resource(email) is None


async def test_new_project_is_carried_whole_and_closed_for_time(target: PsaTarget) -> None:
    new = a_project(target)
    person = await target.port.find_resource(target.facts.person)

    project = await made(target, new)

    assert (project.business_key, project.code, project.name) == (new.business_key, new.code, new.name)
    assert (project.start, project.end, project.customer_name) == (new.start, new.end, new.customer.name)
    assert project.legal_entity == new.legal_entity
    assert person is not None
    assert project.manager_id == person.id
    assert project.state is ProjectState.closed


async def test_project_without_what_may_be_left_out_is_made(target: PsaTarget) -> None:
    project = await made(target, a_project(target, end=UNSET, manager=UNSET))

    assert (project.end, project.manager_id) == (None, None)


async def test_project_written_twice_with_one_key_is_there_once(target: PsaTarget) -> None:
    new = a_project(target)

    first, again = await made(target, new), await made(target, new)

    assert again == first
    assert await target.books.count_projects(new.business_key) == 1


async def test_project_written_by_many_at_once_is_there_once(target: PsaTarget) -> None:
    new = a_project(target)

    written_by_each = await asyncio.gather(*(made(target, new) for _ in range(6)), return_exceptions=True)

    assert all(isinstance(each, Project | WriteInProgress) for each in written_by_each)
    assert len({each.id for each in written_by_each if isinstance(each, Project)}) == 1
    assert await target.books.count_projects(new.business_key) == 1


async def test_project_is_read_alike_by_key_code_and_id(target: PsaTarget) -> None:
    project = await made(target, a_project(target))

    assert await target.port.find_project(project.business_key or "") == project
    assert (await target.port.search_projects(code=project.code)).items == [project]
    assert await target.port.get_project(project.id) == project


async def test_key_that_begins_or_resembles_another_finds_nothing(target: PsaTarget) -> None:
    new = a_project(target)
    await made(target, new)

    for alike in (new.business_key[:-1], f"{new.business_key}1", new.business_key.replace("_", "-"), fresh("prj")):
        assert await target.port.find_project(alike) is None


async def test_code_that_begins_another_finds_nothing(target: PsaTarget) -> None:
    new = a_project(target)
    await made(target, new)

    for alike in (new.code[:-1], f"{new.code}1", fresh_code()):
        assert (await target.port.search_projects(code=alike)).items == []


async def test_two_projects_with_one_key_are_a_break(target: PsaTarget) -> None:
    new = a_project(target)
    await made(target, new)
    if not await target.books.plant_project(new.business_key):
        assert await target.books.count_projects(new.business_key) == 1
        return

    with pytest.raises(Refused) as refused:
        await target.port.find_project(new.business_key)

    assert refused.value.code is Code.upstream_conflict_stale


@pytest.mark.parametrize("project_id", STRANGE_IDS)
async def test_project_with_an_unknown_id_is_not_there(target: PsaTarget, project_id: str) -> None:
    port = target.port
    for asked in (port.get_project, port.open_project, port.close_project, port.cancel_project):
        with pytest.raises(Refused) as refused:
            await asked(project_id)

        assert refused.value.code is Code.resource_not_found


async def test_closed_project_refuses_time_and_an_open_one_takes_it(target: PsaTarget) -> None:
    if not target.port.capabilities.close_for_time:
        pytest.skip("not a capability")
    project = await made(target, from_a_template(target))
    booked = [await target.books.book(project.id, today())]

    await target.port.open_project(project.id)
    booked.append(await target.books.book(project.id, today()))
    await target.port.close_project(project.id)
    booked.append(await target.books.book(project.id, today()))
    await target.port.open_project(project.id)
    booked.append(await target.books.book(project.id, today()))

    assert booked == [False, True, False, True]


async def test_plain_project_refuses_time_until_it_is_open(target: PsaTarget) -> None:
    if not target.port.capabilities.close_for_time:
        pytest.skip("not a capability")
    project = await made(target, a_project(target))
    before = await target.books.book(project.id, today())

    await target.port.open_project(project.id)

    assert (before, await target.books.book(project.id, today())) == (False, True)


async def test_project_goes_through_all_states_and_back(target: PsaTarget) -> None:
    port, project = target.port, await made(target, from_a_template(target))
    states, versions = [], [project.version]

    for change in (
        port.open_project,
        port.open_project,
        port.close_project,
        port.cancel_project,
        port.cancel_project,
        port.open_project,
        port.cancel_project,
        port.close_project,
    ):
        after = await change(project.id)
        states.append(after.state.value)
        versions.append(after.version)
        assert await port.get_project(project.id) == after

    assert states == ["open", "open", "closed", "cancelled", "cancelled", "open", "cancelled", "closed"]
    assert versions[1] != versions[0]
    assert versions[4] != versions[3]


async def test_cancelled_project_keeps_what_it_was_and_refuses_time(target: PsaTarget) -> None:
    new = from_a_template(target)
    project = await made(target, new)
    await target.port.open_project(project.id)

    cancelled = await target.port.cancel_project(project.id)

    assert (cancelled.business_key, cancelled.code, cancelled.name) == (new.business_key, new.code, new.name)
    assert not await target.books.book(project.id, today())
    assert await target.port.find_project(new.business_key) == cancelled


async def test_manager_whom_nobody_knows_is_refused_and_nothing_is_made(target: PsaTarget) -> None:
    new = a_project(target, manager="nobody@example.com")

    with pytest.raises(Refused) as refused:
        await made(target, new)

    assert refused.value.code is Code.resource_not_mapped
    assert await target.books.count_projects(new.business_key) == 0


async def test_project_of_an_entity_that_is_not_served_is_refused(target: PsaTarget) -> None:
    with pytest.raises(Refused) as refused:
        await made(target, a_project(target, legal_entity="ZZ99"))

    assert refused.value.code is Code.entity_mapping_missing


async def test_two_projects_of_one_customer_are_made(target: PsaTarget) -> None:
    customer = ProjectCustomer(business_key=fresh("cus"), name="Twice S.A.")

    names = [(await made(target, a_project(target, customer=customer))).customer_name for _ in range(2)]

    assert names == ["Twice S.A.", "Twice S.A."]


async def test_longest_name_is_carried_whole_or_refused(target: PsaTarget) -> None:
    new = a_project(target, name=("Plattform Ünïcödé 株式会社 - " * 10)[:199].strip() + "X")
    try:
        project = await made(target, new)
    except Refused:
        assert await target.books.count_projects(new.business_key) == 0
        return

    assert (project.code, project.name) == (new.code, new.name)


async def test_lost_session_is_not_noticed(target: PsaTarget) -> None:
    new = a_project(target)

    await target.lose_session()
    project = await made(target, new)
    await target.lose_session()

    assert await target.port.get_project(project.id) == project
    assert await target.books.count_projects(new.business_key) == 1
