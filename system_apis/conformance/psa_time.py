"""What every PSA connector must pass: time as people book and approve it."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from gateway.errors import Refused
from openapi.system.psa.v1 import (
    ApprovalState,
    NewTask,
    TimeChanges,
    TimeEntry,
)
from system_apis.conformance.keys import fresh
from system_apis.conformance.psa import STRANGE_IDS, from_a_template, made, today
from system_apis.conformance.psa_tasks import all_tasks, needs, task_made
from system_apis.conformance.target import Booking, PsaTarget


async def a_booking(target: PsaTarget, **other: object) -> Booking:
    """Return twenty minutes on a task of a new project, not booked yet."""
    project = await made(target, from_a_template(target))
    await target.port.open_project(project.id)
    if target.facts.native_template is None:
        await task_made(target, project.id, NewTask(business_key=fresh("tsk"), name="Discovery"))
    (task, *_) = await all_tasks(target, project.id)
    booking = Booking(
        project_id=project.id,
        task_id=task.id,
        person=target.facts.person,
        day=today(),
        minutes=20,
        description="Kick-off: étape 1 发现",
    )
    return replace(booking, **other)


async def entry_of(target: PsaTarget, entry_id: str) -> TimeEntry:
    """Return the entry, which is there."""
    return (await target.port.get_time_entries([entry_id]))[entry_id]


async def changed(
    target: PsaTarget, since: datetime, approval: ApprovalState | None = None, limit: int = 100
) -> list[TimeEntry]:
    """Return what has changed, of all pages."""
    found: list[TimeEntry] = []
    after = None
    while True:
        page = await target.port.list_time_entries(changed_since=since, approval=approval, after=after, limit=limit)
        assert len(page.items) <= limit
        found += page.items
        after = page.after
        if after is None:
            return found


def content(entry: TimeEntry) -> TimeEntry:
    """Return the entry without what may change though nobody has changed the time."""
    return replace(entry, version="", updated_at=datetime.min.replace(tzinfo=UTC))


def minutes_of(entry: TimeEntry) -> Decimal:
    """Return how long it took, as exactly as the PSA knows."""
    return Decimal(entry.hours) * 60 if entry.minutes is None else Decimal(entry.minutes)


async def test_time_is_carried_whole_and_open(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)
    booking = await a_booking(target)
    person = await target.port.find_resource(booking.person)
    project = await target.port.get_project(booking.project_id)
    (task, *_) = await all_tasks(target, booking.project_id)

    entry = await entry_of(target, await target.books.book_time(booking))

    assert (entry.project_id, entry.task_id, entry.task_name) == (booking.project_id, task.id, task.name)
    assert (entry.work_date, entry.description, entry.legal_entity) == (
        booking.day,
        booking.description,
        project.legal_entity,
    )
    assert person is not None
    assert (entry.resource_id, entry.resource_name) == (person.id, person.name)
    assert (entry.resource_email or "").casefold() == booking.person
    assert (entry.approval.state, entry.approval.approved_by) == (ApprovalState.open, None)


@pytest.mark.parametrize("minutes", [1, 15, 20, 45, 425, 480])
async def test_hours_and_minutes_of_an_entry_agree(target: PsaTarget, minutes: int) -> None:
    needs(target.port.capabilities.time_entries)

    entry = await entry_of(target, await target.books.book_time(await a_booking(target, minutes=minutes)))

    assert entry.minutes in {None, minutes}
    assert abs(Decimal(entry.hours) * 60 - minutes) < Decimal("0.31")  # Two decimals of an hour, at worst.


async def test_approval_names_the_approver_and_leaves_the_time_as_it_is(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)
    entry_id = await target.books.book_time(await a_booking(target))
    before = await entry_of(target, entry_id)

    await target.books.approve(entry_id)
    after = await entry_of(target, entry_id)

    assert after.approval.state is ApprovalState.approved
    assert after.approval.approved_by == target.facts.approver
    assert after.approval.approved_at is None or after.approval.approved_at >= before.updated_at
    assert content(replace(after, approval=before.approval)) == content(before)
    assert after.updated_at >= before.updated_at


async def test_time_that_was_recalled_is_open_again(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)
    entry_id = await target.books.book_time(await a_booking(target))
    before = await entry_of(target, entry_id)

    await target.books.approve(entry_id)
    await target.books.recall(entry_id)

    assert content(await entry_of(target, entry_id)) == content(before)


async def test_time_that_was_corrected_is_approved_still_and_another_version(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)
    entry_id = await target.books.book_time(await a_booking(target))
    await target.books.approve(entry_id)
    before = await entry_of(target, entry_id)

    await target.books.correct(entry_id, 45)
    after = await entry_of(target, entry_id)

    assert (minutes_of(after), after.approval.state) == (Decimal(45), ApprovalState.approved)
    assert after.version != before.version


async def test_nobody_approves_their_own_time(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)
    entry_id = await target.books.book_time(await a_booking(target))

    allowed = await target.books.approve_own(entry_id)

    assert not allowed
    assert (await entry_of(target, entry_id)).approval.state is ApprovalState.open


async def test_every_change_is_found_from_its_moment_on(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)
    booking = await a_booking(target)
    entry_ids = [await target.books.book_time(booking) for _ in range(3)]
    await target.books.approve(entry_ids[0])
    moment = (await entry_of(target, entry_ids[1])).updated_at

    found = await changed(target, moment)

    assert [entry for entry in found if entry.id in entry_ids] == [
        await entry_of(target, entry.id) for entry in found if entry.id in entry_ids
    ]
    assert {entry.id for entry in found} >= set(entry_ids)
    if target.port.capabilities.time_changes is TimeChanges.watermark:
        assert [entry.id for entry in found][-3:] == [entry_ids[1], entry_ids[2], entry_ids[0]]
        assert all(entry.updated_at >= moment for entry in found)


async def test_change_of_old_time_is_found_too(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)
    booking = await a_booking(target, day=today() - timedelta(days=20))
    entry_id = await target.books.book_time(booking)

    found = await changed(target, datetime.combine(today(), time(), UTC))

    assert entry_id in {entry.id for entry in found}


async def test_what_is_to_come_has_not_changed_yet(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_changes is TimeChanges.watermark)
    await target.books.book_time(await a_booking(target))

    assert await changed(target, datetime.now(UTC) + timedelta(hours=1)) == []


async def test_pages_of_changes_show_each_entry_once_and_in_order(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)
    booking = await a_booking(target)
    entry_ids = [await target.books.book_time(booking) for _ in range(5)]
    moment = (await entry_of(target, entry_ids[0])).updated_at
    whole = await changed(target, moment)

    found = await changed(target, moment, limit=max(2, len(whole) // 3))

    assert found == whole
    assert len({entry.id for entry in found}) == len(found)
    assert [entry.id for entry in found if entry.id in entry_ids] == entry_ids


async def test_changes_of_one_approval_leave_the_others_out(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)
    booking = await a_booking(target)
    kept, left = [await target.books.book_time(booking) for _ in range(2)]
    await target.books.approve(kept)
    moment = (await entry_of(target, left)).updated_at

    by_state = {state: {entry.id for entry in await changed(target, moment, state)} for state in ApprovalState}

    assert kept in by_state[ApprovalState.approved] - by_state[ApprovalState.open]
    assert left in by_state[ApprovalState.open] - by_state[ApprovalState.approved]
    assert not {kept, left} & (by_state[ApprovalState.submitted] | by_state[ApprovalState.rejected])


async def test_cursor_of_another_list_is_refused(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)

    with pytest.raises(Refused):
        await target.port.list_time_entries(changed_since=datetime.now(UTC), after="elsewhere")


async def test_entries_that_are_not_there_are_left_out(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)
    booking = await a_booking(target)
    kept, deleted = [await target.books.book_time(booking) for _ in range(2)]
    await target.books.delete_time(deleted)

    found = await target.port.get_time_entries([*STRANGE_IDS, deleted, kept])

    assert set(found) == {kept}
    assert await target.port.get_time_entries([]) == {}


async def test_totals_are_those_of_approved_time_by_project_and_day(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)
    booking = await a_booking(target, minutes=45)
    earlier = replace(booking, day=booking.day - timedelta(days=1), minutes=30)
    entry_ids = [await target.books.book_time(each) for each in (booking, booking, booking, earlier, earlier)]
    for entry_id in entry_ids[1:]:
        await target.books.approve(entry_id)
    await target.books.recall(entry_ids[4])

    rows = await target.port.list_time_totals(earlier.day, booking.day)
    alone = await target.port.list_time_totals(booking.day, booking.day)

    ours = {row.work_date: row for row in rows if row.project_id == booking.project_id}
    assert {day: (row.count, Decimal(row.hours), set(row.entry_ids)) for day, row in ours.items()} == {
        booking.day: (2, Decimal("1.5"), set(entry_ids[1:3])),
        earlier.day: (1, Decimal("0.5"), {entry_ids[3]}),
    }
    assert ours[booking.day] in alone
    assert earlier.day not in {row.work_date for row in alone}


async def test_totals_of_days_without_time_are_none(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_entries)

    assert await target.port.list_time_totals(date(2001, 1, 1), date(2001, 1, 31)) == []
