"""Time of Tryton, and notes on it, where a running one shows too little: odd lines, strange notes, lost answers."""

import copy
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from gateway.errors import Refused, Unavailable, Uncertain
from openapi.common.types import Code, Money
from openapi.system.psa.v1 import (
    ApprovalState,
    NewBillingNote,
    NewEntryFeedback,
    NewHoldFlag,
    TimeFeedback,
    TimeFeedbackState,
)
from system_apis.connectors.tryton.psa import notes
from system_apis.connectors.tryton.psa.wire import Note
from tests.connectors.scripted import ScriptedTryton, psa
from tests.connectors.test_tryton_ports import AWAY, TEMPLATE, refusal

SINCE = datetime(2026, 11, 25, tzinfo=UTC)
MOMENT = {"__class__": "datetime", "year": 2026, "month": 11, "day": 25, "hour": 16, "minute": 27, "second": 39}
CHLOE = {"id": 4, "login": "chloe", "email": "chloe@example.com", "employees": [3]}
LINE: dict[str, Any] = {
    "id": 16,
    "_timestamp": "1795624059.96285",
    "company": 1,
    "date": {"__class__": "date", "year": 2026, "month": 11, "day": 24},
    "duration": {"__class__": "timedelta", "seconds": 1200.0},
    "description": "[ok] Stand-up",
    "last_modified_at": {**MOMENT, "microsecond": 962849},
    "employee.": {"id": 1, "party.": {"id": 2, "name": "Ana Ruiz", "email": "ana.ruiz@example.com"}},
    "work.": {"id": 4, "origin": "project.work,6"},
    "create_uid.": {"id": 3, "login": "ana", "email": "ana@example.com", "employees": [1]},
    "write_uid.": CHLOE,
}
PLACES = [
    {"id": 5, "name": "Website renewal", "type": "project", "parent": None},
    {"id": 6, "name": "Discovery", "type": "task", "parent": 5},
    {"id": 8, "name": "Loose end", "type": "task", "parent": None},
]
PROJECT = {**TEMPLATE[0], "id": 5}
HELD = {**PROJECT, "status.": {"id": 3, "name": "On hold"}}


def line(**other: object) -> dict[str, Any]:
    """Return a line that differs in this; `work_` stands for `work.`."""
    return copy.deepcopy(LINE) | {f"{name[:-1]}." if name.endswith("_") else name: each for name, each in other.items()}


def with_lines(*lines: dict[str, Any]) -> ScriptedTryton:
    """Return a Tryton with these lines."""
    http = ScriptedTryton()
    http.always("timesheet.line.search_read", list(lines))
    http.always("project.work.search_read", PLACES)
    return http


def note(message: str | None, resource: str = "timesheet.line,16", number: int = 1) -> dict[str, Any]:
    """Return a note as Tryton tells it."""
    return {"id": number, "resource": resource, "message": message}


async def test_approved_line_is_a_whole_entry() -> None:
    (entry,) = (await psa(with_lines(LINE)).list_time_entries(changed_since=SINCE)).items

    assert (entry.project_id, entry.task_id, entry.task_name) == ("5", "6", "Discovery")
    assert (entry.minutes, entry.hours, entry.work_date) == (20, "0.3333", date(2026, 11, 24))
    assert (entry.description, entry.legal_entity, entry.billable) == ("Stand-up", "ES01", None)
    assert (entry.resource_id, entry.resource_email) == ("1", "ana.ruiz@example.com")
    assert entry.approval.approved_at == entry.updated_at == datetime(2026, 11, 25, 16, 27, 39, 962849, tzinfo=UTC)


@pytest.mark.parametrize(
    ("other", "state", "approver"),
    [
        ({}, ApprovalState.approved, "chloe@example.com"),
        ({"write_uid_": {**CHLOE, "email": None}}, ApprovalState.approved, "chloe"),
        ({"write_uid_": None, "create_uid_": CHLOE}, ApprovalState.approved, "chloe@example.com"),
        ({"write_uid_": {**CHLOE, "employees": [3, 1]}}, ApprovalState.open, None),
        ({"write_uid_": None}, ApprovalState.open, None),
        ({"write_uid_": None, "create_uid_": None}, ApprovalState.open, None),
        ({"description": "[OK] Stand-up"}, ApprovalState.open, None),
        ({"description": "[ok]"}, ApprovalState.open, None),
        ({"description": None}, ApprovalState.open, None),
    ],
)
async def test_line_is_approved_by_somebody_else_or_open(
    other: dict[str, Any], state: ApprovalState, approver: str | None
) -> None:
    (entry,) = (await psa(with_lines(line(**other))).list_time_entries(changed_since=SINCE)).items

    assert (entry.approval.state, entry.approval.approved_by) == (state, approver)


async def test_time_on_the_project_itself_has_no_task() -> None:
    http = with_lines(line(work_={"id": 4, "origin": "project.work,5"}))

    (entry,) = (await psa(http).list_time_entries(changed_since=SINCE)).items

    assert (entry.project_id, entry.task_id, entry.task_name) == ("5", None, None)


@pytest.mark.parametrize("origin", [None, "production,6", "project.work,8", "project.work,99", "project.work,x"])
async def test_time_outside_of_projects_is_left_out(origin: str | None) -> None:
    http = with_lines(line(work_={"id": 4, "origin": origin}))

    assert (await psa(http).list_time_entries(changed_since=SINCE)).items == []


async def test_seconds_are_no_whole_minutes() -> None:
    http = with_lines(line(duration={"__class__": "timedelta", "seconds": 1230.0}))

    (entry,) = (await psa(http).list_time_entries(changed_since=SINCE)).items

    assert (entry.minutes, entry.hours) == (None, "0.3417")


async def test_page_of_time_costs_one_call_for_all_its_projects() -> None:
    http = with_lines(*(line(id=number) for number in range(1, 102)))

    page = await psa(http).list_time_entries(changed_since=SINCE, limit=100)

    assert len(page.items) == 100
    assert page.after == "2026-11-25T16:27:39.962849+00:00/100"
    assert (http.calls["timesheet.line.search_read"], http.calls["project.work.search_read"]) == (1, 1)


@pytest.mark.parametrize("after", ["", "1", "yesterday/1", "2026-11-25T16:27:39/1", "2026-11-25T16:27:39+00:00/x"])
async def test_cursor_that_is_none_of_ours_is_refused(after: str) -> None:
    with pytest.raises(Refused):
        await psa(with_lines(LINE)).list_time_entries(changed_since=SINCE, after=after)


@pytest.mark.parametrize("state", [ApprovalState.submitted, ApprovalState.rejected])
async def test_state_that_tryton_does_not_know_is_not_asked_for(state: ApprovalState) -> None:
    http = with_lines(LINE)

    assert (await psa(http).list_time_entries(changed_since=SINCE, approval=state)).items == []
    assert not http.sent


async def test_totals_leave_out_what_people_approved_themselves_and_read_on_to_the_end() -> None:
    whole = [line(id=number) for number in range(1, 1001)]
    own = line(id=1001, write_uid_={**CHLOE, "employees": [1]})
    http = with_lines()
    http.plan("timesheet.line.search_read", whole, [own, line(id=1002)])

    (total,) = await psa(http).list_time_totals(date(2026, 11, 1), date(2026, 11, 30))

    assert (total.project_id, total.work_date, total.count) == ("5", date(2026, 11, 24), 1001)
    assert total.hours == "333.6667"  # 1001 times 20 minutes, summed before it is rounded.
    assert "1001" not in total.entry_ids


@pytest.mark.parametrize(
    "message",
    [
        None,
        "",
        "tiebeam feedback: posted",
        "tiebeam feedback: paid\n(Tiebeam)",
        "Tiebeam feedback: posted\n(Tiebeam)",
        "tiebeam feedback: posted\nreference: M1\n(Tiebeam)\nnot true",
    ],
)
async def test_note_that_is_not_written_like_ours_says_nothing(message: str | None) -> None:
    http = with_lines()
    http.plan("timesheet.line.search", [16])
    http.plan("ir.note.search_read", [note(message)])

    assert await psa(http).find_time_feedback(["16"]) == {}


WORDS = st.from_regex(r"[^\x00-\x1f\x7f]{1,60}", fullmatch=True)


@given(st.sampled_from(TimeFeedbackState), st.none() | WORDS, st.none() | WORDS)
def test_whatever_feedback_says_is_read_back(
    state: TimeFeedbackState, reference: str | None, reason: str | None
) -> None:
    new = NewEntryFeedback(entry_id="16", state=state, reference=reference or UNSET, reason=reason or UNSET)
    message = notes.written(notes.FEEDBACK, *notes.from_feedback(new))

    said = notes.read(notes.FEEDBACK, Note(id=1, resource="timesheet.line,16", message=message.strip()))

    assert said
    assert notes.to_feedback(said) == TimeFeedback(
        entry_id="16", state=state, reference=reference, amount=None, reason=reason
    )


async def test_line_that_is_deleted_while_notes_are_read_is_left_out() -> None:
    http = with_lines()
    http.plan("timesheet.line.search", [16, 17], [16])
    http.plan(
        "ir.note.search_read",
        refusal(Code.upstream_rejected),
        [note("tiebeam feedback: posted\nreference: M1\nodd\n(Tiebeam)\r")],
    )

    found = await psa(http).find_time_feedback(["16", "17"])

    assert found == {
        "16": TimeFeedback(entry_id="16", state=TimeFeedbackState.posted, reference="M1", amount=None, reason=None)
    }


async def test_feedback_on_many_is_one_call() -> None:
    http = with_lines()
    http.plan("timesheet.line.search", list(range(1, 201)))
    http.plan("ir.note.create", list(range(1, 201)))
    amount = Money(amount="31.67", currency="EUR")
    words = [
        NewEntryFeedback(entry_id=str(number), state=TimeFeedbackState.posted, reference="M1", amount=amount)
        for number in range(1, 201)
    ]

    outcomes = await psa(http).write_time_feedback(words)

    assert len(outcomes) == 200
    assert http.calls["ir.note.create"] == 1
    assert http.writes == {"ir.note.create"}
    first = http.params("ir.note.create")[0][0]
    assert first == {
        "resource": "timesheet.line,1",
        "message": "tiebeam feedback: posted\nreference: M1\namount: 31.67 EUR\n(Tiebeam)",
    }


async def test_feedback_that_tryton_refuses_holds_for_the_batch() -> None:
    http = with_lines()
    http.plan("timesheet.line.search", [16])
    http.plan("ir.note.create", refusal(Code.upstream_rejected))

    with pytest.raises(Refused):
        await psa(http).write_time_feedback([NewEntryFeedback(entry_id="16", state=TimeFeedbackState.ignored)])


async def test_two_notes_with_one_key_are_a_break() -> None:
    http = with_lines()
    http.plan("project.work.search_read", [PROJECT])
    same = [note("tiebeam billing: inv_1\nx\n(Tiebeam)", "project.work,5", number) for number in (1, 2)]
    http.plan("ir.note.search_read", same)

    with pytest.raises(Refused) as refused:
        await psa(http).find_billing_note("5", "inv_1")

    assert refused.value.code is Code.upstream_conflict_stale


async def test_note_on_a_project_needs_no_reading_back() -> None:
    http = with_lines()
    http.plan("project.work.search_read", [PROJECT])
    http.plan("ir.note.create", [9])

    written = await psa(http).write_billing_note("5", NewBillingNote(business_key="inv_1", text="posted"))

    assert (written.id, written.text) == ("9", "posted")
    assert http.calls["ir.note.search_read"] == 0


async def test_hold_whose_reason_cannot_be_written_is_uncertain() -> None:
    http = with_lines()
    http.plan("project.work.search_read", [PROJECT])
    http.plan("project.work.status.search", [3])
    http.plan("project.work.write", None)
    http.plan("ir.note.search_read", [])
    http.plan("ir.note.create", AWAY)

    with pytest.raises(Uncertain):
        await psa(http).set_hold_flag("5", NewHoldFlag(held=True, note="PO missing"))


async def test_hold_is_lifted_only_once_that_is_written_down() -> None:
    http = with_lines()
    http.plan("project.work.search_read", [HELD], [PROJECT])
    http.always("project.work.status.search", [1])
    http.always("ir.note.search_read", [note("tiebeam hold: on\nPO missing\n(Tiebeam)", "project.work,5")])
    http.plan("ir.note.create", [9])
    http.plan("project.work.write", None)

    flag = await psa(http).set_hold_flag("5", NewHoldFlag(held=False, note=UNSET))

    sent = [operation for operation, *_ in http.sent if operation in http.writes]
    assert (flag.held, sent) == (False, ["ir.note.create", "project.work.write"])


async def test_hold_is_sent_again_only_as_far_as_it_lacks() -> None:
    http = with_lines()
    http.always("project.work.search_read", [HELD])
    http.always("ir.note.search_read", [note("tiebeam hold: on\nPO missing\n(Tiebeam)", "project.work,5")])

    flag = await psa(http).set_hold_flag("5", NewHoldFlag(held=True, note="PO missing"))

    assert (flag.held, flag.note) == (True, "PO missing")
    assert not http.writes


async def test_hold_by_a_person_does_not_tell_the_reason_of_an_earlier_one() -> None:
    http = with_lines()
    http.always("project.work.search_read", [HELD])
    earlier = [
        note("tiebeam hold: on\nPO missing\n(Tiebeam)", "project.work,5"),
        note("tiebeam hold: off\n(Tiebeam)", "project.work,5", 2),
    ]
    http.always("ir.note.search_read", earlier)

    flag = await psa(http).get_hold_flag("5")

    assert (flag.held, flag.note) == (True, None)


async def test_status_of_holds_that_tryton_lacks_is_refused_and_nothing_is_sent() -> None:
    http = with_lines()
    http.plan("project.work.search_read", [PROJECT])
    http.plan("project.work.status.search", [])

    with pytest.raises(Refused) as refused:
        await psa(http).set_hold_flag("5", NewHoldFlag(held=True, note=UNSET))

    assert refused.value.code is Code.mapping_missing
    assert not http.writes


async def test_tryton_that_is_away_is_unavailable() -> None:
    http = with_lines()
    http.always("timesheet.line.search_read", AWAY)

    with pytest.raises(Unavailable):
        await psa(http).get_time_entries(["16"])
