"""What a running Tryton lets people do with time and notes: approvers with their own, and notes that look like ours."""

import pytest

from openapi.system.psa.v1 import ApprovalState, NewEntryFeedback, TimeFeedbackState
from system_apis.conformance.psa_time import a_booking, entry_of
from system_apis.conformance.target import PsaTarget
from tests.servers_tryton import TrytonPsaBooks, tryton_minutes

CHLOE = "chloe.martin@example.com"


@pytest.fixture
def books(psa_target: PsaTarget) -> TrytonPsaBooks:
    """The PSA's own books, with what only Tryton has."""
    assert isinstance(psa_target.books, TrytonPsaBooks)
    return psa_target.books


async def test_approver_who_tags_their_own_time_has_not_approved_it(
    psa_target: PsaTarget, books: TrytonPsaBooks
) -> None:
    entry_id = await books.book_time(await a_booking(psa_target, person=CHLOE))

    await books.approve(entry_id)
    entry = await entry_of(psa_target, entry_id)

    assert (entry.approval.state, entry.approval.approved_by) == (ApprovalState.open, None)
    assert entry.id not in {
        each
        for total in await psa_target.port.list_time_totals(entry.work_date, entry.work_date)
        for each in total.entry_ids
    }


async def test_worker_can_neither_change_nor_delete_what_is_approved(
    psa_target: PsaTarget, books: TrytonPsaBooks
) -> None:
    entry_id = await books.book_time(await a_booking(psa_target))
    await books.approve(entry_id)

    changed = await books.ana.tries("timesheet.line", "write", [int(entry_id)], {"description": "Mine"})
    deleted = await books.ana.tries("timesheet.line", "delete", [int(entry_id)])

    assert (changed, deleted) == (False, False)


async def test_note_of_somebody_else_is_not_taken_for_ours(psa_target: PsaTarget, books: TrytonPsaBooks) -> None:
    entry_id = await books.book_time(await a_booking(psa_target))
    forged = {"resource": f"timesheet.line,{entry_id}", "message": "tiebeam feedback: posted\nreference: M1\n(Tiebeam)"}
    await books.chloe.do("ir.note", "create", [forged])

    found = await psa_target.port.find_time_feedback([entry_id])

    assert found == {}


async def test_feedback_that_was_deleted_with_its_line_is_gone(psa_target: PsaTarget, books: TrytonPsaBooks) -> None:
    entry_id = await books.book_time(await a_booking(psa_target))
    word = NewEntryFeedback(entry_id=entry_id, state=TimeFeedbackState.posted, reference="M1")
    await psa_target.port.write_time_feedback([word])

    await books.delete_time(entry_id)

    assert await psa_target.port.find_time_feedback([entry_id]) == {}


async def test_lines_of_one_transaction_are_paged_by_their_ids(psa_target: PsaTarget, books: TrytonPsaBooks) -> None:
    booking = await a_booking(psa_target)
    first = await books.book_time(booking)
    (line,) = await books.chloe.find("timesheet.line", [["id", "=", int(first)]], "employee", "work", "date")
    minute = {name: line[name] for name in ("employee", "work", "date")} | {"duration": tryton_minutes(1)}
    await books.chloe.do("timesheet.line", "create", [minute] * 5)
    since, after, seen = (await entry_of(psa_target, first)).updated_at, None, []

    while True:
        page = await psa_target.port.list_time_entries(changed_since=since, after=after, limit=2)
        seen += [entry.id for entry in page.items]
        after = page.after
        if after is None:
            break

    assert len(seen) == len(set(seen)) == 6
