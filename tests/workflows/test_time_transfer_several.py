"""Time of one PSA that goes into several ERPs: one that is away keeps the time of the others from nothing."""

from collections.abc import AsyncIterator

import pytest

from openapi.common.types import Code, OwnerQueue
from openapi.process.time_transfer.v1 import RunState
from system_apis.landscape import Configured
from tests.fakes.erp import FakeErp
from tests.fakes.vendor import Fault
from tests.workflows.time_stage import TimeStage


class Several(TimeStage):
    """A stage with books of its own for DE01."""

    def __init__(self, url: str) -> None:
        super().__init__(url, leave_doubt_s=0.0)
        self.german = FakeErp(clock=self.clock)
        self.landscape = Configured(
            erps={"books": self.erp, "german": self.german},
            psas={"delivery": self.psa},
            erp_of={"ES01": "books", "DE01": "german"},
            psa_of=dict.fromkeys(self.entities, "delivery"),
        )


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[Several]:
    stage = Several(sqlite_url)
    async with stage.working():
        yield stage
    await stage.close()


async def test_time_of_others_is_posted_while_one_erp_is_away(stage: Several) -> None:
    stage.german.away = True
    stage.booked(await stage.project())

    await stage.transferred()

    assert await stage.stands() == ["1 r1 approved posted ready"]
    (item,) = await stage.items()
    assert (item.code, item.owner_queue, item.legal_entity) == (
        Code.upstream_unavailable,
        OwnerQueue.Integration,
        "DE01",
    )
    assert item.deadline is not None


async def test_time_waits_for_its_erp_and_is_posted_once_that_is_there(stage: Several) -> None:
    project = await stage.project()
    stage.erp.away = True
    entry = stage.booked(project)

    await stage.transferred()
    waiting, told = await stage.stands(), stage.told(entry.id)
    stage.erp.away = False
    await stage.transferred()

    assert (waiting, told) == (["1 r1 approved queued unbilled"], [])
    assert await stage.stands() == ["1 r1 approved posted ready"]
    assert await stage.items() == []


async def test_change_that_waits_for_the_erp_keeps_what_was_posted_from_being_billed(stage: Several) -> None:
    entry = stage.booked(await stage.project())
    await stage.transferred()
    stage.erp.away = True
    stage.psa.edit(entry.id, minutes=30)
    await stage.transferred()
    blocked = {fact.code for fact in await stage.facts()}
    stage.erp.away = False

    await stage.transferred()

    assert blocked == {Code.entry_edited_after_post}
    assert await stage.stands() == ["1 r1 superseded reversed reversed", "1 r2 approved posted ready"]


async def test_time_that_is_withdrawn_is_reversed_once_its_erp_is_there(stage: Several) -> None:
    entry = stage.booked(await stage.project())
    await stage.transferred()
    stage.erp.away = True
    stage.psa.recall(entry.id)
    await stage.transferred()
    asked = {item.step: item.code for item in await stage.items()}
    stage.erp.away = False
    stage.clock.forward(stage.settings.retry_rejected_s)

    await stage.transferred()

    assert asked == dict.fromkeys(("read_periods", "transfer_entry"), Code.upstream_unavailable)
    assert await stage.stands() == ["1 r1 recalled reversed reversed"]
    assert await stage.items() == []


async def test_erp_that_goes_away_under_way_is_left_and_asked_again(stage: Several) -> None:
    stage.booked(await stage.project())
    stage.erp.plan("post_billable_transactions", *[Fault.unavailable] * 10)
    stage.erp.plan("find_billable_transactions", *[Fault.unavailable] * 10)

    left = await stage.transferred()
    waiting = await stage.stands()
    stage.erp.forget_plans()
    await stage.transferred()

    assert (left.state, waiting) == (RunState.completed, ["1 r1 approved in_doubt unbilled"])
    assert await stage.stands() == ["1 r1 approved posted ready"]
    assert len(stage.erp.transactions) == 2


async def test_run_parks_where_no_erp_is_there(stage: Several) -> None:
    stage.erp.away = stage.german.away = True
    stage.booked(await stage.project())

    run = await stage.run()

    assert (run.state, run.current_step) == (RunState.parked, "read_periods")
