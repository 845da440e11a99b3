"""Time and billing of Redmine, where a real one shows too little: odd answers, gaps, and lines that break."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, json

from gateway.egress.response import Response
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
from system_apis.connectors.redmine import time_mapping
from system_apis.connectors.redmine.settings import APPROVALS
from system_apis.connectors.redmine.time_wire import TimeEntry
from tests.connectors.redmine.conversation import Details, Scripted, connected
from tests.connectors.redmine.test_redmine_answers import FIELDS, PROJECT_9, STAMP, project

SINCE = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
ANA = {"id": 6, "login": "ana.ruiz", "firstname": "Ana", "lastname": "Ruiz", "mail": "ana.ruiz@example.com"}
ISSUE = {"id": 3, "project": PROJECT_9, "status": {"id": 1, "is_closed": False}, "subject": "Build"}
OURS = {"projects": [{**project(9, "prj_1"), "custom_fields": [{"id": 4, "name": "Legal entity", "value": "ES01"}]}]}
AROUND = ((200, {"users": [ANA], "total_count": 1}), (200, {"issues": [ISSUE], "total_count": 1}), (200, OURS))
HOLD = [
    {"id": 11, "name": "Billing hold", "value": "1"},
    {"id": 12, "name": "Billing hold note", "value": "PO missing"},
]
HELD = {**project(9, "prj_1"), "custom_fields": HOLD}
POSTED = NewEntryFeedback(
    entry_id="7",
    state=TimeFeedbackState.posted,
    reference="M2026/0005",
    amount=Money(amount="31.67", currency="EUR"),
    reason="r: x  ",
)


def row(number: int = 7, day: str = "2026-11-24", approval: str | None = "Approved", **other: object) -> dict[str, Any]:
    """Return a time entry as Redmine tells it."""
    fields = [{"id": 13, "name": "Approval", "value": approval}]
    told = {"id": number, "project": PROJECT_9, "issue": {"id": 3}, "user": {"id": 6, "name": "Ana Ruiz"}}
    return told | {"hours": 0.33, "comments": "", "spent_on": day, "updated_on": STAMP, "custom_fields": fields} | other


def page(*rows: dict[str, Any], total: int | None = None) -> tuple[int, object]:
    """Return a page of time entries."""
    return 200, {"time_entries": list(rows), "total_count": len(rows) if total is None else total}


def decoded(told: dict[str, Any]) -> TimeEntry:
    """Return the row as the client reads it."""
    return json.decode(json.encode(told), type=TimeEntry)


def with_fields(**values: str) -> dict[str, Any]:
    """Return a row with these custom fields; `_` stands for a blank."""
    fields = [{"id": 20, "name": name.replace("_", " "), "value": value} for name, value in values.items()]
    return row(custom_fields=fields)


def told_of(new: NewEntryFeedback) -> dict[str, Any]:
    """Return a row that was told this."""
    values = time_mapping.from_feedback(new)
    return with_fields(**{name.replace(" ", "_"): value for name, value in values.items()})


async def test_page_of_time_is_complete_and_tells_where_the_next_one_begins() -> None:
    rows = [row(1, "2026-11-23"), row(2, "2026-11-24"), row(3, "2026-11-24")]
    http = Scripted((200, FIELDS), page(*rows, total=9), *AROUND)

    found = await connected(http).list_time_entries(changed_since=SINCE)

    assert [entry.id for entry in found.items] == ["1", "2", "3"]
    first = found.items[0]
    assert (first.legal_entity, first.project_id, first.task_id, first.task_name) == ("ES01", "9", "3", "Build")
    assert (first.resource_email, first.hours, first.minutes, first.description) == (ANA["mail"], "0.33", None, None)
    assert (first.approval.state, first.approval.approved_by) == (ApprovalState.approved, None)
    assert found.after == "2026-11-24/2"
    assert "from=2026-09-24" in http.calls[1]  # 62 days before.


async def test_page_within_one_day_goes_on_behind_it() -> None:
    rows = [row(1, "2026-11-24"), row(2, "2026-11-24")]
    http = Scripted((200, FIELDS), page(*rows, total=9), *AROUND)

    found = await connected(http).list_time_entries(changed_since=SINCE, after="2026-11-24/2", limit=2)

    assert found.after == "2026-11-24/4"
    assert "offset=2" in http.calls[1]


@pytest.mark.parametrize(("rows", "total"), [([row()], 1), ([], 9)])
async def test_last_page_of_time_says_so(rows: list[dict[str, Any]], total: int) -> None:
    http = Scripted((200, FIELDS), page(*rows, total=total), *AROUND)

    assert (await connected(http).list_time_entries(changed_since=SINCE)).after is None


@pytest.mark.parametrize("after", ["2026-11-24", "today/1", "2026-11-24/x"])
async def test_cursor_that_is_none_of_ours_is_refused(after: str) -> None:
    with pytest.raises(Refused) as refused:
        await connected(Scripted()).list_time_entries(changed_since=SINCE, after=after)

    assert refused.value.code is Code.request_cursor_invalid


async def test_approval_that_is_no_filter_knows_nothing() -> None:
    http = Scripted((200, FIELDS), (200, FIELDS), page(row(approval="Submitted")))

    with pytest.raises(Unavailable) as unavailable:
        await connected(http).list_time_entries(changed_since=SINCE, approval=ApprovalState.approved)

    assert "filter" in unavailable.value.detail


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (None, ApprovalState.open),
        ("", ApprovalState.open),
        ("Open", ApprovalState.open),
        ("Submitted", ApprovalState.submitted),
        ("Rejected", ApprovalState.rejected),
        ("Invoiced", ApprovalState.approved),
    ],
)
def test_approval_is_what_the_list_says(said: str | None, state: ApprovalState) -> None:
    assert time_mapping.approval_of(decoded(row(approval=said)), APPROVALS) is state


def test_approval_that_nobody_mapped_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        time_mapping.approval_of(decoded(row(approval="Waived")), APPROVALS)

    assert refused.value.code is Code.mapping_missing


@pytest.mark.parametrize(("said", "expected"), [("1", "True"), ("0", "False"), ("", "None")])
def test_billable_is_what_a_field_of_people_says(said: str, expected: str) -> None:
    nothing = time_mapping.Surroundings(addresses={}, subjects={}, entities={})

    entry = time_mapping.to_entry(decoded(with_fields(Billable=said)), nothing, APPROVALS)

    assert str(entry.billable) == expected
    assert (entry.resource_email, entry.task_name, entry.legal_entity) == (None, None, None)


def test_feedback_makes_no_other_version_and_hours_do() -> None:
    nothing = time_mapping.Surroundings(addresses={}, subjects={}, entities={})
    plain, told, longer = [
        time_mapping.to_entry(decoded(each), nothing, APPROVALS).version
        for each in (
            row(custom_fields=[]),
            {**with_fields(Billing_feedback="state: posted"), "updated_on": "2026-11-25T10:00:00Z"},
            row(custom_fields=[], hours=0.34),
        )
    ]

    assert plain == told
    assert plain != longer


async def test_surroundings_are_read_to_their_ends() -> None:
    strangers = [{**ANA, "id": number, "mail": None} for number in range(101, 201)]
    people = ({"users": each, "total_count": 101} for each in (strangers, [ANA]))
    others = [project(number, f"prj_{number}") for number in range(101, 201)]
    around = ((200, {"projects": others}), (200, OURS))
    http = Scripted((200, FIELDS), page(row()), *((200, each) for each in people), AROUND[1], *around)

    (entry,) = (await connected(http).list_time_entries(changed_since=SINCE)).items

    assert (entry.resource_email, entry.legal_entity) == ("ana.ruiz@example.com", "ES01")
    assert [call for call in http.calls if "offset=100" in call] == [http.calls[3], http.calls[6]]


async def test_entry_without_an_issue_has_no_task() -> None:
    told = row(issue=None)
    people, ours = AROUND[0], AROUND[2]
    http = Scripted((200, {"time_entry": told}), (200, FIELDS), people, ours)

    entries = await connected(http).get_time_entries(["7"])

    assert (entries["7"].task_id, entries["7"].task_name) == (None, None)


async def test_entries_are_asked_for_one_by_one_and_gaps_are_left_out() -> None:
    http = ByPath(lambda path: (404, b"") if path.endswith("/5.json") else (200, {"time_entry": row()}), AROUND)

    entries = await connected(http).get_time_entries(["7", "5", "07", "x"])

    assert set(entries) == {"7"}
    assert [call for call in http.calls if "time_entries" in call] == [
        "GET /time_entries/5.json",
        "GET /time_entries/7.json",
    ]


async def test_entry_that_may_not_be_read_does_not_pass_for_one_that_is_gone() -> None:
    with pytest.raises(Unavailable):
        await connected(Scripted((403, b""))).get_time_entries(["7"])


async def test_totals_read_on_to_the_end() -> None:
    first = [row(number, "2026-11-24", hours=0.33) for number in range(1, 101)]
    http = Scripted((200, FIELDS), (200, FIELDS), page(*first, total=101), page(row(101, "2026-11-24"), total=101))

    (total,) = await connected(http).list_time_totals(date(2026, 11, 24), date(2026, 11, 24))

    assert (total.count, Decimal(total.hours), len(total.entry_ids)) == (101, Decimal("33.33"), 101)
    assert "to=2026-11-24" in http.calls[2]
    assert "offset=100" in http.calls[3]


@pytest.mark.parametrize("shown", ["", "posted", "state: paid", "posted by Ana: see below"])
async def test_field_that_people_wrote_in_is_no_feedback(shown: str) -> None:
    told = with_fields(Billing_feedback=shown)

    assert await connected(Scripted((200, {"time_entry": told}))).find_time_feedback(["7"]) == {}


def test_feedback_is_read_back_as_it_was_written() -> None:
    assert time_mapping.to_feedback(decoded(told_of(POSTED))) == time_mapping.shown(POSTED)
    assert time_mapping.from_feedback(POSTED)["ERP reference"] == "M2026/0005"


WORDS = st.from_regex(r"[^\x00-\x1f\x7f]{1,60}", fullmatch=True)


@given(st.sampled_from(TimeFeedbackState), st.none() | WORDS, st.none() | WORDS)
def test_whatever_feedback_says_is_read_back(
    state: TimeFeedbackState, reference: str | None, reason: str | None
) -> None:
    new = NewEntryFeedback(entry_id="7", state=state, reference=reference or UNSET, reason=reason or UNSET)

    assert time_mapping.to_feedback(decoded(told_of(new))) == time_mapping.shown(new)


async def test_feedback_tells_of_each_entry_what_came_of_it() -> None:
    ignored = NewEntryFeedback(entry_id="8", state=TimeFeedbackState.ignored)
    strange = NewEntryFeedback(entry_id="x", state=TimeFeedbackState.ignored)
    http = Scripted((200, FIELDS), (204, b""), (404, b""), (200, {"time_entry": told_of(POSTED)}))

    outcomes = await connected(http).write_time_feedback([POSTED, ignored, strange])

    assert isinstance(outcomes["7"], TimeFeedback)
    refusals = [outcomes["8"], outcomes["x"]]
    assert [each.code for each in refusals if isinstance(each, Refused)] == [Code.resource_not_found] * 2
    assert http.calls[1:3] == ["PUT /time_entries/7.json", "PUT /time_entries/8.json"]


async def test_feedback_that_redmine_passed_over_is_told_and_its_fields_are_asked_for_again() -> None:
    told = {"time_entry": told_of(POSTED)}
    http = Scripted((200, FIELDS), (204, b""), (200, {"time_entry": row()}), (200, FIELDS), (204, b""), (200, told))
    port = connected(http)

    with pytest.raises(Refused) as refused:
        await port.write_time_feedback([POSTED])

    assert refused.value.code is Code.upstream_conflict_stale
    assert await port.write_time_feedback([POSTED]) == {"7": time_mapping.shown(POSTED)}


async def test_entry_that_is_deleted_right_after_it_was_told_is_no_matter() -> None:
    http = Scripted((200, FIELDS), (204, b""), (404, b""))

    assert await connected(http).write_time_feedback([POSTED]) == {"7": time_mapping.shown(POSTED)}


@pytest.mark.parametrize(
    ("before", "family"), [([], Unavailable), ([(404, b"")], Unavailable), ([(204, b"")], Uncertain)]
)
async def test_feedback_that_breaks_off_is_uncertain_once_something_was_written(
    before: list[tuple[int, object]], family: type[Exception]
) -> None:
    others = [NewEntryFeedback(entry_id=str(number), state=TimeFeedbackState.ignored) for number in (8, 9)]
    http = Scripted((200, FIELDS), *before, (401, b""))

    with pytest.raises(family):
        await connected(http).write_time_feedback(others[-1 - len(before) :])


async def test_note_on_a_project_without_a_wiki_says_what_to_switch_on() -> None:
    new = NewBillingNote(business_key="inv_1", text="posted")
    port = connected(Scripted(*[(200, {"project": project(9, "prj_1")})] * 2))
    for asked in (partial(port.find_billing_note, "9", "inv_1"), partial(port.write_billing_note, "9", new)):
        with pytest.raises(Refused) as refused:
            await asked()

        assert "Wiki" in refused.value.detail


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("key: inv_1\r\n\r\nposted", "posted"),
        ("key: inv_1\n\n one\n\ntwo ", " one\n\ntwo "),
        ("posted", None),
        ("key: inv_2\n\nposted", None),
    ],
)
async def test_page_is_a_note_while_it_carries_the_key(text: str, found: str | None) -> None:
    with_wiki = {**project(9, "prj_1"), "enabled_modules": [{"id": 1, "name": "wiki"}]}
    answer = {"wiki_page": {"title": "Billing_inv_1", "text": text}}
    http = Scripted((200, {"project": with_wiki}), (200, answer))

    note = await connected(http).find_billing_note("9", "inv_1")

    assert (note.text if note else None) == found


async def test_wiki_that_may_not_be_read_knows_nothing() -> None:
    with_wiki = {**project(9, "prj_1"), "enabled_modules": [{"id": 1, "name": "wiki"}]}

    with pytest.raises(Unavailable):
        await connected(Scripted((200, {"project": with_wiki}), (403, b""))).find_billing_note("9", "inv_1")


async def test_hold_changes_two_fields_and_nothing_else() -> None:
    http = Scripted((200, {"project": project(9, "prj_1")}), (200, FIELDS), (204, b""), (200, {"project": HELD}))

    flag = await connected(http).set_hold_flag("9", NewHoldFlag(held=True, note="PO missing"))

    assert (flag.held, flag.note) == (True, "PO missing")
    assert http.calls[-2] == "PUT /projects/9.json"


async def test_hold_that_redmine_passed_over_is_told() -> None:
    plain = {"project": project(9, "prj_1")}
    http = Scripted((200, plain), (200, FIELDS), (204, b""), (200, plain))

    with pytest.raises(Refused) as refused:
        await connected(http).set_hold_flag("9", NewHoldFlag(held=True))

    assert refused.value.code is Code.upstream_conflict_stale


async def test_hold_that_cannot_be_read_back_is_uncertain() -> None:
    http = Scripted((200, {"project": project(9, "prj_1")}), (200, FIELDS), (204, b""), (404, b""))

    with pytest.raises(Uncertain):
        await connected(http).set_hold_flag("9", NewHoldFlag(held=True))


class ByPath:
    """Answers time entries by their path, and everything around them in turn."""

    def __init__(self, entries: Callable[[str], tuple[int, object]], around: tuple[tuple[int, object], ...]) -> None:
        self._entries, self._around = entries, Scripted((200, FIELDS), *around)
        self.calls: list[str] = []

    async def call(self, method: str, url: str, **details: Unpack[Details]) -> Response:
        """Return the answer."""
        path = url.removeprefix("http://redmine.example")
        self.calls.append(f"{method} {path}")
        if not path.startswith("/time_entries"):
            return await self._around.call(method, url, **details)
        status, body = self._entries(path)
        return Response(status=status, content=body if isinstance(body, bytes) else json.encode(body))
