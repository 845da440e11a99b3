"""Handlers of time: what has changed, in its order and for whom; what each entry shows of its billing."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from gateway.caller import INSTALLATION, Caller
from gateway.errors import Unavailable, Uncertain
from openapi.common.types import Code, Money, Outcome
from openapi.system.psa.v1 import (
    ApprovalState,
    FeedbackOutcomes,
    NewEntryFeedback,
    NewTimeFeedback,
    TimeChanges,
    TimeEntryPage,
    TimeFeedbackState,
    TimeTotals,
)
from system_apis.psa import v1 as psa_api
from tests.fakes.psa_time import CHLOE
from tests.fakes.vendor import Fault
from tests.system_stage import CURSORS, NOBODY, SPAIN, Stage, refusal

MORNING = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
EUROS = Money(amount="60.00", currency="EUR")


@pytest.fixture(autouse=True)
def projects(stage: Stage) -> None:
    """Make a project of each entity."""
    stage.psa.make_project("P-1")
    stage.psa.make_project("P-2", "DE01")


async def listed(
    stage: Stage,
    since: datetime = MORNING,
    approval: ApprovalState | None = None,
    caller: Caller = SPAIN,
    limit: int = 20,
    cursor: str | None = None,
) -> TimeEntryPage:
    """Return a page of what has changed."""
    return await psa_api.list_time_entries(
        psa=stage.psa,
        caller=caller,
        cursors=CURSORS,
        changed_since=since,
        approval=approval,
        limit=limit,
        cursor=cursor,
    )


async def totals(stage: Stage, caller: Caller = INSTALLATION, last: date = date(2026, 11, 30)) -> TimeTotals:
    """Return the totals of November."""
    return await psa_api.list_time_totals(psa=stage.psa, caller=caller, first=date(2026, 11, 1), last=last)


async def test_time_is_listed_by_its_change_however_often_it_changes(stage: Stage) -> None:
    first, second = stage.psa.book_time("1", 20), stage.psa.book_time("1", 90)
    stage.clock.forward(60)
    stage.psa.approve(first.id)

    page = await listed(stage)
    later = await listed(stage, stage.clock())
    approved = await listed(stage, approval=ApprovalState.approved)

    assert [one.id for one in page.items] == [second.id, first.id]
    assert [one.id for one in later.items] == [one.id for one in approved.items] == [first.id]
    assert (later.items[0].minutes, later.items[0].hours) == (20, "0.3333")
    assert later.items[0].approval.approved_by == CHLOE
    assert later.items[0].updated_at == stage.clock() == later.items[0].approval.approved_at


async def test_page_goes_on_behind_the_last_entry_although_the_list_changes(stage: Stage) -> None:
    entries = [stage.psa.book_time("1", minutes) for minutes in (20, 30, 40, 50)]
    first = await listed(stage, limit=2)
    stage.clock.forward(60)
    stage.psa.edit(entries[0].id, minutes=25)

    last = await listed(stage, limit=2, cursor=first.next_cursor)
    rest = await listed(stage, limit=2, cursor=last.next_cursor)

    seen = [one.minutes for page in (first, last, rest) for one in page.items]
    assert seen == [20, 30, 40, 50, 25]
    assert rest.next_cursor is None
    other_filter = refusal(listed(stage, since=stage.clock(), cursor=first.next_cursor))
    assert (await other_filter).code is Code.request_malformed


async def test_row_that_is_committed_late_is_seen_later_and_bears_the_earlier_moment(stage: Stage) -> None:
    late = stage.psa.book_time("1", 20, approved=True, seen_after_s=90)
    stage.clock.forward(30)
    before = await listed(stage)
    stage.clock.forward(60)
    after = await listed(stage)

    assert before.items == []
    assert after.items == [late]
    assert after.items[0].updated_at == MORNING


async def test_time_that_is_taken_back_rejected_or_gone_is_told_as_it_is(stage: Stage) -> None:
    recalled, rejected, deleted = (stage.psa.book_time("1", 20, approved=True).id for _ in range(3))
    stage.psa.recall(recalled)
    stage.psa.reject(rejected)
    stage.psa.delete(deleted)

    page = await listed(stage)

    states = {one.id: one.approval.state for one in page.items}
    assert states == {recalled: ApprovalState.open, rejected: ApprovalState.rejected}
    gone = refusal(psa_api.get_time_entry(psa=stage.psa, caller=SPAIN, entry_id=deleted))
    assert (await gone).code is Code.resource_not_found


async def test_psa_that_knows_no_changes_answers_all_from_that_day_on(stage: Stage) -> None:
    stage.psa.capabilities = replace(stage.psa.capabilities, time_changes=TimeChanges.window)
    stage.psa.keeps_minutes = False
    days = (date(2026, 11, 23), date(2026, 11, 24), date(2026, 12, 1))
    entries = [stage.psa.book_time("1", 20, on=on) for on in days]

    page = await listed(stage)

    assert [one.id for one in page.items] == [one.id for one in entries[1:]]
    assert (page.items[0].minutes, page.items[0].hours) == (None, "0.33")


async def test_time_of_another_entity_is_not_there(stage: Stage) -> None:
    german, spanish = stage.psa.book_time("2", 20, approved=True), stage.psa.book_time("1", 20, approved=True)

    page = await listed(stage)
    asking = psa_api.get_time_entry(psa=stage.psa, caller=SPAIN, entry_id=german.id)

    assert page.items == [spanish]
    assert (await refusal(asking)).code is Code.resource_not_found
    assert await psa_api.get_time_entry(psa=stage.psa, caller=SPAIN, entry_id=spanish.id) == spanish


async def test_totals_count_what_is_approved_of_each_project_and_day(stage: Stage) -> None:
    booked = [("1", 20, 20), ("1", 40, 20), ("1", 480, 21), ("2", 90, 20), ("1", 60, 1)]
    for project_id, minutes, day in booked:
        stage.psa.book_time(project_id, minutes, on=date(2026, 11, day), approved=True)
    stage.psa.book_time("1", 15)
    stage.psa.book_time("1", 15, on=date(2026, 12, 1), approved=True)

    counted = await totals(stage)
    seen = await totals(stage, SPAIN)
    hidden = await totals(stage, NOBODY)

    rows = [(one.project_id, one.work_date.day, one.count, one.hours, one.entry_ids) for one in counted.totals]
    assert rows == [
        ("1", 1, 1, "1", ["5"]),
        ("1", 20, 2, "1.0000", ["1", "2"]),
        ("1", 21, 1, "8", ["3"]),
        ("2", 20, 1, "1.5", ["4"]),
    ]
    assert [one.project_id for one in seen.totals] == ["1"] * 3
    assert hidden.totals == []


async def test_totals_are_no_shorter_because_the_psa_refuses_to_name_a_project(stage: Stage) -> None:
    stage.psa.book_time("1", 20, approved=True)
    stage.psa.plan("get_project", Fault.refused)

    assert (await refusal(totals(stage, SPAIN))).code is Code.upstream_rejected


@pytest.mark.parametrize("last", [date(2026, 10, 31), date(2027, 1, 3)])
async def test_totals_of_too_many_days_or_none_are_refused(stage: Stage, last: date) -> None:
    refused = await refusal(totals(stage, last=last))

    assert refused.code is Code.request_malformed
    assert [(one.code, one.pointer) for one in refused.violations] == [(Code.request_parameter_invalid, "#query/last")]
    assert not stage.psa.calls
    assert (await totals(stage, last=date(2027, 1, 2))).totals == []


def feedback(entry_id: str, state: str = "posted", reference: str | UnsetType = "M2026/0031") -> NewEntryFeedback:
    """Return what is to be shown on an entry."""
    amount = EUROS if state == "posted" else UNSET
    return NewEntryFeedback(entry_id=entry_id, state=TimeFeedbackState(state), reference=reference, amount=amount)


async def tell(stage: Stage, *words: NewEntryFeedback, caller: Caller = SPAIN) -> FeedbackOutcomes:
    """Return what the handler answers."""
    body = NewTimeFeedback(feedback=list(words))
    return await psa_api.write_time_feedback(**stage.on_psa, caller=caller, body=body)


def told(answer: FeedbackOutcomes) -> list[str]:
    """Return of each word that it was applied, or why not."""
    return [one.error.code if one.error else one.outcome for one in answer.outcomes]


async def test_newest_word_replaces_the_one_before_and_is_said_once(stage: Stage) -> None:
    entry = stage.psa.book_time("1", 20)
    words = [feedback(entry.id), feedback(entry.id), feedback(entry.id, "billed", "INV2026/0001"), feedback(entry.id)]

    answers = [await tell(stage, word) for word in words]
    shown = await psa_api.find_time_feedback(psa=stage.psa, caller=SPAIN, entry_id=entry.id)

    assert [told(one) for one in answers] == [[Outcome.applied]] * 4
    assert [one.state for one in stage.psa.feedback[entry.id]] == ["posted", "billed", "posted"]
    assert [(one.state, one.reference, one.amount) for one in shown.items] == [("posted", "M2026/0031", EUROS)]


async def test_word_without_an_amount_is_not_the_one_with_it(stage: Stage) -> None:
    entry = stage.psa.book_time("1", 20)
    bare = NewEntryFeedback(entry_id=entry.id, state=TimeFeedbackState.posted, reference="M2026/0031")

    await tell(stage, feedback(entry.id))
    await tell(stage, bare)

    assert [one.amount for one in stage.psa.feedback[entry.id]] == [EUROS, None]


async def test_feedback_whose_answer_is_lost_is_found_and_not_said_again(stage: Stage) -> None:
    entry = stage.psa.book_time("1", 20)
    stage.psa.plan("write_time_feedback", Fault.lost_after)
    with pytest.raises(Uncertain):
        await tell(stage, feedback(entry.id))

    assert told(await tell(stage, feedback(entry.id))) == [Outcome.applied]
    assert len(stage.psa.feedback[entry.id]) == 1


async def test_entry_that_may_not_be_seen_is_refused_like_one_that_is_not_there(stage: Stage) -> None:
    german, spanish = stage.psa.book_time("2", 20), stage.psa.book_time("1", 20)

    answer = await tell(stage, feedback(german.id), feedback(spanish.id), feedback("77"))
    nothing = await tell(stage, feedback("77"))
    hidden = await psa_api.find_time_feedback(psa=stage.psa, caller=NOBODY, entry_id=spanish.id)

    not_there = Code.resource_not_found
    assert told(answer) == [not_there, Outcome.applied, not_there]
    assert [one.error.pointer for one in answer.outcomes if one.error] == ["#/feedback/0", "#/feedback/2"]
    assert [one.outcome for one in answer.outcomes] == [Outcome.none, Outcome.applied, Outcome.none]
    assert told(nothing) == [not_there]
    assert set(stage.psa.feedback) == {spanish.id}
    assert hidden.items == []


async def test_entry_that_goes_meanwhile_is_refused_by_itself(stage: Stage) -> None:
    going, staying = stage.psa.book_time("1", 20), stage.psa.book_time("1", 30)
    look = stage.psa.find_time_feedback

    async def look_and_lose(entry_ids: Any) -> Any:  # noqa: ANN401 - as the port has it
        found = await look(entry_ids)
        if stage.psa.seen(going.id):
            stage.psa.delete(going.id)
        return found

    stage.psa.find_time_feedback = look_and_lose  # type: ignore[method-assign]

    assert told(await tell(stage, feedback(going.id), feedback(staying.id))) == [
        Code.resource_not_found,
        Outcome.applied,
    ]


async def test_two_words_on_one_entry_are_refused_with_the_place(stage: Stage) -> None:
    refused = await refusal(tell(stage, feedback("1"), feedback("2"), feedback("1", "billed")))

    assert refused.code is Code.request_malformed
    assert [(one.code, one.pointer) for one in refused.violations] == [(Code.entry_duplicate, "#/feedback/2/entry_id")]
    assert not stage.psa.calls


@pytest.mark.parametrize(
    ("capability", "asking"),
    [
        ("time_entries", listed),
        ("time_entries", totals),
        ("time_entries", lambda stage: psa_api.get_time_entry(psa=stage.psa, caller=SPAIN, entry_id="1")),
        ("time_feedback", lambda stage: tell(stage, feedback("1"))),
        ("time_feedback", lambda stage: psa_api.find_time_feedback(psa=stage.psa, caller=SPAIN, entry_id="1")),
    ],
)
async def test_what_the_psa_lacks_is_refused_before_it_is_asked(
    stage: Stage, capability: str, asking: Callable[[Stage], Any]
) -> None:
    stage.psa.capabilities = replace(stage.psa.capabilities, **{capability: False})

    assert (await refusal(asking(stage))).code is Code.capability_missing
    assert not stage.psa.calls


async def test_search_that_is_away_is_no_empty_list(stage: Stage) -> None:
    entry = stage.psa.book_time("1", 20)
    stage.psa.search_away = True
    for asking in (listed(stage), totals(stage), tell(stage, feedback(entry.id))):
        with pytest.raises(Unavailable):
            await asking

    assert not stage.psa.feedback


async def test_feedback_may_change_the_entry_for_whoever_polls(stage: Stage) -> None:
    entry = stage.psa.book_time("1", 20)
    stage.psa.feedback_changes_entries = True
    stage.clock.forward(60)
    await tell(stage, feedback(entry.id))

    assert [one.id for one in (await listed(stage, stage.clock())).items] == [entry.id]
