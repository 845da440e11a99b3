"""Handlers of the system contracts: what is refused before the vendor is asked, who sees what, how a list goes on."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.caller import INSTALLATION
from gateway.errors import Refused, Uncertain, WriteInProgress
from gateway.store.write_intents import Lease
from openapi.common.types import Code
from openapi.system.erp.v1 import (
    AccountingProjectState,
    CustomerChange,
    CustomerState,
    NewAccountingProject,
)
from openapi.system.psa.v1 import NewMilestone, NewTask, ProjectState
from system_apis.erp import v1 as erp_api
from system_apis.psa import v1 as psa_api
from tests.fakes.vendor import Fault
from tests.system_stage import ALDER, CURSORS, NOBODY, PAGE, PLATFORM, SPAIN, Stage, refusal


async def test_capabilities_are_what_the_connection_declares(stage: Stage) -> None:
    assert await erp_api.get_capabilities(erp=stage.erp) == stage.erp.capabilities
    assert await psa_api.get_capabilities(psa=stage.psa) == stage.psa.capabilities


async def test_entities_are_paged_and_only_those_that_the_caller_may_see(stage: Stage) -> None:
    first = await erp_api.list_legal_entities(erp=stage.erp, caller=INSTALLATION, cursors=CURSORS, limit=1, cursor=None)
    rest = await erp_api.list_legal_entities(
        erp=stage.erp, caller=INSTALLATION, cursors=CURSORS, limit=1, cursor=first.next_cursor
    )
    seen = await erp_api.list_legal_entities(erp=stage.erp, caller=SPAIN, **PAGE)

    assert [entity.code for entity in (*first.items, *rest.items)] == ["DE01", "ES01"]
    assert rest.next_cursor is None
    assert [entity.code for entity in seen.items] == ["ES01"]


@pytest.mark.parametrize(
    ("tax_id", "name", "business_key"), [(None, None, None), ("ESA08000143", "Alder", None), ("X1", "A", "k")]
)
async def test_search_by_none_or_two_names_each_parameter(
    stage: Stage, tax_id: str | None, name: str | None, business_key: str | None
) -> None:
    with pytest.raises(Refused) as refused:
        await erp_api.search_customers(
            erp=stage.erp, caller=SPAIN, **PAGE, tax_id=tax_id, name=name, business_key=business_key
        )

    assert refused.value.code is Code.request_malformed
    assert {one.code for one in refused.value.violations} == {Code.request_parameter_invalid}
    assert [one.pointer for one in refused.value.violations] == ["#query/tax_id", "#query/name", "#query/business_key"]
    assert not stage.erp.calls


@pytest.mark.parametrize(
    "by",
    [{"tax_id": "es a08000143"}, {"name": "alder"}, {"business_key": ALDER.business_key}],
)
async def test_customer_is_found_by_tax_id_name_and_key(stage: Stage, by: dict[str, str]) -> None:
    customer = await stage.customer()
    filters: dict[str, Any] = {"tax_id": None, "name": None, "business_key": None} | by

    found = await erp_api.search_customers(erp=stage.erp, caller=SPAIN, **PAGE, **filters)
    hidden = await erp_api.search_customers(erp=stage.erp, caller=NOBODY, **PAGE, **filters)

    assert (found.items, found.next_cursor) == ([customer], None)
    assert hidden.items == []


async def test_list_goes_on_behind_its_cursor_and_only_there(stage: Stage) -> None:
    for number in range(3):
        new = replace(ALDER, business_key=f"cus_{number}", name=f"Alder {number}")
        await erp_api.create_customer(**stage.on_erp, caller=SPAIN, body=new)
    asked: dict[str, Any] = {"erp": stage.erp, "cursors": CURSORS, "limit": 2, "tax_id": None, "business_key": None}

    first = await erp_api.search_customers(**asked, caller=SPAIN, name="alder", cursor=None)
    last = await erp_api.search_customers(**asked, caller=SPAIN, name="alder", cursor=first.next_cursor)

    assert [one.name for one in (*first.items, *last.items)] == ["Alder 0", "Alder 1", "Alder 2"]
    assert last.next_cursor is None
    for caller, name in ((SPAIN, "ald"), (INSTALLATION, "alder")):
        with pytest.raises(Refused, match="cursor"):
            await erp_api.search_customers(**asked, caller=caller, name=name, cursor=first.next_cursor)


async def test_customer_by_id_is_there_for_whom_the_connection_serves(stage: Stage) -> None:
    customer = await stage.customer()

    assert await erp_api.get_customer(erp=stage.erp, caller=SPAIN, customer_id=customer.id) == customer
    told = [
        await refusal(erp_api.get_customer(erp=stage.erp, caller=caller, customer_id=customer_id))
        for caller, customer_id in ((NOBODY, customer.id), (SPAIN, "99"))
    ]
    assert [one.code for one in told] == [Code.resource_not_found] * 2
    assert told[0].detail == told[1].detail


async def test_read_that_the_vendor_refuses_otherwise_is_passed_on(stage: Stage) -> None:
    stage.erp.plan("get_customer", Fault.refused)

    assert (await refusal(erp_api.get_customer(erp=stage.erp, caller=SPAIN, customer_id="1"))).code is (
        Code.upstream_rejected
    )


async def test_create_for_an_entity_outside_the_claim_is_refused_before_the_vendor_is_asked(stage: Stage) -> None:
    german = replace(ALDER, legal_entity="DE01")
    british = replace(ALDER, legal_entity="GB01")

    told = [
        await refusal(erp_api.create_customer(**stage.on_erp, caller=SPAIN, body=german)),
        await refusal(erp_api.create_customer(**stage.on_erp, caller=INSTALLATION, body=british)),
    ]

    assert [one.code for one in told] == [Code.auth_entity_not_allowed, Code.entity_mapping_missing]
    assert [one.pointer for one in told[1].violations] == ["#/legal_entity"]
    assert not stage.erp.calls


async def test_create_that_is_refused_passes_the_refusal_on(stage: Stage) -> None:
    told = await refusal(
        erp_api.create_customer(**stage.on_erp, caller=SPAIN, body=replace(ALDER, tax_id="ESA08000140"))
    )

    assert told.code is Code.customer_tax_id_invalid


async def test_create_of_unknown_outcome_and_create_under_way_are_told_apart(stage: Stage) -> None:
    stage.erp.plan("create_customer", Fault.lost_after)
    with pytest.raises(Uncertain):
        await stage.customer()
    held = Lease(connection="books", operation="create_customer", keys=(ALDER.business_key,), owner="another")
    await stage.intents.take(held)
    with pytest.raises(WriteInProgress):
        await stage.customer()
    await stage.intents.release(held)

    assert await stage.customer() == next(iter(stage.erp.customers))


async def test_update_changes_what_was_given_and_repeats_in_peace(stage: Stage) -> None:
    customer = await stage.customer()
    asked: dict[str, Any] = {"caller": SPAIN, "customer_id": customer.id, "if_match": customer.version}
    body = CustomerChange(payment_terms="immediate", state=CustomerState.inactive)

    changed = await erp_api.update_customer(**stage.on_erp, **asked, body=body)
    again = await erp_api.update_customer(**stage.on_erp, **asked, body=body)

    assert (changed.payment_terms, changed.state, changed.name) == ("immediate", CustomerState.inactive, ALDER.name)
    assert again == changed
    assert stage.erp.effects["update_customer"] == 1


@pytest.mark.parametrize(
    ("body", "version", "code"),
    [
        (CustomerChange(), "v1", Code.request_malformed),
        (CustomerChange(name="Beech"), "v0", Code.precondition_failed),
        (CustomerChange(payment_terms="net_99"), "v1", Code.mapping_missing),
    ],
)
async def test_update_that_cannot_be_made_says_why(
    stage: Stage, body: CustomerChange, version: str, code: Code
) -> None:
    customer = await stage.customer()

    told = await refusal(
        erp_api.update_customer(**stage.on_erp, caller=SPAIN, customer_id=customer.id, body=body, if_match=version)
    )

    assert told.code is code


async def test_projects_of_another_entity_are_not_there(stage: Stage) -> None:
    german = await stage.ledger_project("DE01")
    spanish = await stage.ledger_project("ES01")
    asked: dict[str, Any] = {"erp": stage.erp, "caller": SPAIN}

    by_code = await erp_api.search_accounting_projects(**asked, **PAGE, code="P-1", business_key=None)
    by_key = await erp_api.search_accounting_projects(**asked, **PAGE, code=None, business_key=german.business_key)
    nothing = await erp_api.search_accounting_projects(**asked, **PAGE, code=None, business_key="prj_x")

    assert (by_code.items, by_key.items, nothing.items) == ([spanish], [], [])
    for asking in (
        erp_api.get_accounting_project(**asked, project_id=german.id),
        erp_api.activate_accounting_project(**asked, writes=stage.erp_writes, project_id=german.id),
        erp_api.deactivate_accounting_project(**asked, writes=stage.erp_writes, project_id=german.id),
    ):
        assert (await refusal(asking)).code is Code.resource_not_found
    assert not stage.erp.calls["activate_accounting_project"]


async def test_ledger_project_is_activated_and_deactivated_again_and_again(stage: Stage) -> None:
    project = await stage.ledger_project("ES01")
    asked: dict[str, Any] = {**stage.on_erp, "caller": SPAIN, "project_id": project.id}
    on, off = erp_api.activate_accounting_project, erp_api.deactivate_accounting_project

    states = [(await move(**asked)).state for move in (on, on, off, on)]

    active, inactive = AccountingProjectState.active, AccountingProjectState.inactive
    assert states == [active, active, inactive, active]


async def test_what_the_erp_lacks_is_refused_before_it_is_asked(stage: Stage) -> None:
    stage.erp.capabilities = replace(
        stage.erp.capabilities,
        create_customers=False,
        update_customers=False,
        accounting_projects=False,
        search_customers=[],
    )
    asked: dict[str, Any] = {"erp": stage.erp, "caller": SPAIN}
    writing: dict[str, Any] = {**stage.on_erp, "caller": SPAIN}
    filters: dict[str, Any] = {"tax_id": None, "name": "Alder", "business_key": None}
    project = NewAccountingProject(
        business_key="p", legal_entity="ES01", code="P", name="P", customer_id="1", dimensions=[]
    )
    change = CustomerChange(name="Beech")
    asking = (
        erp_api.create_customer(**writing, body=ALDER),
        erp_api.update_customer(**writing, customer_id="1", body=change, if_match="v1"),
        erp_api.search_customers(**asked, **PAGE, **filters),
        erp_api.search_accounting_projects(**asked, **PAGE, code="P", business_key=None),
        erp_api.create_accounting_project(**writing, body=project),
        erp_api.get_accounting_project(**asked, project_id="1"),
        erp_api.activate_accounting_project(**writing, project_id="1"),
        erp_api.deactivate_accounting_project(**writing, project_id="1"),
    )

    assert [(await refusal(one)).code for one in asking] == [Code.capability_missing] * len(asking)
    assert not stage.erp.calls


async def test_people_are_listed_for_whom_the_psa_works(stage: Stage) -> None:
    first = await psa_api.list_resources(psa=stage.psa, caller=SPAIN, cursors=CURSORS, limit=1, cursor=None)
    last = await psa_api.list_resources(psa=stage.psa, caller=SPAIN, cursors=CURSORS, limit=1, cursor=first.next_cursor)
    hidden = await psa_api.list_resources(psa=stage.psa, caller=NOBODY, **PAGE)

    assert [one.name for one in (*first.items, *last.items)] == ["Ana Ruiz", "Ben Ode"]
    assert (last.next_cursor, hidden.items) == (None, [])


async def test_psa_project_is_made_once_and_moved(stage: Stage) -> None:
    project = await stage.project()
    again = await stage.project()
    asked: dict[str, Any] = {**stage.on_psa, "caller": SPAIN, "project_id": project.id}

    moves = (psa_api.open_project, psa_api.close_project, psa_api.open_project, psa_api.cancel_project)
    states = [(await move(**asked)).state for move in moves]

    assert again == project
    assert states == [ProjectState.open, ProjectState.closed, ProjectState.open, ProjectState.cancelled]


async def test_psa_projects_of_another_entity_are_not_there(stage: Stage) -> None:
    german, spanish = await stage.project("DE01", "P-1"), await stage.project("ES01", "P-2")
    asked: dict[str, Any] = {"psa": stage.psa, "caller": SPAIN}
    at: dict[str, Any] = {**asked, "project_id": german.id}
    writing: dict[str, Any] = {**at, "writes": stage.psa_writes}

    found = [
        (await psa_api.search_projects(**asked, **PAGE, code=code, business_key=key)).items
        for code, key in (("P-1", None), ("P-2", None), (None, german.business_key), (None, spanish.business_key))
    ]

    assert found == [[], [spanish], [], [spanish]]
    for asking in (
        psa_api.get_project(**at),
        psa_api.open_project(**writing),
        psa_api.close_project(**writing),
        psa_api.cancel_project(**writing),
        psa_api.list_tasks(**at, **PAGE),
        psa_api.list_milestones(**at, **PAGE),
        psa_api.create_task(**writing, body=NewTask(business_key="t", name="T")),
        psa_api.create_milestone(**writing, body=NewMilestone(business_key="m", name="M")),
    ):
        assert (await refusal(asking)).code is Code.resource_not_found
    assert stage.psa.effects.keys() == {"create_project"}


async def test_project_of_no_known_entity_is_seen_by_whoever_sees_all_of_the_connection(stage: Stage) -> None:
    project = await stage.project()
    stage.psa.projects.put(replace(project, legal_entity=None), stage.clock())

    seen = await psa_api.get_project(psa=stage.psa, caller=INSTALLATION, project_id=project.id)
    told = await refusal(psa_api.get_project(psa=stage.psa, caller=SPAIN, project_id=project.id))

    assert seen.id == project.id
    assert told.code is Code.resource_not_found


async def test_tasks_and_milestones_are_made_once_and_listed(stage: Stage) -> None:
    project = await stage.project()
    asked: dict[str, Any] = {"psa": stage.psa, "caller": SPAIN, "project_id": project.id}
    writing: dict[str, Any] = {**asked, "writes": stage.psa_writes}
    for _ in range(2):
        await psa_api.create_task(**writing, body=NewTask(business_key="t1", name="Discovery", planned_hours="16"))
        await psa_api.create_milestone(**writing, body=NewMilestone(business_key="m1", name="Accepted"))

    tasks = await psa_api.list_tasks(**asked, **PAGE)
    milestones = await psa_api.list_milestones(**asked, **PAGE)

    assert [(one.name, one.planned_hours) for one in tasks.items] == [("Discovery", "16")]
    assert [one.name for one in milestones.items] == ["Accepted"]
    assert (tasks.next_cursor, milestones.next_cursor) == (None, None)


async def test_what_the_psa_lacks_is_refused_before_it_is_asked(stage: Stage) -> None:
    stage.psa.capabilities = replace(
        stage.psa.capabilities, native_templates=False, tasks=False, milestones=False, close_for_time=False
    )
    at: dict[str, Any] = {"psa": stage.psa, "caller": SPAIN, "project_id": "1"}
    writing: dict[str, Any] = {**at, "writes": stage.psa_writes}
    templated = replace(PLATFORM, native_template="Delivery standard")
    asking = (
        psa_api.create_project(**stage.on_psa, caller=SPAIN, body=templated),
        psa_api.open_project(**writing),
        psa_api.close_project(**writing),
        psa_api.list_tasks(**at, **PAGE),
        psa_api.create_task(**writing, body=NewTask(business_key="t", name="T")),
        psa_api.list_milestones(**at, **PAGE),
        psa_api.create_milestone(**writing, body=NewMilestone(business_key="m", name="M")),
    )

    told = [await refusal(one) for one in asking]

    assert [one.code for one in told] == [Code.capability_missing] * len(asking)
    assert [one.pointer for one in told[0].violations] == ["#/native_template"]
    assert not stage.psa.calls


async def test_create_in_the_psa_for_an_entity_outside_the_claim_is_refused(stage: Stage) -> None:
    german = replace(PLATFORM, legal_entity="DE01")

    told = await refusal(psa_api.create_project(**stage.on_psa, caller=SPAIN, body=german))

    assert told.code is Code.auth_entity_not_allowed
