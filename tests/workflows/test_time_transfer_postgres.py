"""The transfer of time on both databases: several stories in a row, the same books at their end."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from process_apis.ledger.facts import Fact, Posting
from process_apis.time_transfer import reversing
from tests.workflows.time_stage import COST, SALE, TimeStage, line


async def test_books_and_facts_agree_on_either_database(url: str) -> None:
    stage = TimeStage(url, batch_entries=3)
    project = await stage.project(line(cap="1000.00"))
    entries = [stage.booked(project, minutes=20) for _ in range(7)]
    stage.booked(project, minutes=30 * 60)
    async with stage.working():
        await stage.transferred()
        stage.psa.edit(entries[0].id, minutes=40)
        stage.psa.recall(entries[1].id)
        await stage.transferred()
        await stage.recall(entries[2].id)
        stage.clock.forward(1000)
        run = await stage.transferred(sweep=True)

    facts = [fact for fact in await stage.facts() if fact.posting in {Posting.posted, Posting.reversed}]
    sales = sum(Decimal(fact.net) for fact in facts if fact.kind == "unbilled_sale")
    assert sales == stage.balance(SALE[0]) == Decimal("240.00")
    assert sum(Decimal(fact.net) for fact in facts if fact.kind == "cost") == stage.balance(COST[0])
    assert len(await stage.items()) == 1
    assert run.state == "completed"
    await stage.close()


async def test_run_and_recall_that_meet_at_an_entry_reverse_it_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, settled = TimeStage(url), asyncio.Event()
    entry = stage.booked(await stage.project())
    write = reversing.write_reversals

    async def written_late(*args: Any, **kwargs: Any) -> list[Fact]:  # noqa: ANN401 - passed on
        with suppress(TimeoutError):  # A run that waits for the entry is not through before the recall is.
            await asyncio.wait_for(settled.wait(), 1)
        return await write(*args, **kwargs)

    monkeypatch.setattr("process_apis.time_transfer.recalling.write_reversals", written_late)
    async with stage.working():
        await stage.transferred()
        stage.psa.recall(entry.id)
        recall = await stage.recall(entry.id, wait_s=None)
        await stage.transferred()
        settled.set()
        await stage.recalled(recall)

    assert len(stage.erp.transactions) == 4
    assert stage.balance(SALE[0]) == stage.balance(COST[0]) == 0
    await stage.close()
