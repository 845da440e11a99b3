"""What the port does with a Redmine, word for word: played back from recordings, and had anew with a real one."""

from collections.abc import Callable
from datetime import date

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from gateway.egress import Http
from gateway.errors import ApiError, Refused, Unavailable
from openapi.common.types import Code
from openapi.system.psa.v1 import (
    NewBillingNote,
    NewEntryFeedback,
    NewHoldFlag,
    NewMilestone,
    NewProject,
    NewTask,
    ProjectCustomer,
    ProjectState,
    State,
    TimeFeedbackState,
)
from system_apis.connectors.redmine.adapter import RedminePsa
from tests.connectors.redmine.conversation import Conversation, Cut, connected

ALDER = ProjectCustomer(business_key="cus_crm1_4711", name="Alder Foods S.A.")
WRITES_OF_A_PROJECT = 3


def project(number: str, **changed: str) -> NewProject:
    """Return a project of the test's own: recordings and a shared Redmine know no other."""
    new = NewProject(
        business_key=f"prj_crm1_{number}_psa",
        legal_entity="ES01",
        code=f"P-{number}",
        name="Data platform",
        customer=ALDER,
        start=date(2026, 12, 1),
        end=date(2027, 5, 31),
        manager="ana.ruiz@example.com",
    )
    return replace(new, **changed)


async def test_examination_of_the_sample_finds_nothing_to_mend(port: RedminePsa) -> None:
    findings = await port.examine()

    assert [finding.subject for finding in findings if not finding.holds] == []
    assert {"administrator", "custom field Tiebeam key of issues", "role Manager"} <= {
        finding.subject for finding in findings
    }


async def test_people_are_listed_to_the_end_with_the_locked_last(port: RedminePsa) -> None:
    first = await port.list_resources(limit=4)
    second = await port.list_resources(after=first.after, limit=4)

    people = [*first.items, *second.items]
    assert [person.email for person in people] == [
        "admin@example.com",
        "ana.ruiz@example.com",
        "ben.okafor@example.com",
        "chloe.martin@example.com",
        "gateway@example.com",
        "dora.lind@example.com",
    ]
    assert [person.state for person in people] == [State.active] * 5 + [State.inactive]
    assert second.after is None


async def test_person_is_found_by_the_whole_address_in_any_case(port: RedminePsa) -> None:
    ana = await port.find_resource("Ana.Ruiz@Example.com")

    assert ana is not None
    assert (ana.name, ana.state) == ("Ana Ruiz", State.active)
    assert await port.find_resource("ruiz@example.com") is None


async def test_project_reads_back_as_it_was_created_by_key_id_and_code(port: RedminePsa) -> None:
    new = project("0100")

    created = await port.create_project(new)

    assert created.state is ProjectState.closed
    assert (created.business_key, created.legal_entity, created.code) == (new.business_key, "ES01", "P-0100")
    assert (created.customer_name, created.start, created.end) == ("Alder Foods S.A.", new.start, new.end)
    ana = await port.find_resource("ana.ruiz@example.com")
    assert ana is not None
    assert created.manager_id == ana.id
    assert created.url is not None
    assert created.url.endswith("/projects/p-0100")
    assert await port.find_project(new.business_key) == created
    assert await port.get_project(created.id) == created
    assert (await port.search_projects(code="P-0100")).items == [created]


async def test_project_without_manager_takes_one_write(port: RedminePsa, conversation: Conversation) -> None:
    new = replace(project("0110"), manager=UNSET, end=UNSET)

    created = await port.create_project(new)

    assert (created.manager_id, created.end) == (None, None)
    assert [call for call in conversation.calls if not call.startswith("GET")] == ["POST /projects.json"]


async def test_project_created_again_is_the_same(port: RedminePsa) -> None:
    first = await port.create_project(project("0120"))

    again = await port.create_project(project("0120"))

    assert again == first


async def test_code_of_another_project_in_another_case_collides(port: RedminePsa) -> None:
    await port.create_project(project("0130a"))

    with pytest.raises(Refused) as refused:
        await port.create_project(project("0131", code="p-0130A"))

    assert refused.value.code is Code.project_code_collision
    assert await port.find_project("prj_crm1_0131_psa") is None


@pytest.mark.parametrize("writes", range(WRITES_OF_A_PROJECT))
async def test_project_cut_off_is_no_document_until_the_next_try_completes_it(
    port: RedminePsa, other_port: Callable[[Http], RedminePsa], conversation: Conversation, writes: int
) -> None:
    new = project(f"0140-{writes}")
    with pytest.raises(Unavailable):
        await other_port(Cut(conversation, writes)).create_project(new)
    found = await port.find_project(new.business_key)

    completed = await port.create_project(new)

    assert found is None
    assert completed.manager_id is not None
    assert await port.find_project(new.business_key) == completed


async def test_project_that_was_begun_takes_the_corrected_content(
    port: RedminePsa, other_port: Callable[[Http], RedminePsa], conversation: Conversation
) -> None:
    with pytest.raises(Unavailable):
        await other_port(Cut(conversation, 1)).create_project(project("0150"))

    completed = await port.create_project(project("0150", name="Data platform 2", manager="ben.okafor@example.com"))

    ben = await port.find_resource("ben.okafor@example.com")
    assert ben is not None
    assert (completed.name, completed.manager_id) == ("Data platform 2", ben.id)


async def test_project_that_is_being_set_up_is_not_opened(
    port: RedminePsa, other_port: Callable[[Http], RedminePsa], conversation: Conversation
) -> None:
    with pytest.raises(Unavailable):
        await other_port(Cut(conversation, 1)).create_project(project("0160"))
    (begun,) = (await port.search_projects(code="P-0160")).items

    with pytest.raises(Refused) as refused:
        await port.open_project(begun.id)

    assert refused.value.code is Code.upstream_rejected


async def test_states_follow_each_other_and_a_tombstone_can_be_taken_up(port: RedminePsa) -> None:
    created = await port.create_project(project("0170"))
    moves = [port.open_project, port.close_project, port.cancel_project, port.open_project, port.cancel_project]
    moves += [port.cancel_project, port.close_project]

    states = [(await move(created.id)).state.value for move in moves]

    assert states == ["open", "closed", "cancelled", "open", "cancelled", "cancelled", "closed"]


async def test_cancelled_project_is_found_and_takes_no_tasks(port: RedminePsa) -> None:
    created = await port.create_project(project("0180"))

    cancelled = await port.cancel_project(created.id)

    assert await port.find_project(created.business_key or "") == cancelled
    with pytest.raises(Refused) as refused:
        await port.create_task(created.id, NewTask(business_key="tsk_0180_1", name="Late"))
    assert refused.value.code is Code.upstream_rejected
    with pytest.raises(Refused) as refused:
        await port.create_milestone(created.id, NewMilestone(business_key="mil_0180_1", name="Late"))
    assert refused.value.code is Code.upstream_rejected


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"manager": "nobody@example.com"}, Code.resource_not_mapped),
        ({"manager": "dora.lind@example.com"}, Code.resource_not_mapped),
        ({"native_template": "Delivery standard"}, Code.capability_missing),
        ({"legal_entity": "DE01"}, Code.entity_mapping_missing),
    ],
    ids=["unknown_manager", "locked_manager", "template", "entity"],
)
async def test_project_that_does_not_fit_is_refused_before_anything_is_made(
    port: RedminePsa, conversation: Conversation, changed: dict[str, str], code: Code
) -> None:
    with pytest.raises(Refused) as refused:
        await port.create_project(project("0190", **changed))

    assert refused.value.code is code
    assert [call for call in conversation.calls if not call.startswith("GET")] == []


async def test_tasks_stand_in_the_order_of_their_tree_and_are_found_by_key(port: RedminePsa) -> None:
    project_id = (await port.create_project(project("0200"))).id
    discovery = await port.create_task(project_id, NewTask(business_key="tsk_0200_1", name="Discovery"))
    build = await port.create_task(
        project_id, NewTask(business_key="tsk_0200_2", name="Build", planned_hours="1234.5678")
    )
    interviews = await port.create_task(
        project_id, NewTask(business_key="tsk_0200_3", name="Interviews", parent_id=discovery.id, planned_hours="16")
    )

    first = await port.list_tasks(project_id, limit=2)
    second = await port.list_tasks(project_id, after=first.after, limit=2)

    assert [*first.items, *second.items] == [discovery, interviews, build]
    assert second.after is None
    assert interviews.parent_id == discovery.id
    assert (discovery.planned_hours, interviews.planned_hours, build.planned_hours) == (None, "16", "1234.5678")
    assert await port.find_task(project_id, "tsk_0200_3") == interviews
    assert await port.find_task(project_id, "tsk_0200_4") is None


async def test_task_below_one_of_another_project_is_refused(port: RedminePsa) -> None:
    project_id = (await port.create_project(project("0210"))).id

    with pytest.raises(Refused) as refused:
        await port.create_task(project_id, NewTask(business_key="tsk_0210_1", name="Astray", parent_id="1"))

    assert refused.value.code is Code.upstream_rejected


async def test_milestones_stand_the_earliest_first_and_are_found_by_key(port: RedminePsa) -> None:
    project_id = (await port.create_project(project("0220"))).id
    undated = await port.create_milestone(project_id, NewMilestone(business_key="mil_0220_1", name="Warranty over"))
    late = NewMilestone(business_key="mil_0220_2", name="Go-live", due_on=date(2027, 4, 30))
    accepted = await port.create_milestone(project_id, late)
    early = NewMilestone(business_key="mil_0220_3", name="Design accepted", due_on=date(2027, 1, 31))
    designed = await port.create_milestone(project_id, early)

    first = await port.list_milestones(project_id, limit=2)
    second = await port.list_milestones(project_id, after=first.after, limit=2)

    assert [*first.items, *second.items] == [designed, accepted, undated]
    assert second.after is None
    assert await port.find_milestone(project_id, "mil_0220_2") == accepted
    assert await port.find_milestone(project_id, "mil_0220_4") is None


@pytest.mark.parametrize(
    ("code_of_project", "name", "code"),
    [("0230", "A" * 61, Code.unsupported_field), ("0231", "Go-live", Code.upstream_rejected)],
    ids=["too_long", "taken"],
)
async def test_milestone_name_that_redmine_does_not_take_is_refused(
    port: RedminePsa, code_of_project: str, name: str, code: Code
) -> None:
    project_id = (await port.create_project(project(code_of_project))).id
    await port.create_milestone(project_id, NewMilestone(business_key="mil_0230_1", name="Go-live"))

    with pytest.raises(Refused) as refused:
        await port.create_milestone(project_id, NewMilestone(business_key="mil_0230_2", name=name))

    assert refused.value.code is code


@pytest.mark.parametrize("project_id", ["999999", "website-renewal", "01", "0", "1/2"])
async def test_project_that_is_not_there_is_not_found(port: RedminePsa, project_id: str) -> None:
    with pytest.raises(Refused) as refused:
        await port.get_project(project_id)

    assert refused.value.code is Code.resource_not_found


async def test_project_that_somebody_made_by_hand_is_shown_without_key(port: RedminePsa) -> None:
    (found,) = (await port.search_projects(code="Website-Renewal")).items

    assert (found.business_key, found.legal_entity, found.code) == (None, None, "website-renewal")
    assert (found.state, found.customer_name) == (ProjectState.open, "Alder Foods")


async def test_wrong_key_is_told_by_the_examination(conversation: Conversation) -> None:
    port = connected(conversation, conversation.base_url, "wrong")

    environment, access = await port.examine()

    assert environment.detail == f"{conversation.base_url}, used as sandbox."
    assert not access.holds
    assert "REST web service" in access.mend
    with pytest.raises(Unavailable) as away:
        await port.get_project("1")
    assert away.value.code is Code.upstream_auth_expired


async def test_archived_project_is_not_there(port: RedminePsa, conversation: Conversation) -> None:
    created = await port.create_project(project("0240"))
    headers = {"X-Redmine-API-Key": conversation.api_key}
    url = f"{conversation.base_url}/projects/{created.id}/archive.json"
    await conversation.call("PUT", url, write=True, operation="test", headers=headers)

    with pytest.raises(ApiError) as raised:
        await port.get_project(created.id)

    assert raised.value.code is Code.resource_not_found
    assert (await port.search_projects(code="P-0240")).items == []
    with pytest.raises(Refused) as refused:
        await port.create_project(project("0240"))
    assert refused.value.code is Code.project_code_collision


async def test_note_is_a_page_that_is_found_by_its_key_alone(port: RedminePsa) -> None:
    project_id = (await port.create_project(project("0120"))).id
    new = NewBillingNote(business_key="inv_es_c42_1", text="INV2026/0004: 200.00 EUR.  ")

    before = await port.find_billing_note(project_id, new.business_key)
    written = await port.write_billing_note(project_id, new)

    assert before is None
    assert await port.find_billing_note(project_id, new.business_key) == written
    assert await port.find_billing_note(project_id, "inv_ES_c42_1") is None


async def test_hold_is_set_and_lifted(port: RedminePsa) -> None:
    project_id = (await port.create_project(project("0121"))).id

    held = await port.set_hold_flag(project_id, NewHoldFlag(held=True, note="PO missing"))
    seen = await port.get_hold_flag(project_id)
    lifted = await port.set_hold_flag(project_id, NewHoldFlag(held=False))

    assert seen == held
    assert await port.get_hold_flag(project_id) == lifted
    assert (held.note, lifted.held, lifted.note) == ("PO missing", False, None)


async def test_feedback_on_an_entry_of_the_sample_is_read_back(port: RedminePsa) -> None:
    word = NewEntryFeedback(entry_id="1", state=TimeFeedbackState.posted, reference="M2026/0005", reason="r: 1  ")

    told = await port.write_time_feedback([word, replace(word, entry_id="999999")])
    found = await port.find_time_feedback(["1", "2", "999999"])

    assert found == {"1": told["1"]}
    assert isinstance(told["999999"], Refused)
    assert told["999999"].code is Code.resource_not_found
