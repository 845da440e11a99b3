"""The transfer of time on both databases: several stories in a row, the same books at their end."""

from decimal import Decimal

from process_apis.ledger.facts import Posting
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
