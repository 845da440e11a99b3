"""What a real Redmine cannot be brought to say when it is wanted: odd answers, and what somebody took away."""

from datetime import date
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from gateway.errors import Refused, Unavailable, Uncertain
from openapi.common.types import Code
from openapi.system.psa.v1 import NewMilestone, NewProject, NewTask, ProjectCustomer, ProjectState
from tests.connectors.redmine.conversation import Scripted, connected

STAMP = "2026-11-24T10:15:00Z"
FIELDS = {
    "custom_fields": [
        {
            "id": number,
            "name": name,
            "customized_type": of,
            "is_filter": True,
            "visible": (of, name) != ("time_entry", "Approval"),
            "trackers": [{"id": 2, "name": "Feature"}],
        }
        for number, (of, name) in enumerate(
            [
                ("project", "Tiebeam key"),
                ("project", "Tiebeam state"),
                ("project", "Project code"),
                ("project", "Legal entity"),
                ("project", "Customer key"),
                ("project", "Customer"),
                ("project", "Start date"),
                ("project", "End date"),
                ("issue", "Tiebeam key"),
                ("version", "Tiebeam key"),
                ("project", "Billing hold"),
                ("project", "Billing hold note"),
                ("time_entry", "Approval"),
                ("time_entry", "Billing feedback"),
                ("time_entry", "ERP reference"),
            ],
            1,
        )
    ]
}
TRACKERS = {"trackers": [{"id": 2, "name": "Feature"}]}
ADMIN = {"user": {"id": 5, "login": "gateway", "firstname": "G", "lastname": "W", "admin": True}}
PROJECT_9 = {"id": 9, "name": "Data platform"}


def new_project(key: str) -> NewProject:
    return NewProject(
        business_key=key,
        legal_entity="ES01",
        code="P-0042",
        name="Data platform",
        customer=ProjectCustomer(business_key="cus_1", name="Alder Foods S.A."),
        start=date(2026, 12, 1),
        manager="ana.ruiz@example.com",
    )


def keyed(key: str | None) -> list[dict[str, Any]]:
    return [{"id": 1, "name": "Tiebeam key", "value": key}]


def project(number: int, key: str | None) -> dict[str, Any]:
    return {
        "id": number,
        "name": "Data platform",
        "identifier": f"p-{number}",
        "status": 1,
        "updated_on": STAMP,
        "custom_fields": keyed(key),
    }


def begun_project() -> dict[str, Any]:
    begun = project(9, "prj_1")
    begun["custom_fields"].append({"id": 2, "name": "Tiebeam state", "value": "Setting up"})
    return begun


def member(number: int, role: str, who: str = "user") -> dict[str, Any]:
    return {"id": number, "roles": [{"id": 3, "name": role}], who: {"id": number, "name": "Somebody"}}


async def test_find_by_a_field_that_is_no_filter_knows_nothing() -> None:
    http = Scripted((200, FIELDS), (200, {"projects": [project(1, "another"), project(2, None)]}))

    with pytest.raises(Unavailable) as away:
        await connected(http).find_project("prj_1")

    assert away.value.code is Code.upstream_contract_violation
    assert "filter" in away.value.detail


async def test_find_takes_the_key_in_its_own_case_only() -> None:
    alike = {"projects": [project(1, "prj_A"), project(2, "prj_a")]}
    http = Scripted((200, FIELDS), (200, alike), (200, {"memberships": [], "total_count": 0}))

    found = await connected(http).find_project("prj_a")

    assert found is not None
    assert found.id == "2"


async def test_find_of_two_with_one_key_chooses_neither() -> None:
    http = Scripted((200, FIELDS), (200, {"projects": [project(1, "prj_1"), project(2, "prj_1")]}))

    with pytest.raises(Refused) as refused:
        await connected(http).find_project("prj_1")

    assert refused.value.code is Code.upstream_conflict_stale


async def test_find_passes_over_what_was_begun_under_another_code_and_given_up() -> None:
    complete = project(10, "prj_1")
    http = Scripted(
        (200, FIELDS),
        (200, {"projects": [begun_project(), complete]}),
        (200, {"memberships": [], "total_count": 0}),
    )

    found = await connected(http).find_project("prj_1")

    assert found is not None
    assert found.id == "10"


async def test_custom_field_that_lacks_is_asked_for_again_and_found_once_it_is_there() -> None:
    without = {"custom_fields": FIELDS["custom_fields"][1:]}
    port = connected(Scripted((200, without), (200, FIELDS), (200, {"projects": []})))
    with pytest.raises(Unavailable) as away:
        await port.find_project("prj_1")

    found = await port.find_project("prj_1")

    assert "'Tiebeam key'" in away.value.detail
    assert found is None


async def test_names_are_asked_for_once() -> None:
    http = Scripted((200, FIELDS), (200, {"projects": []}), (200, {"projects": []}))
    port = connected(http)

    await port.find_project("prj_1")
    await port.find_project("prj_2")

    assert http.calls.count("GET /custom_fields.json") == 1


async def test_document_made_without_its_key_is_for_a_person_and_the_names_are_asked_for_again() -> None:
    version = {"id": 4, "project": PROJECT_9, "name": "Go-live", "status": "open", "custom_fields": []}
    http = Scripted((200, FIELDS), (201, {"version": version}), (200, FIELDS), (201, {"version": version}))
    port = connected(http)

    for _ in range(2):
        with pytest.raises(Refused) as refused:
            await port.create_milestone("9", NewMilestone(business_key="mil_1", name="Go-live"))
        assert refused.value.code is Code.upstream_conflict_stale

    assert http.calls.count("GET /custom_fields.json") == 2


async def test_answer_to_a_write_that_cannot_be_mapped_is_uncertain() -> None:
    odd = {"id": 4, "project": PROJECT_9, "name": "Go-live", "status": "postponed", "custom_fields": keyed("mil_1")}

    with pytest.raises(Uncertain):
        await connected(Scripted((200, FIELDS), (201, {"version": odd}))).create_milestone(
            "9", NewMilestone(business_key="mil_1", name="Go-live")
        )


@pytest.mark.parametrize("body", [b"<html>Maintenance</html>", b'{"issue": {"id": "7"}}'])
async def test_answer_to_a_write_that_cannot_be_read_is_uncertain(body: bytes) -> None:
    http = Scripted((200, TRACKERS), (200, FIELDS), (201, body))

    with pytest.raises(Uncertain) as unknown:
        await connected(http).create_task("9", NewTask(business_key="tsk_1", name="Build"))

    assert unknown.value.code is Code.upstream_contract_violation


async def test_answer_to_a_read_that_cannot_be_read_is_nobody_asked() -> None:
    with pytest.raises(Unavailable) as away:
        await connected(Scripted((200, b"<html>Maintenance</html>"))).find_resource("ana.ruiz@example.com")

    assert away.value.code is Code.upstream_contract_violation


async def test_tracker_that_lacks_is_not_replaced_by_redmines_first() -> None:
    http = Scripted((200, {"trackers": [{"id": 1, "name": "Bug"}]}))

    with pytest.raises(Unavailable):
        await connected(http).create_task("9", NewTask(business_key="tsk_1", name="Build"))

    assert http.calls == ["GET /trackers.json"]


async def test_project_that_the_key_may_not_read_is_not_taken_for_archived() -> None:
    nobody = {"user": {**ADMIN["user"], "admin": False}}

    with pytest.raises(Unavailable) as away:
        await connected(Scripted((403, b""), (200, nobody))).get_project("9")

    assert away.value.code is Code.upstream_auth_expired


async def test_search_by_code_that_is_not_answered_does_not_say_free() -> None:
    with pytest.raises(Refused) as refused:
        await connected(Scripted((302, b""))).search_projects(code="P-0042")

    assert refused.value.code is Code.upstream_rejected


async def test_manager_is_looked_for_on_every_page_and_is_a_person() -> None:
    first = {"memberships": [member(1, "Developer"), member(2, "Manager", "group")], "total_count": 3}
    second = {"memberships": [member(3, "Manager")], "total_count": 3}
    http = Scripted((200, {"project": project(9, "prj_1")}), (200, first), (200, second))

    found = await connected(http).get_project("9")

    assert found.manager_id == "3"
    assert http.calls[-1] == "GET /projects/9/memberships.json?offset=2&limit=100"


async def test_members_that_vanish_while_they_are_read_end_the_search() -> None:
    http = Scripted((200, {"project": project(9, "prj_1")}), (200, {"memberships": [], "total_count": 1}))

    assert (await connected(http).get_project("9")).manager_id is None


@pytest.mark.parametrize("after", ["4:0", "x", "1:x"])
async def test_cursor_of_another_list_is_refused(after: str) -> None:
    with pytest.raises(Refused) as refused:
        await connected(Scripted()).list_resources(after=after)

    assert refused.value.code is Code.request_cursor_invalid


async def test_milestones_shared_by_other_projects_are_not_shown() -> None:
    shared = {"id": 5, "project": {"id": 8, "name": "Other"}, "name": "Theirs", "status": "open"}
    own = {"id": 4, "project": PROJECT_9, "name": "Ours", "status": "locked"}

    found = await connected(Scripted((200, {"versions": [shared, own]}))).list_milestones("9")

    assert [milestone.name for milestone in found.items] == ["Ours"]


async def test_project_whose_manager_vanished_after_the_look_waits_closed() -> None:
    ana = {"id": 6, "login": "ana.ruiz", "firstname": "Ana", "lastname": "Ruiz", "mail": "ana.ruiz@example.com"}
    http = Scripted(
        (200, {"users": [ana], "total_count": 1}),
        (200, {"roles": [{"id": 3, "name": "Manager"}]}),
        (200, FIELDS),
        (201, {"project": begun_project()}),
        (422, {"errors": ["Principal cannot be blank"]}),
        (200, {"memberships": [], "total_count": 0}),
        (204, b""),
    )

    with pytest.raises(Refused) as refused:
        await connected(http).create_project(new_project("prj_1"))

    assert refused.value.code is Code.resource_not_mapped
    assert http.calls[-1] == "PUT /projects/9/close.json"


async def test_project_that_waits_closed_is_taken_up_again() -> None:
    waiting = {**begun_project(), "status": 5}
    nobody = {"memberships": [], "total_count": 0}
    http = Scripted(
        (200, FIELDS),
        (422, {"errors": ["Identifier has already been taken"]}),
        (200, {"project": waiting}),
        (204, b""),
        (204, b""),
        (200, {"project": project(9, "prj_1")}),
        (200, nobody),
    )

    created = await connected(http).create_project(replace(new_project("prj_1"), manager=UNSET))

    assert created.state is ProjectState.closed
    assert [call for call in http.calls if call.startswith("PUT")] == [
        "PUT /projects/9/reopen.json",
        "PUT /projects/9.json",
    ]


async def test_manager_who_joined_in_an_earlier_try_is_met() -> None:
    ana = {"id": 6, "login": "ana.ruiz", "firstname": "Ana", "lastname": "Ruiz", "mail": "ana.ruiz@example.com"}
    there = {"memberships": [member(6, "Manager")], "total_count": 1}
    http = Scripted(
        (200, {"users": [ana], "total_count": 1}),
        (200, {"roles": [{"id": 3, "name": "Manager"}]}),
        (200, FIELDS),
        (201, {"project": begun_project()}),
        (422, {"errors": ["User has already been taken"]}),
        (200, there),
        (204, b""),
        (200, {"project": project(9, "prj_1")}),
        (200, there),
    )

    created = await connected(http).create_project(new_project("prj_1"))

    assert created.manager_id == "6"


async def test_project_that_cannot_be_read_back_is_uncertain() -> None:
    http = Scripted(
        (200, {"project": project(9, "prj_1")}), (200, FIELDS), (204, b""), (200, b"<html>Maintenance</html>")
    )

    with pytest.raises(Uncertain):
        await connected(http).open_project("9")


async def test_examination_names_what_lacks_and_how_to_mend_it() -> None:
    fields = [{**field, "is_filter": False, "trackers": []} for field in FIELDS["custom_fields"][1:]]
    fields.append({**FIELDS["custom_fields"][0], "is_filter": False})
    http = Scripted((200, ADMIN), (200, {"custom_fields": fields}), (200, {"roles": []}), (200, {"trackers": []}))

    findings = {finding.subject: finding for finding in await connected(http).examine()}

    lacking = {subject: finding.mend for subject, finding in findings.items() if not finding.holds}
    assert lacking == {
        "custom field Tiebeam key of projects": "Mark it as used as a filter.",
        "custom field Tiebeam key of issues": "Mark it as used as a filter.",
        "custom field Approval of time entries": "Mark it as used as a filter.",
        "role Manager": "Make the role, or name another one as `manager_role`.",
        "tracker Feature": "Make the tracker, or name another one as `tracker`.",
    }


async def test_examination_names_a_field_that_is_not_there_and_one_without_the_tracker() -> None:
    fields = [{**field, "trackers": []} for field in FIELDS["custom_fields"][1:]]
    http = Scripted((200, ADMIN), (200, {"custom_fields": fields}), (200, {"roles": []}), (200, TRACKERS))

    mends = {finding.subject: finding.mend for finding in await connected(http).examine()}

    assert mends["custom field Tiebeam key of projects"] == "Make it, in Administration, Custom fields, Projects."
    assert mends["custom field Tiebeam key of issues"] == "Check Feature and `For all projects` in it."


async def test_examination_tells_an_approval_that_everybody_sets_and_a_value_that_nobody_knows() -> None:
    values = {"visible": True, "possible_values": [{"value": "Approved"}, {"value": "Paid"}, {"value": "Waived"}]}
    fields = [{**field, **(values if field["name"] == "Approval" else {})} for field in FIELDS["custom_fields"]]
    roles = {"roles": [{"id": 3, "name": "Manager"}]}
    http = Scripted((200, ADMIN), (200, {"custom_fields": fields}), (200, roles), (200, TRACKERS))

    mends = {finding.subject: finding.mend for finding in await connected(http).examine() if not finding.holds}

    assert set(mends) == {"approval by roles", "approval values"}
    assert mends["approval values"].endswith("Paid, Waived.")


async def test_examination_with_a_key_of_no_administrator_stops_there() -> None:
    nobody = {"user": {**ADMIN["user"], "admin": False}}

    findings = await connected(Scripted((200, nobody))).examine()

    assert [(finding.subject, finding.holds) for finding in findings] == [
        ("environment", True),
        ("access", True),
        ("administrator", False),
    ]
