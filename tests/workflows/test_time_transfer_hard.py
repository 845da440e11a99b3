"""What goes wrong around the transfer of time: refusals, doubts, closed periods, other hands, workers that die."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec import json
from msgspec.structs import replace
from sqlalchemy import update

from gateway.caller import INSTALLATION
from gateway.durable import get_process
from gateway.errors import Refused
from gateway.platform.operations import v1 as operations
from gateway.store import inbox, work_items
from openapi.common.types import Code, OwnerQueue
from openapi.platform.operations.v1 import Resumption
from openapi.process.time_transfer.v1 import RecallState, RunState
from openapi.system.erp.v1 import BillableTransactions, PeriodState
from openapi.system.psa.v1 import TimeChanges, TimeTotal
from process_apis.ledger import contracts
from process_apis.ledger.caps import committed
from process_apis.ledger.entries import tb_time_entry
from process_apis.ledger.facts import Adjustment, Billing, Kind, move_facts, tb_fact
from process_apis.ledger.requests import RequestState, tb_invoice_request_fact
from process_apis.time_transfer import preparing, runs, schedules
from process_apis.time_transfer.known import Known
from process_apis.time_transfer.order import TransferOrder, source_of
from process_apis.time_transfer.rules import Verdict, judge
from process_apis.time_transfer.workflow import transfer_time
from tests.fakes.psa import CAPABILITIES
from tests.fakes.vendor import Fault
from tests.workflows.money_stage import Money
from tests.workflows.time_stage import COST, SALE, WORKED_ON, TimeStage, line


@pytest.fixture
async def idle(sqlite_url: str) -> AsyncIterator[TimeStage]:
    stage = TimeStage(sqlite_url)
    yield stage
    await stage.close()


@pytest.fixture
async def stage(idle: TimeStage) -> AsyncIterator[TimeStage]:
    async with idle.working():
        yield idle


async def until(holds: Callable[[], Any]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.02)


def lose(stage: TimeStage, fault: Fault) -> None:
    """Let the next post be lost, and what was lost not be found until the plans are forgotten."""
    stage.erp.plan("post_billable_transactions", fault)
    stage.erp.plan("find_billable_transactions", None, *[Fault.unavailable] * 500)


async def test_entry_says_in_doubt_while_nobody_knows(stage: TimeStage) -> None:
    stage.booked(await stage.project())
    lose(stage, Fault.lost_before)
    working = await stage.run(wait_s=None)

    async def doubted() -> bool:
        return await stage.stands() == ["1 r1 approved in_doubt unbilled"]

    await until(doubted)
    run = await stage.seen(working.id)
    assert run.counts.in_doubt == 1
    process = await get_process(stage.store, INSTALLATION, run.id)
    assert process.amount is not None, "Should it park, its work item says how much is at risk."
    assert [process.amount.amount] == [fact.net for fact in await stage.facts() if fact.kind is Kind.sale]
    stage.erp.forget_plans()

    async def completed() -> bool:
        return (await stage.seen(working.id)).state is RunState.completed

    await until(completed)
    assert len(stage.erp.transactions) == 2
    assert await stage.stands() == ["1 r1 approved posted ready"]


async def test_fact_that_the_erp_refuses_is_asked_about_and_sent_again_as_it_is(stage: TimeStage) -> None:
    project = await stage.project(line(cap="200.00"))
    stage.booked(project)
    stage.erp.accounts.discard(SALE[0])
    await stage.transferred()
    assert await stage.amounts() == {
        "tb_delivery_1_r1_cost": "38.00 posted non_billable",
        "tb_delivery_1_r1_sale": "120.00 failed unbilled",
    }
    (item,) = await stage.items()
    assert (item.amount_at_risk, stage.told("1")) == (item.amount_at_risk, ["rejected -"])
    assert item.amount_at_risk is not None
    assert item.amount_at_risk.amount == "120.00"
    stage.erp.accounts.add(SALE[0])
    stage.clock.forward(1000)

    await stage.transferred()

    assert await stage.amounts() == {
        "tb_delivery_1_r1_cost": "38.00 posted non_billable",
        "tb_delivery_1_r1_sale": "120.00 posted ready",
    }
    assert await stage.items() == []
    assert len(stage.erp.transactions) == 2


async def test_fact_that_would_be_posted_otherwise_now_is_a_new_revision(idle: TimeStage) -> None:
    stage = idle
    stage.booked(await stage.project())
    stage.erp.accounts.discard(SALE[0])
    async with stage.working():
        await stage.transferred()
    accounts = [replace(row, debit="1.3.1") if row.debit == SALE[0] else row for row in stage.mappings.accounts]
    stage.mappings = replace(stage.mappings, accounts=tuple(accounts))
    stage.clock.forward(1000)

    async with stage.working():
        await stage.transferred()

    assert await stage.amounts() == {
        "tb_delivery_1_r1_cost": "38.00 reversed reversed",
        "tb_delivery_1_r1_cost_rev": "-38.00 posted non_billable",
        "tb_delivery_1_r1_sale": "120.00 failed unbilled",
        "tb_delivery_1_r2_cost": "38.00 posted non_billable",
        "tb_delivery_1_r2_sale": "120.00 posted ready",
    }
    assert stage.balance("1.3.1") == Decimal("120.00")
    assert stage.balance(COST[0]) == Decimal("38.00")


async def test_sale_that_was_not_posted_is_invoiced_with_the_tax_that_holds_now(idle: TimeStage) -> None:
    stage = idle
    stage.booked(await stage.project(line(cap="100.00")))
    async with stage.working():
        await stage.transferred()
    taxes = [replace(row, tax_code="VAT 10%", percent="10") for row in stage.mappings.taxes]
    stage.mappings = replace(stage.mappings, taxes=tuple(taxes))
    async with stage.store.begin() as connection:
        await connection.execute(update(contracts.tb_contract_line).values(cap="200.00"))
    stage.clock.forward(1000)

    async with stage.working():
        await stage.transferred()

    ready = [fact for fact in await stage.facts() if fact.billing is Billing.ready]
    assert [(fact.business_key, fact.tax_code) for fact in ready] == [("tb_delivery_1_r2_sale", "VAT 10%")]
    assert (stage.balance(SALE[0]), stage.balance(COST[0])) == (Decimal("120.00"), Decimal("38.00"))


async def test_item_of_an_entry_is_resumed_by_a_run(stage: TimeStage) -> None:
    stage.booked(await stage.project())
    stage.erp.accounts.discard(SALE[0])
    await stage.transferred()
    (item,) = await stage.items()
    stage.erp.accounts.add(SALE[0])

    resumed = await operations.resume_work_item(
        store=stage.store,
        engine=stage.engine,
        workflows={"time_transfer": transfer_time},
        caller=INSTALLATION,
        work_item_id=item.id,
        body=Resumption(decision={}),
    )

    assert resumed.kind == "time_transfer"
    await stage.run()
    closed = await work_items.get(stage.store, INSTALLATION, item.id)
    assert closed.state is work_items.ItemState.auto_resolved
    assert await stage.stands() == ["1 r1 approved posted ready"]


async def test_entry_that_breaks_what_looks_at_it_is_somebody_s_question_and_stops_no_other(
    stage: TimeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await stage.project()
    good, poison = stage.booked(project), stage.booked(project, description="Poison")

    def broken(known: Known) -> Verdict:
        if known.entry.id == poison.id:
            raise KeyError("XYZ")
        return judge(known)

    with monkeypatch.context() as patched:
        patched.setattr(preparing, "judge", broken)
        run = await stage.transferred()

    assert await stage.stands() == [f"{good.id} r1 approved posted ready"]
    assert (run.counts.posted, run.counts.rejected) == (1, 1)
    (item,) = await stage.items()
    assert (item.code, item.owner_queue, item.trace_key) == (Code.internal, OwnerQueue.Integration, "tb_delivery_2")
    sale = (await stage.facts())[-1]
    async with stage.store.begin() as connection:  # What was taken back with the first try is not counted.
        assert await committed(connection, sale.contract, 1) == Decimal("120.00")
    await operations.resume_work_item(
        store=stage.store,
        engine=stage.engine,
        workflows={"time_transfer": transfer_time},
        caller=INSTALLATION,
        work_item_id=item.id,
        body=Resumption(decision={}),
    )
    await stage.run()
    assert await stage.stands() == [f"{one.id} r1 approved posted ready" for one in (good, poison)]
    assert await stage.items() == []


async def test_closed_period_is_refused_or_moved_as_the_entity_says(idle: TimeStage) -> None:
    stage = idle
    stage.clock.forward(10 * 86_400)
    stage.booked(await stage.project())
    stage.erp.set_period(WORKED_ON, PeriodState.closed)
    async with stage.working():
        await stage.transferred()
    assert [item.code for item in await stage.items()] == [Code.period_closed]
    stage.entities["ES01"] = replace(stage.entities["ES01"], period_policy="next_open")
    stage.clock.forward(1000)

    async with stage.working():
        await stage.transferred()

    assert {(fact.work_date, fact.accounting_date) for fact in await stage.facts()} == {(WORKED_ON, date(2026, 12, 1))}


async def test_closed_period_is_not_moved_into_one_that_has_not_begun(idle: TimeStage) -> None:
    stage = idle
    stage.entities["ES01"] = replace(stage.entities["ES01"], period_policy="next_open")
    entry = stage.booked(await stage.project())
    async with stage.working():
        await stage.transferred()
        stage.erp.set_period(WORKED_ON, PeriodState.closed)
        stage.psa.recall(entry.id)
        await stage.transferred()
        assert [item.code for item in await stage.items()] == [Code.period_not_open_yet]
        stage.clock.forward(10 * 86_400)

        await stage.transferred()

    dates = {(fact.adjustment, fact.accounting_date) for fact in await stage.facts()}
    assert dates == {(Adjustment.original, WORKED_ON), (Adjustment.reversal, date(2026, 12, 1))}
    assert (stage.balance(SALE[0]), await stage.items()) == (0, [])


async def test_split_contract_is_a_sale_for_each_payer_to_the_cent(stage: TimeStage) -> None:
    project = await stage.project(splits={"4711": "50", "4712": "50"})
    entry = stage.booked(project, minutes=1, description=None)
    stage.psa.edit(entry.id, minutes=5)

    await stage.transferred()

    sales = {fact.business_key: (fact.net, fact.split_percent) for fact in await stage.facts() if fact.split_percent}
    assert sales == {
        "tb_delivery_1_r1_sale_4711": ("5.00", "50"),
        "tb_delivery_1_r1_sale_4712": ("5.00", "50"),
    }
    assert len({fact.customer for fact in await stage.facts()}) == 2


async def test_psa_that_tells_no_changes_is_compared(idle: TimeStage) -> None:
    stage = idle
    stage.psa.capabilities = replace(CAPABILITIES, time_changes=TimeChanges.window, time_feedback=False)
    entry = stage.booked(await stage.project())
    async with stage.working():
        await stage.transferred()
        stage.clock.forward(86_400)
        unchanged = await stage.transferred()
        stage.psa.edit(entry.id, minutes=30)
        await stage.transferred()

    assert (unchanged.counts.read, unchanged.counts.unchanged, unchanged.counts.posted) == (1, 1, 0)
    assert [step.detail for step in unchanged.steps if step.name == "write_time_feedback"] == ["capability"]
    assert stage.balance(SALE[0]) == Decimal("60.00")
    assert stage.psa.feedback == {}


async def test_erp_that_keeps_no_postings_has_facts_ready_for_the_invoice(idle: TimeStage) -> None:
    stage = idle
    none = BillableTransactions.none
    stage.erp.capabilities = replace(stage.erp.capabilities, billable_transactions=none)
    entry = stage.booked(await stage.project())
    async with stage.working():
        await stage.transferred()
        assert await stage.amounts() == {
            "tb_delivery_1_r1_cost": "38.00 skipped non_billable",
            "tb_delivery_1_r1_sale": "120.00 skipped ready",
        }
        stage.psa.recall(entry.id)
        await stage.transferred()

    assert len(stage.erp.transactions) == 0
    assert await stage.stands() == ["1 r1 recalled reversed reversed"]


async def test_feedback_that_the_psa_did_not_take_is_said_by_the_next_run(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project())
    told, stage.psa.capabilities = stage.psa.capabilities, replace(CAPABILITIES, time_feedback=False)
    await stage.transferred()
    assert stage.told(entry.id) == []
    stage.psa.capabilities = told

    await stage.transferred()

    assert stage.told(entry.id) == ["posted 120.00"]


async def test_zero_hours_are_acknowledged_and_self_approval_is_not(stage: TimeStage) -> None:
    project = await stage.project()
    stage.booked(project, minutes=0)
    entry = stage.psa.book_time(project, 60)
    stage.psa.approve(entry.id, by="ana.ruiz@example.com")

    await stage.transferred()

    assert await stage.stands() == [
        "1 r1 approved ignored unbilled",
        "2 r1 approved rejected_validation unbilled",
    ]
    assert [item.code for item in await stage.items()] == [Code.entry_not_approved]
    assert stage.told("1") == ["ignored -"]


async def test_fixed_price_and_non_billable_work_is_cost_only(stage: TimeStage) -> None:
    stage.booked(await stage.project(line(method="fixed_price", value="3000.00"), code="P-1"))
    stage.booked(await stage.project(code="P-2"), billable=False)

    await stage.transferred()

    assert {fact.kind for fact in await stage.facts()} == {"cost"}
    assert {entry.billing for entry in await stage.entries()} == {"non_billable"}


async def test_time_that_is_to_be_sold_and_has_no_rate_is_no_cost_of_another_line_unless_nobody_says_so(
    idle: TimeStage,
) -> None:
    stage = idle
    people = [replace(row, role="developer") for row in stage.mappings.people]
    stage.mappings = replace(stage.mappings, people=tuple(people))
    project = await stage.project(line(1), line(2, "fixed_price", value="3000.00"))
    for billable in (True, False, None):
        stage.booked(project, billable=billable)

    async with stage.working():
        await stage.transferred()

    assert await stage.stands() == [
        "1 r1 approved rejected_validation unbilled",
        "2 r1 approved posted non_billable",
        "3 r1 approved posted non_billable",
    ]
    assert [item.code for item in await stage.items()] == [Code.rate_missing]


async def test_entry_that_is_withdrawn_before_it_posts_is_cancelled(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project(linked=False))
    await stage.transferred()
    stage.psa.reject(entry.id)

    run = await stage.transferred()

    assert run.counts.recalled == 1
    assert await stage.stands() == ["1 r1 rejected cancelled unbilled"]
    assert await stage.items() == []


async def invoiced(stage: TimeStage, state: RequestState, billing: Billing) -> None:
    """Put the sale of the first entry on a request."""
    sale = next(fact for fact in await stage.facts() if fact.business_key.endswith("_sale"))
    async with stage.store.begin() as connection:
        (contract,) = await contracts.find_contracts(connection, contracts.tb_contract.c.id == sale.contract)
    await Money(stage.store).request(contract, [sale], state)
    async with stage.store.begin() as connection:
        await move_facts(connection, stage.store, tb_fact.c.id == sale.id, billing=billing.value)


async def test_edit_of_time_on_a_request_blocks_it_and_asks(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project())
    await stage.transferred()
    await invoiced(stage, RequestState.validated, Billing.on_request)
    stage.psa.edit(entry.id, minutes=30)
    await stage.transferred()
    assert [item.code for item in await stage.items()] == [Code.entry_edited_after_post]
    assert {fact.code for fact in await stage.facts()} == {Code.entry_edited_after_post}
    assert stage.balance(SALE[0]) == Decimal("120.00")
    async with stage.store.begin() as connection:
        free = tb_fact.c.billing == Billing.on_request.value
        await move_facts(connection, stage.store, free, billing=Billing.ready.value)
    stage.clock.forward(1000)

    await stage.transferred()

    assert stage.balance(SALE[0]) == Decimal("60.00")
    assert await stage.items() == []


async def test_approval_withdrawn_of_billed_time_is_somebodys_question(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project())
    await stage.transferred()
    await invoiced(stage, RequestState.posted, Billing.billed)
    stage.psa.recall(entry.id)

    await stage.transferred()

    assert [item.code for item in await stage.items()] == [Code.entry_already_billed]
    assert await stage.stands() == ["1 r1 recalled posted billed"]


async def test_recall_of_billed_time_names_the_invoice_and_of_a_request_needs_withdraw(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project())
    await stage.transferred()
    await invoiced(stage, RequestState.validated, Billing.on_request)
    with pytest.raises(Refused) as refused:
        await stage.recall(entry.id)
    assert refused.value.code is Code.entry_already_billed
    assert [violation.actual for violation in refused.value.violations] == ["inv_1"]

    recall = await stage.recall(entry.id, withdraw=True)

    assert recall.state is RecallState.recalled
    async with stage.store.begin() as connection:
        on_invoice = await connection.execute(tb_invoice_request_fact.select())
        assert [row.live for row in on_invoice] == [False]
    assert stage.balance(SALE[0]) == 0


async def test_recall_of_time_on_its_way_waits_for_the_outcome(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project())
    lose(stage, Fault.lost_after)
    await stage.run(wait_s=None)

    async def doubted() -> bool:
        return await stage.stands() == ["1 r1 approved in_doubt unbilled"]

    await until(doubted)
    recall = await stage.recall(entry.id, wait_s=2)
    assert recall.state in {RecallState.pending, RecallState.running}
    stage.erp.forget_plans()

    await stage.recalled(recall)

    assert stage.balance(SALE[0]) == 0
    assert len(stage.erp.transactions) == 4


async def test_recall_before_the_post_leaves_nothing(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project(linked=False))
    await stage.transferred()

    recall = await stage.recall(entry.id)

    assert recall.state is RecallState.recalled
    assert await stage.stands() == ["1 r1 recall_requested cancelled unbilled"]


async def test_recall_of_what_nobody_knows_is_refused(stage: TimeStage) -> None:
    with pytest.raises(Refused) as refused:
        await stage.recall("4711")

    assert refused.value.code is Code.entry_not_known


async def test_run_takes_more_than_one_batch_and_leaves_the_rest_to_the_next(sqlite_url: str) -> None:
    stage = TimeStage(sqlite_url, batch_entries=2, batches=2)
    project = await stage.project()
    for _ in range(5):
        stage.booked(project)
    async with stage.working():
        first = await stage.transferred()
        second = await stage.transferred()

    assert (first.more, first.counts.posted, second.more, second.counts.posted) == (True, 4, False, 1)
    assert len(stage.erp.transactions) == 10
    await stage.close()


async def test_schedule_starts_a_run_when_one_is_due_or_entries_wait(idle: TimeStage) -> None:
    stage = idle
    poll, sweep = schedules.schedules(stage.store, stage.engine, stage.landscape, stage.settings, ["delivery"])
    async with stage.working():
        await poll.run()
        await stage.run()
        before = stage.psa.calls["list_time_entries"]
        await poll.run()
        assert (await stage.run(wait_s=None)).business_key == "run_delivery_2"
        await stage.run()
        async with stage.store.begin() as connection:
            await inbox.put_again(connection, stage.store, source_of("delivery"), ["1"])
        await poll.run()
        await stage.run()
        stage.clock.forward(1)
        await sweep.run()
        swept = await runs.last_run(stage.store, "delivery")
        await stage.run()

    assert swept
    assert json.decode(swept.order, type=TransferOrder).sweep
    assert stage.psa.calls["list_time_entries"] > before


async def test_fact_left_behind_by_a_run_that_is_gone_is_carried_on(stage: TimeStage) -> None:
    stage.booked(await stage.project())
    await stage.transferred()
    async with stage.store.begin() as connection:
        await move_facts(connection, stage.store, tb_fact.c.kind == "cost", posting="posting")
        await connection.execute(update(tb_time_entry).values(transfer="posting"))

    await stage.transferred()

    assert await stage.stands() == ["1 r1 approved posted ready"]
    assert len(stage.erp.transactions) == 2


async def test_cap_that_was_raised_lets_the_sale_post(stage: TimeStage) -> None:
    stage.booked(await stage.project(line(cap="100.00")))
    await stage.transferred()
    stage.clock.forward(1000)
    await stage.transferred()
    assert [item.code for item in await stage.items()] == [Code.contract_cap_exceeded]
    async with stage.store.begin() as connection:
        await connection.execute(update(contracts.tb_contract_line).values(cap="200.00"))
    stage.clock.forward(1000)

    await stage.transferred()

    assert stage.balance(SALE[0]) == Decimal("120.00")
    assert await stage.stands() == ["1 r1 approved posted ready"]
    assert await stage.items() == []


async def test_reversal_waits_for_an_open_period(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project())
    await stage.transferred()
    stage.erp.set_period(WORKED_ON, PeriodState.closed)
    stage.psa.recall(entry.id)
    await stage.transferred()
    assert [item.code for item in await stage.items()] == [Code.period_closed]
    stage.erp.open_period(WORKED_ON)
    stage.clock.forward(1000)

    await stage.transferred()

    assert stage.balance(SALE[0]) == 0
    assert await stage.items() == []


async def test_reversal_that_the_erp_refuses_is_sent_again_as_it_is(stage: TimeStage) -> None:
    entry = stage.booked(await stage.project())
    await stage.transferred()
    stage.erp.accounts.discard(SALE[0])
    recall = await stage.recall(entry.id)
    assert recall.state is RecallState.recalled
    assert [item.process_kind for item in await stage.items()] == ["time_recall"]
    stage.erp.accounts.add(SALE[0])
    stage.clock.forward(1000)

    await stage.transferred()

    assert stage.balance(SALE[0]) == 0
    assert await stage.items() == []


async def test_difference_that_stays_is_asked_about_until_it_is_gone(
    stage: TimeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.booked(await stage.project())
    await stage.transferred()
    honest = stage.psa.list_time_totals

    async def wrong(first: date, last: date) -> list[TimeTotal]:
        return [replace(one, hours="7") for one in await honest(first, last)]

    monkeypatch.setattr(stage.psa, "list_time_totals", wrong)
    await stage.transferred(sweep=True)
    (item,) = await stage.items()
    assert (item.code, item.trace_key) == (Code.upstream_conflict_stale, "tts_delivery_p_1_2026-11-20")
    assert item.deadline == datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    monkeypatch.undo()

    await stage.transferred(sweep=True)

    assert await stage.items() == []


async def test_portal_sees_its_own_time_without_cost_and_who_reads_finance_sees_it(stage: TimeStage) -> None:
    stage.booked(await stage.project(code="P-1"))
    await stage.transferred()
    (entry,) = await stage.entries()
    assert (entry.cost, entry.facts[0].net) in [(None, None), (None, entry.amount)]
    assert entry.customer is not None
    stage.caller = replace(INSTALLATION, scopes=frozenset({"finance:read"}))
    (seen,) = await stage.entries()
    assert seen.cost is not None
    assert seen.cost.amount == "38.00"

    stage.caller = replace(INSTALLATION, customers=frozenset({entry.customer}), scopes=frozenset({"finance:read"}))
    (portal,) = await stage.entries()
    assert (portal.cost, portal.approved_by, [fact.kind.value for fact in portal.facts]) == (
        None,
        None,
        ["unbilled_sale"],
    )
    stage.caller = replace(INSTALLATION, customers=frozenset({"cus_other"}))
    assert await stage.entries() == []


async def test_unknown_connection_and_id_without_its_system_are_refused(stage: TimeStage) -> None:
    with pytest.raises(Refused) as refused:
        await stage.entries(external_id="1")
    assert refused.value.code is Code.request_malformed
    stage.caller = replace(INSTALLATION, legal_entities=frozenset({"ES01"}))
    with pytest.raises(Refused) as stranger:
        await stage.run()
    assert stranger.value.code is Code.connection_not_known
    stage.caller, landscape = INSTALLATION, stage.psa.capabilities
    stage.psa.capabilities = replace(landscape, time_entries=False)
    with pytest.raises(Refused) as incapable:
        await stage.run()
    assert incapable.value.code is Code.capability_missing
    assert schedules.schedules(stage.store, stage.engine, stage.landscape, stage.settings, ["delivery"]) == []
