"""What is refused of taking time back: a reversal goes again and holds nothing up, and nobody reads of others."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from gateway.caller import INSTALLATION
from gateway.errors import Refused
from gateway.store.work_items import WorkItem
from openapi.common.types import Code
from openapi.process.time_transfer.v1 import RecallState
from openapi.system.erp.v1 import BillableTransaction, NewBillableTransaction
from openapi.system.psa.v1 import NewEntryFeedback, TimeFeedback
from process_apis.ledger import contracts
from process_apis.ledger.entries import tb_time_entry
from process_apis.ledger.facts import Billing, move_facts, tb_fact
from process_apis.ledger.requests import RequestState
from tests.workflows.money_stage import Money
from tests.workflows.time_stage import COST, SALE, TimeStage


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[TimeStage]:
    stage = TimeStage(sqlite_url)
    async with stage.working():
        yield stage
    await stage.close()


@pytest.fixture
async def refusing(stage: TimeStage, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let the ERP refuse reversals, until what this returns is undone."""
    post = stage.erp.post_billable_transactions

    async def refused(
        new: Sequence[NewBillableTransaction],
    ) -> Mapping[str, BillableTransaction | Refused]:
        no = Refused(Code.period_closed, "The period is closed.")
        kept = [one for one in new if not one.business_key.endswith("_rev")]
        made: dict[str, BillableTransaction | Refused] = {**await post(kept)} if kept else {}
        return {one.business_key: made.get(one.business_key, no) for one in new}

    monkeypatch.setattr(stage.erp, "post_billable_transactions", refused)
    return monkeypatch


async def edited(stage: TimeStage) -> str:
    """Return an entry of an hour that is half of one now: the reversal of the hour was refused."""
    entry = stage.booked(await stage.project())
    await stage.transferred()
    stage.psa.edit(entry.id, minutes=30)
    await stage.transferred()
    assert await stage.stands() == ["1 r1 superseded reversal_queued reversed", "1 r2 approved posted ready"]
    assert stage.balance(SALE[0]) == Decimal("180.00")
    return entry.id


async def test_recall_takes_back_what_stands_beside_the_refused_reversal(
    stage: TimeStage, refusing: pytest.MonkeyPatch
) -> None:
    entry_id = await edited(stage)
    refusing.undo()

    recall = await stage.recall(entry_id)

    assert recall.state is RecallState.recalled
    assert stage.balance(SALE[0]) == stage.balance(COST[0]) == 0
    assert await stage.stands() == ["1 r1 superseded reversed reversed", "1 r2 recall_requested reversed reversed"]


async def test_entry_that_is_withdrawn_is_taken_back_although_an_earlier_reversal_is_refused(
    stage: TimeStage, refusing: pytest.MonkeyPatch
) -> None:
    entry_id = await edited(stage)
    stage.psa.recall(entry_id)
    await stage.transferred()
    billing = {fact.billing for fact in await stage.facts() if fact.kind == "unbilled_sale" and fact.reverses is None}
    assert billing == {"reversed"}
    refusing.undo()
    stage.clock.forward(1000)

    await stage.transferred()

    assert stage.balance(SALE[0]) == stage.balance(COST[0]) == 0
    assert await stage.stands() == ["1 r1 superseded reversed reversed", "1 r2 recalled reversed reversed"]
    assert await stage.items() == []


async def test_reversal_that_is_asked_for_is_not_forgotten_once_the_psa_withdraws_the_entry_too(
    stage: TimeStage, refusing: pytest.MonkeyPatch
) -> None:
    entry = stage.booked(await stage.project())
    await stage.transferred()
    await stage.recall(entry.id)
    stage.psa.recall(entry.id)
    await stage.transferred()
    assert await stage.stands() == ["1 r1 recalled reversal_queued reversed"]
    refusing.undo()
    stage.clock.forward(1000)

    await stage.transferred()

    assert stage.balance(SALE[0]) == stage.balance(COST[0]) == 0
    assert await stage.stands() == ["1 r1 recalled reversed reversed"]
    assert await stage.items() == []


async def test_change_that_comes_while_a_posting_is_left_is_looked_at_once_that_is_finished(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project())
    await stage.transferred()
    async with stage.store.begin() as connection:
        await move_facts(connection, stage.store, tb_fact.c.kind == "cost", posting="posting")
        await connection.execute(update(tb_time_entry).values(transfer="posting"))
    stage.psa.edit(entry.id, minutes=30)

    await stage.transferred()

    assert stage.balance(SALE[0]) == Decimal("60.00")
    assert await stage.stands() == ["1 r1 superseded reversed reversed", "1 r2 approved posted ready"]


async def test_payer_reads_nothing_of_the_invoice_of_another_who_pays_for_the_same_time(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project(splits={"4711": "60", "4712": "40"}))
    await stage.transferred()
    sales = {fact.split_percent: fact for fact in await stage.facts() if fact.kind == "unbilled_sale"}
    own, other = sales["60"], sales["40"]
    async with stage.store.begin() as connection:
        (contract,) = await contracts.find_contracts(connection, contracts.tb_contract.c.id == other.contract)
        await move_facts(connection, stage.store, tb_fact.c.id == other.id, billing=Billing.billed.value)
    await Money(stage.store).request(contract, [other], RequestState.posted, customer=other.customer)
    stage.caller = replace(INSTALLATION, customers=frozenset({own.customer}))

    with pytest.raises(Refused) as refused:
        await stage.recall(entry.id)

    assert refused.value.code is Code.entry_already_billed
    assert "inv_" not in refused.value.detail
    assert refused.value.violations == ()


async def test_recall_that_parks_names_no_invoice_of_another_payer(sqlite_url: str) -> None:
    stage = TimeStage(sqlite_url)
    async with stage.working():
        entry = stage.booked(await stage.project(splits={"4711": "60", "4712": "40"}))
        await stage.transferred()
    (other,) = [fact for fact in await stage.facts() if fact.split_percent == "40"]
    await stage.recall(entry.id, wait_s=None)
    async with stage.store.begin() as connection:
        (contract,) = await contracts.find_contracts(connection, contracts.tb_contract.c.id == other.contract)
        await move_facts(connection, stage.store, tb_fact.c.id == other.id, billing=Billing.billed.value)
    await Money(stage.store).request(contract, [other], RequestState.posted, customer=other.customer)

    async with stage.working():
        (item,) = await until_parked(stage)

    assert item.code is Code.entry_already_billed
    assert item.customer != other.customer
    assert "inv_" not in item.detail + item.facts
    await stage.close()


async def until_parked(stage: TimeStage) -> list[WorkItem]:
    """Return the work items once there are any."""
    async with asyncio.timeout(60):
        while not (items := await stage.items()):  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.02)
    return items


async def test_entry_that_is_billed_while_the_psa_is_told_of_its_posting_is_told_as_billed(
    stage: TimeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = stage.booked(await stage.project())
    write = stage.psa.write_time_feedback

    async def written(feedback: Sequence[NewEntryFeedback]) -> Mapping[str, TimeFeedback | Refused]:
        monkeypatch.undo()
        (sale,) = [fact for fact in await stage.facts() if fact.kind == "unbilled_sale"]
        async with stage.store.begin() as connection:
            (contract,) = await contracts.find_contracts(connection, contracts.tb_contract.c.id == sale.contract)
            await move_facts(connection, stage.store, tb_fact.c.id == sale.id, billing=Billing.billed.value)
        await Money(stage.store).request(contract, [sale], RequestState.posted)
        return await write(feedback)

    monkeypatch.setattr(stage.psa, "write_time_feedback", written)
    await stage.transferred()
    await stage.transferred()

    assert stage.told(entry.id) == ["posted 120.00", "billed 120.00"]
    assert stage.psa.feedback[entry.id][-1].reference == "inv_1"


async def test_revision_that_was_refused_and_is_mended_is_never_looked_at_again(stage: TimeStage) -> None:
    mended = stage.booked(await stage.project(), minutes=25 * 60)
    withdrawn = stage.booked(mended.project_id, minutes=26 * 60)
    await stage.transferred()
    stage.psa.edit(mended.id, minutes=60)
    stage.psa.recall(withdrawn.id)
    await stage.transferred()
    stage.clock.forward(1000)

    run = await stage.transferred()

    assert await stage.stands() == [
        "1 r1 superseded cancelled unbilled",
        "1 r2 approved posted ready",
        "2 r1 recalled cancelled unbilled",
    ]
    assert run.counts.requeued == 0


async def test_entry_that_is_taken_back_while_the_psa_is_told_is_told_of_again(
    stage: TimeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = stage.booked(await stage.project())
    write = stage.psa.write_time_feedback

    async def written(feedback: Sequence[NewEntryFeedback]) -> Mapping[str, TimeFeedback | Refused]:
        async with stage.store.begin() as connection:
            await connection.execute(update(tb_time_entry).values(transfer="reversed"))
        return await write(feedback)

    with monkeypatch.context() as patched:
        patched.setattr(stage.psa, "write_time_feedback", written)
        await stage.transferred()
    await stage.transferred()

    assert stage.told(entry.id) == ["posted 120.00", "reversed -"]
