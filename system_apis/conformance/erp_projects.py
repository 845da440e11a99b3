"""What every ERP connector must pass: the projects of its accounting."""

import asyncio
from functools import partial

import pytest
from msgspec.structs import replace

from gateway.errors import Refused, WriteInProgress
from openapi.common.types import Code, Dimension, DimensionType
from openapi.system.erp.v1 import AccountingProject, AccountingProjectState, NewAccountingProject
from system_apis.conformance.erp import STRANGE_IDS, a_customer, written
from system_apis.conformance.keys import fresh, fresh_code
from system_apis.conformance.target import ErpTarget


@pytest.fixture(autouse=True)
def _needs_projects(target: ErpTarget) -> None:
    if not target.port.capabilities.accounting_projects:
        pytest.skip("not a capability")


async def a_project(target: ErpTarget, **other: object) -> NewAccountingProject:
    """Return a project that does not exist yet, of a customer that does."""
    customer = await written(target, a_customer(target))
    new = NewAccountingProject(
        business_key=fresh("prj"),
        legal_entity=target.facts.legal_entity,
        code=fresh_code(),
        name="Data platform: étape 1 发现",
        customer_id=customer.id,
        dimensions=[target.facts.dimension] if target.facts.dimension else [],
    )
    return replace(new, **other)


async def made(target: ErpTarget, new: NewAccountingProject) -> AccountingProject:
    """Return what the guard made of it, as every caller writes."""
    return await target.writes.once(
        operation="create_accounting_project",
        key=new.business_key,
        payload=new,
        look=partial(target.port.find_accounting_project, new.business_key),
        act=partial(target.port.create_accounting_project, new),
    )


async def test_new_project_is_carried_whole_and_takes_no_postings(target: ErpTarget) -> None:
    new = await a_project(target)

    project = await made(target, new)

    assert (project.business_key, project.legal_entity) == (new.business_key, new.legal_entity)
    assert (project.code, project.name, project.customer_id) == (new.code, new.name, new.customer_id)
    assert project.dimensions == new.dimensions
    assert project.state is AccountingProjectState.draft


async def test_project_written_twice_with_one_key_is_there_once(target: ErpTarget) -> None:
    new = await a_project(target)

    first, again = await made(target, new), await made(target, new)

    assert again == first
    assert await target.books.count_projects(new.business_key) == 1


async def test_project_written_by_many_at_once_is_there_once(target: ErpTarget) -> None:
    new = await a_project(target)

    written_by_each = await asyncio.gather(*(made(target, new) for _ in range(6)), return_exceptions=True)

    assert all(isinstance(each, AccountingProject | WriteInProgress) for each in written_by_each)
    assert len({each.id for each in written_by_each if isinstance(each, AccountingProject)}) == 1
    assert await target.books.count_projects(new.business_key) == 1


async def test_project_is_read_alike_by_key_code_and_id(target: ErpTarget) -> None:
    project = await made(target, await a_project(target))

    assert await target.port.find_accounting_project(project.business_key or "") == project
    assert (await target.port.search_accounting_projects(code=project.code)).items == [project]
    assert await target.port.get_accounting_project(project.id) == project


async def test_project_key_that_begins_or_resembles_another_finds_nothing(target: ErpTarget) -> None:
    new = await a_project(target)
    await made(target, new)

    for alike in (new.business_key[:-1], f"{new.business_key}1", new.business_key.replace("_", "-"), fresh("prj")):
        assert await target.port.find_accounting_project(alike) is None


async def test_project_code_that_begins_another_finds_nothing(target: ErpTarget) -> None:
    new = await a_project(target)
    await made(target, new)

    for alike in (new.code[:-1], f"{new.code}1", fresh_code()):
        assert (await target.port.search_accounting_projects(code=alike)).items == []


async def test_two_projects_with_one_key_are_a_break(target: ErpTarget) -> None:
    new = await a_project(target)
    await made(target, new)
    if not await target.books.plant_project(new.business_key):
        assert await target.books.count_projects(new.business_key) == 1
        return

    with pytest.raises(Refused) as refused:
        await target.port.find_accounting_project(new.business_key)

    assert refused.value.code is Code.upstream_conflict_stale


@pytest.mark.parametrize("project_id", STRANGE_IDS)
async def test_project_with_an_unknown_id_is_not_there(target: ErpTarget, project_id: str) -> None:
    for asked in (target.port.get_accounting_project, target.port.activate_accounting_project):
        with pytest.raises(Refused) as refused:
            await asked(project_id)

        assert refused.value.code is Code.resource_not_found


async def test_project_is_activated_deactivated_and_activated(target: ErpTarget) -> None:
    port, project = target.port, await made(target, await a_project(target))
    on, off = port.activate_accounting_project, port.deactivate_accounting_project

    states = [(await change(project.id)).state.value for change in (on, off, off, on, on)]

    assert states == ["active", "inactive", "inactive", "active", "active"]
    assert (await port.get_accounting_project(project.id)).state is AccountingProjectState.active


async def test_project_that_was_never_active_can_be_deactivated(target: ErpTarget) -> None:
    project = await made(target, await a_project(target))

    assert (await target.port.deactivate_accounting_project(project.id)).state is AccountingProjectState.inactive


async def test_dimension_that_is_not_open_is_refused_until_it_is(target: ErpTarget) -> None:
    if target.facts.dimension is None:
        pytest.skip("not a capability")
    closed = Dimension(type=target.facts.dimension.type, code=fresh_code())
    new = await a_project(target, dimensions=[closed])

    with pytest.raises(Refused) as refused:
        await made(target, new)
    count = await target.books.count_projects(new.business_key)
    await target.books.open_dimension(closed)
    project = await made(target, new)

    assert refused.value.code is Code.dimension_invalid_combination
    assert [violation.pointer for violation in refused.value.violations] == ["#/dimensions/0"]
    assert count == 0
    assert project.dimensions == [closed]


async def test_dimension_that_is_not_declared_is_refused_by_its_place(target: ErpTarget) -> None:
    declared = target.port.capabilities.dimensions
    other = next(kind for kind in DimensionType if kind not in declared)
    new = await a_project(target)
    asked = replace(new, dimensions=[*new.dimensions, Dimension(type=other, code="X")])

    with pytest.raises(Refused) as refused:
        await made(target, asked)

    assert refused.value.code is Code.unsupported_field
    assert [violation.pointer for violation in refused.value.violations] == [f"#/dimensions/{len(new.dimensions)}"]


async def test_more_dimensions_than_declared_are_refused(target: ErpTarget) -> None:
    if target.facts.dimension is None:
        pytest.skip("not a capability")
    too_many = [target.facts.dimension] * (target.port.capabilities.max_dimensions + 1)

    with pytest.raises(Refused) as refused:
        await made(target, await a_project(target, dimensions=too_many))

    assert refused.value.code in {Code.dimension_invalid_combination, Code.unsupported_field}


async def test_project_of_an_unknown_customer_is_refused(target: ErpTarget) -> None:
    new = await a_project(target, customer_id="999999999")

    with pytest.raises(Refused) as refused:
        await made(target, new)

    assert refused.value.code is Code.customer_not_found
    assert await target.books.count_projects(new.business_key) == 0


async def test_project_of_an_entity_that_is_not_served_is_refused(target: ErpTarget) -> None:
    with pytest.raises(Refused) as refused:
        await made(target, await a_project(target, legal_entity="ZZ99"))

    assert refused.value.code is Code.entity_mapping_missing


async def test_longest_name_of_a_project_is_carried_whole_or_refused(target: ErpTarget) -> None:
    new = await a_project(target, name=("Plattform Ünïcödé " * 12)[:199].strip() + "X")
    try:
        project = await made(target, new)
    except Refused:
        assert await target.books.count_projects(new.business_key) == 0
        return

    assert project.name == new.name
