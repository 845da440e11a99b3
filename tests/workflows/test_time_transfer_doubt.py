"""Postings of which nobody knows for long: they wait by themselves, other time goes on, nothing is sent twice."""

from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from msgspec.structs import replace

from openapi.common.types import Code, Outcome, OwnerQueue
from openapi.system.erp.v1 import BillableTransaction
from tests.fakes.vendor import Fault
from tests.workflows.product_stage import QUICK
from tests.workflows.time_stage import TimeStage

SETTLES_S = 600.0
DEADLINE_S = QUICK.write_deadline_s


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[TimeStage]:
    stage = TimeStage(sqlite_url, leave_doubt_s=0.0)
    stage.erp.capabilities = replace(stage.erp.capabilities, settle_s=SETTLES_S)
    async with stage.working():
        yield stage
    await stage.close()


def posts(stage: TimeStage) -> int:
    """Return how many posts were sent."""
    return stage.erp.calls["post_billable_transactions"]


async def test_posting_that_nobody_knows_of_keeps_no_other_time_waiting(stage: TimeStage) -> None:
    project = await stage.project()
    stage.booked(project)
    stage.erp.plan("post_billable_transactions", Fault.lost_before)
    left = await stage.transferred()
    assert (left.outcome, left.counts.in_doubt, left.counts.posted) == (Outcome.uncertain, 1, 0)
    assert await stage.stands() == ["1 r1 approved in_doubt unbilled"]
    stage.booked(project)

    run = await stage.transferred()

    assert (run.counts.posted, run.counts.in_doubt) == (1, 1)
    assert await stage.stands() == ["1 r1 approved in_doubt unbilled", "2 r1 approved posted ready"]
    assert len(stage.erp.transactions) == 2
    assert await stage.items() == []


async def test_posting_left_is_asked_about_at_its_deadline_and_sent_once_the_erp_has_settled(stage: TimeStage) -> None:
    stage.booked(await stage.project())
    stage.erp.plan("post_billable_transactions", Fault.lost_before)
    await stage.transferred()
    stage.clock.forward(DEADLINE_S)

    await stage.transferred()

    (item,) = await stage.items()
    assert (item.code, item.owner_queue) == (Code.upstream_timeout_uncertain, OwnerQueue.Finance_Ops)
    assert item.amount_at_risk is not None
    assert (item.amount_at_risk.amount, item.deadline is not None) == ("120.00", True)
    assert (await stage.stands(), posts(stage)) == (["1 r1 approved in_doubt unbilled"], 1)
    stage.clock.forward(SETTLES_S)

    done = await stage.transferred()

    assert (done.outcome, done.counts.posted, done.counts.in_doubt) == (Outcome.applied, 1, 0)
    assert (await stage.stands(), await stage.items()) == (["1 r1 approved posted ready"], [])
    assert (len(stage.erp.transactions), posts(stage)) == (2, 2)


async def test_posting_left_that_arrived_is_found_and_not_sent_again(stage: TimeStage) -> None:
    stage.booked(await stage.project())
    stage.erp.lag_s = 60.0
    stage.erp.plan("post_billable_transactions", Fault.lost_after)
    await stage.transferred()
    stage.clock.forward(60.0)

    await stage.transferred()

    assert await stage.stands() == ["1 r1 approved posted ready"]
    assert (len(stage.erp.transactions), posts(stage)) == (2, 1)


async def test_erp_that_cannot_be_asked_about_what_was_left_keeps_its_entry_waiting_alone(stage: TimeStage) -> None:
    stage.booked(await stage.project())
    stage.erp.plan("post_billable_transactions", Fault.lost_after)
    await stage.transferred()
    stage.erp.search_away = True

    run = await stage.transferred()

    assert (run.counts.in_doubt, await stage.stands()) == (1, ["1 r1 approved in_doubt unbilled"])
    stage.erp.search_away = False
    await stage.transferred()
    assert (await stage.stands(), posts(stage)) == (["1 r1 approved posted ready"], 1)


async def test_reversal_left_in_doubt_is_asked_about_and_mends_itself(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project())
    await stage.transferred()
    stage.psa.edit(entry.id, minutes=30)
    stage.erp.plan("post_billable_transactions", Fault.lost_before)
    await stage.transferred()
    stage.clock.forward(DEADLINE_S)
    await stage.transferred()
    assert [item.code for item in await stage.items()] == [Code.upstream_timeout_uncertain]
    stage.clock.forward(SETTLES_S)

    await stage.transferred()

    assert (await stage.items(), len(stage.erp.transactions)) == ([], 6)
    assert await stage.stands() == ["1 r1 superseded reversed reversed", "1 r2 approved posted ready"]


async def test_looks_that_take_long_count_towards_the_deadline(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = TimeStage(sqlite_url, leave_doubt_s=10 * DEADLINE_S)
    find, looks = stage.erp.find_billable_transactions, 0

    async def slow(keys: Sequence[str]) -> Mapping[str, BillableTransaction]:
        nonlocal looks
        looks += 1
        stage.clock.forward(DEADLINE_S / 2)
        return await find(keys)

    monkeypatch.setattr(stage.erp, "find_billable_transactions", slow)
    stage.erp.capabilities = replace(stage.erp.capabilities, settle_s=SETTLES_S)
    stage.erp.plan("post_billable_transactions", Fault.lost_before)
    stage.booked(await stage.project())
    async with stage.working():
        await stage.transferred()

    assert [item.code for item in await stage.items()] == [Code.upstream_timeout_uncertain]
    assert looks <= 4, "The waits between looks alone would have allowed hundreds."
    await stage.close()


async def test_feedback_that_the_psa_may_not_have_heard_is_told_by_a_later_run(stage: TimeStage) -> None:
    stage.psa.capabilities = replace(stage.psa.capabilities, settle_s=SETTLES_S)
    stage.booked(await stage.project())
    stage.psa.plan("write_time_feedback", Fault.lost_before)
    assert (await stage.transferred()).outcome is Outcome.uncertain
    assert stage.told("1") == []
    stage.clock.forward(DEADLINE_S)
    await stage.transferred()
    (item,) = await stage.items()
    assert (item.step, item.code) == ("write_time_feedback", Code.upstream_timeout_uncertain)
    stage.clock.forward(SETTLES_S)

    await stage.transferred()

    assert (stage.told("1"), await stage.items()) == (["posted 120.00"], [])
