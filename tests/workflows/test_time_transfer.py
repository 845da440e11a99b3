"""The transfer of time as people in the PSA and in finance meet it; the ERP's books say what became of it."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from openapi.common.types import Code
from tests.fakes.vendor import Fault
from tests.workflows.time_stage import SALE, TimeStage, line


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[TimeStage]:
    stage = TimeStage(sqlite_url)
    async with stage.working():
        yield stage
    await stage.close()


async def test_approved_time_is_posted_as_cost_and_sale_and_told(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project(), minutes=20)

    run = await stage.transferred()

    assert await stage.amounts() == {
        "tb_delivery_1_r1_cost": "12.67 posted non_billable",
        "tb_delivery_1_r1_sale": "40.00 posted ready",
    }
    assert stage.balance(SALE[0]) == Decimal("40.00")
    assert await stage.stands() == ["1 r1 approved posted ready"]
    assert stage.told(entry.id) == ["posted 40.00"]
    assert (run.counts.read, run.counts.posted, run.counts.told, run.counts.in_doubt) == (1, 1, 1, 0)
    assert [one.posted.amount for one in run.amounts] == ["40.00"]


async def test_time_that_nobody_approved_is_left(stage: TimeStage) -> None:
    stage.psa.book_time(await stage.project(), 60)

    await stage.transferred()

    assert await stage.entries() == []


async def test_second_run_posts_and_tells_nothing_twice(stage: TimeStage) -> None:
    stage.psa.feedback_changes_entries = True
    entry = stage.booked(await stage.project())
    await stage.transferred()
    stage.clock.forward(60)

    await stage.transferred()

    assert len(stage.erp.transactions) == 2
    assert stage.told(entry.id) == ["posted 120.00"]


async def test_unfit_entry_waits_for_somebody_while_its_siblings_post(stage: TimeStage) -> None:
    project = await stage.project()
    stage.booked(project)
    stage.booked(project, minutes=30 * 60)

    run = await stage.transferred()

    assert await stage.stands() == ["1 r1 approved posted ready", "2 r1 approved rejected_validation unbilled"]
    (item,) = await stage.items()
    assert (item.code, item.trace_key) == (Code.quantity_out_of_range, "tb_delivery_2")
    assert stage.told("2") == ["rejected -"]
    assert (run.counts.posted, run.counts.rejected) == (1, 1)


async def test_mended_entry_posts_and_its_item_closes_by_itself(stage: TimeStage) -> None:
    project = await stage.project()
    entry = stage.booked(project, minutes=30 * 60)
    await stage.transferred()
    stage.psa.edit(entry.id, minutes=60)

    await stage.transferred()

    assert await stage.items() == []
    assert stage.told(entry.id) == ["rejected -", "posted 120.00"]
    assert await stage.stands() == ["1 r1 superseded cancelled unbilled", "1 r2 approved posted ready"]


async def test_edit_after_the_post_is_a_reversal_and_a_new_revision(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project(line(cap="120.00")))
    await stage.transferred()
    stage.psa.edit(entry.id, minutes=30)

    await stage.transferred()

    assert await stage.amounts() == {
        "tb_delivery_1_r1_cost": "38.00 reversed reversed",
        "tb_delivery_1_r1_sale": "120.00 reversed reversed",
        "tb_delivery_1_r1_cost_rev": "-38.00 posted non_billable",
        "tb_delivery_1_r1_sale_rev": "-120.00 posted non_billable",
        "tb_delivery_1_r2_cost": "19.00 posted non_billable",
        "tb_delivery_1_r2_sale": "60.00 posted ready",
    }
    assert stage.balance(SALE[0]) == Decimal("60.00")
    assert stage.told(entry.id)[-1] == "posted 60.00"


async def test_approval_withdrawn_after_the_post_is_reversed_and_approved_again_posted_anew(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project())
    await stage.transferred()
    stage.psa.recall(entry.id)

    await stage.transferred()
    assert stage.balance(SALE[0]) == 0
    assert await stage.stands() == ["1 r1 recalled reversed reversed"]

    stage.clock.forward(1)
    stage.psa.approve(entry.id)
    await stage.transferred()
    assert stage.balance(SALE[0]) == Decimal("120.00")
    assert stage.told(entry.id) == ["posted 120.00", "reversed -", "posted 120.00"]


async def test_sale_over_the_cap_is_no_posting_and_its_cost_is(stage: TimeStage) -> None:
    project = await stage.project(line(cap="150.00"))
    for _ in range(2):
        stage.booked(project)

    await stage.transferred()

    assert sorted((await stage.amounts()).values()) == [
        "120.00 posted ready",
        "120.00 skipped cap_failed",
        "38.00 posted non_billable",
        "38.00 posted non_billable",
    ]
    assert [item.code for item in await stage.items()] == [Code.contract_cap_exceeded]


async def test_answer_lost_on_the_way_back_posts_once(stage: TimeStage) -> None:
    stage.booked(await stage.project())
    stage.erp.plan("post_billable_transactions", Fault.lost_after)

    run = await stage.transferred()

    assert len(stage.erp.transactions) == 2
    assert run.counts.posted == 1
    assert await stage.stands() == ["1 r1 approved posted ready"]


async def test_recall_of_posted_time_reverses_it_and_the_next_run_leaves_it(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project())
    await stage.transferred()

    recall = await stage.recall(entry.id)

    assert recall.state == "recalled"
    assert stage.balance(SALE[0]) == 0
    assert stage.told(entry.id) == ["posted 120.00", "reversed -"]
    stage.clock.forward(1000)
    await stage.transferred()
    assert stage.balance(SALE[0]) == 0
    assert await stage.stands() == ["1 r1 recall_requested reversed reversed"]


async def test_sweep_finds_what_polling_has_missed_and_what_was_deleted(stage: TimeStage) -> None:
    project = await stage.project()
    gone = stage.booked(project)
    await stage.transferred()
    stage.psa.delete(gone.id)
    missed = stage.booked(project, seen_after_s=3600)
    stage.clock.forward(1800)
    stage.booked(project)
    await stage.transferred()
    stage.clock.forward(1800)
    await stage.transferred()
    assert missed.id not in {one.external_id for one in await stage.entries()}

    run = await stage.transferred(sweep=True)

    assert missed.id in {one.external_id for one in await stage.entries()}
    assert run.counts.requeued == 2
    assert stage.balance(SALE[0]) == Decimal("240.00")
    assert await stage.items() == []


async def test_sweep_looks_at_nothing_twice_that_waits_anyway(stage: TimeStage) -> None:
    project = await stage.project()
    for _ in range(3):
        stage.booked(project)

    run = await stage.transferred(sweep=True)

    assert (run.counts.posted, run.counts.requeued, run.counts.unchanged) == (3, 0, 0)


async def test_entry_refused_for_its_data_is_tried_again_after_a_while(stage: TimeStage) -> None:
    project = await stage.project(linked=False)
    stage.booked(project)
    await stage.transferred()
    assert [item.code for item in await stage.items()] == [Code.project_not_in_erp]

    await stage.transferred()
    stage.clock.forward(1000)
    run = await stage.transferred()

    assert run.counts.requeued == 1
    assert [item.attempts for item in await stage.items()] == [2]
