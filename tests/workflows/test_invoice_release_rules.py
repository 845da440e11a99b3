"""What keeps a release from being made, and what it is made of: contract, time, periods, milestones, callers."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest
from msgspec import UNSET, structs
from msgspec.structs import replace
from sqlalchemy import insert

from gateway.errors import Refused
from gateway.store import cross_references, inbox
from gateway.store.cross_references import NewReference
from gateway.store.inbox import Change, Source
from openapi.common.types import Code, Money
from openapi.process.invoice_release.v1 import MilestoneState, PreviewState, ReleaseState, RequestState
from openapi.system.erp.v1 import BillableTransactions, CreditStatus, CustomerState
from process_apis.invoice_release import documents, milestones, v1
from process_apis.invoice_release.redating import date_anew
from process_apis.ledger import contracts, customers, schedules
from process_apis.ledger.contracts import FundingSplit
from process_apis.ledger.customers import NewCustomer, ensure_customer
from process_apis.ledger.entries import Approval, TimeEntry, Transfer, tb_time_entry
from process_apis.ledger.facts import Billing, Kind, Posting, find_facts, tb_fact
from process_apis.ledger.holds import ScopeType
from process_apis.ledger.schedules import ScheduleLine
from tests.workflows.money_stage import WORKED_ON
from tests.workflows.release_stage import OPENED, Stage, only


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[Stage]:
    stage = Stage(sqlite_url)
    yield await stage.prepare()
    await stage.close()


@pytest.fixture
async def working(stage: Stage) -> AsyncIterator[Stage]:
    async with stage.working():
        yield stage


def euros(amount: str) -> Money:
    return Money(amount=amount, currency="EUR")


async def late_entry(
    stage: Stage,
    *,
    email: str | None = "ana.ruiz@example.com",
    project: str | None = None,
    transfer: Transfer = Transfer.queued,
) -> None:
    """Plant approved time that is not in the books yet."""
    now = datetime(2026, 11, 4, tzinfo=UTC)
    entry = TimeEntry(
        id=f"ten_{email}",
        psa="delivery",
        external_id=f"late-{email}",
        revision=1,
        content_sha256="0" * 64,
        psa_project_id="1",
        legal_entity="ES01",
        customer=stage.contract.customer,
        project=project or stage.contract.project,
        resource_id="1",
        resource_email=email,
        resource_name="Ana Ruiz",
        task_id=None,
        task_name=None,
        work_date=WORKED_ON,
        minutes=90,
        hours="1.5",
        billable=True,
        description=None,
        approved_by=None,
        approved_at=None,
        source_updated_at=now,
        approval=Approval.approved,
        transfer=transfer,
        first_approved_at=now,
    )
    async with stage.store.begin() as connection:
        values = structs.asdict(entry) | {"created_at": now, "updated_at": now}
        await connection.execute(insert(tb_time_entry).values(**values))


async def test_time_that_is_not_in_the_books_yet_keeps_the_release_back(working: Stage) -> None:
    await working.work()
    await late_entry(working)
    await late_entry(working, email=None)

    request = await working.released()

    assert (request.state, request.code) == (RequestState.rejected, Code.dependency_not_ready)
    (day,) = request.missing
    assert (day.entries, day.minutes, day.net) == (2, 180, euros("180.00"))
    assert [violation.actual for violation in request.violations] == ["180.00"]


async def test_incomplete_release_is_made_where_it_is_allowed_and_lists_what_is_missing(working: Stage) -> None:
    await working.work()
    await late_entry(working)

    seen = await working.preview()
    request = await working.released(allow_incomplete=True)

    assert (seen.state, seen.code) == (PreviewState.rejected, Code.dependency_not_ready)
    assert request.state is RequestState.posted
    assert len(request.missing) == 1


async def test_time_of_another_project_that_is_looked_at_again_keeps_nothing_back(working: Stage) -> None:
    await working.work()
    await late_entry(working, project="prj_of_somebody_else")
    await wait_in_the_inbox(working, Change(external_id="late-ana.ruiz@example.com", version="2"))

    assert (await working.released()).state is RequestState.posted


async def wait_in_the_inbox(stage: Stage, *changes: Change) -> None:
    """Let the PSA tell of changes that nobody has read yet."""
    async with stage.store.begin() as connection:
        await inbox.put(connection, stage.store, Source(connection="delivery", object_type="time_entry"), changes)


@pytest.mark.parametrize(
    ("within", "day", "state"),
    [
        ("ours", date(2026, 11, 30), RequestState.rejected),
        ("ours", None, RequestState.rejected),
        ("ours", date(2026, 12, 1), RequestState.posted),
        ("another's", date(2026, 11, 30), RequestState.posted),
    ],
)
async def test_time_that_waits_keeps_back_what_it_can_be_billed_with(
    working: Stage, within: str, day: date | None, state: RequestState
) -> None:
    await working.work()
    place = working.project.opportunity if within == "ours" else "4711"
    await wait_in_the_inbox(working, Change(external_id="8", version="1", within=place, day=day))

    assert (await working.released()).state is state


async def test_time_that_moves_to_another_project_keeps_the_release_back_until_it_has_left(working: Stage) -> None:
    await working.work()
    await late_entry(working, transfer=Transfer.posted)
    moved = Change(external_id="late-ana.ruiz@example.com", version="2", within="4711", day=date(2026, 11, 4))
    await wait_in_the_inbox(working, moved)

    request = await working.released()

    assert (request.state, request.code) == (RequestState.rejected, Code.dependency_not_ready)


async def test_time_that_waits_in_the_inbox_keeps_the_release_back_unless_that_is_allowed(working: Stage) -> None:
    await working.work()
    source = Source(connection="delivery", object_type="time_entry")
    async with working.store.begin() as connection:
        changes = [Change(external_id=one, version=version) for one, version in (("8", "1"), ("9", "1"), ("9", "2"))]
        await inbox.put(connection, working.store, source, changes)
        await inbox.claim(connection, source, "batch", 1)

    seen = await working.preview()
    refused = await working.released()
    allowed = await working.released(allow_incomplete=True)

    for shown in (seen, refused):
        assert shown.code is Code.dependency_not_ready
        assert ["2 time entries of delivery wait" in one.detail for one in shown.violations] == [True]
    assert allowed.state is RequestState.posted
    assert [(one.entries, one.net) for one in allowed.missing] == [(2, None)]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"state": "suspended"}, Code.contract_not_active),
        ({"po_number": "PO-1", "po_valid_to": date(2026, 11, 29)}, Code.po_missing),
        ({"po_number": "PO-1", "po_limit": "119.99"}, Code.contract_po_exhausted),
        ({"po_limit": "1000.00"}, Code.po_missing),
    ],
    ids=str,
)
async def test_contract_that_does_not_allow_it_is_told(working: Stage, values: dict[str, object], code: Code) -> None:
    fact = await working.work()
    await working.change_contract(**values)

    seen = await working.preview()
    request = await working.released()

    assert (request.state, request.code) == (RequestState.rejected, code)
    assert (seen.state, seen.code) == (PreviewState.rejected, code)
    assert [one.billing for one in await working.facts(fact)] == [Billing.ready]


async def test_purchase_order_covers_the_last_cent_and_nothing_beyond_it(working: Stage) -> None:
    await working.change_contract(po_number="PO-1", po_limit="240.00")
    await working.work()
    first = await working.released()
    await working.work()
    second = await working.released()
    await working.work(net="0.01", minutes=1, rate="0.60")
    third = await working.released()

    assert (first.state, second.state) == (RequestState.posted, RequestState.posted)
    assert (third.state, third.code) == (RequestState.rejected, Code.contract_po_exhausted)
    assert third.violations[0].expected == "0.00 at most"


async def test_contract_that_is_amended_after_the_checks_is_stopped_by_the_fence(stage: Stage) -> None:
    await stage.work()

    async def amend(moment: str, step: str) -> None:
        if (moment, step) == ("before", "create_invoice"):
            await stage.change_contract(contract_version=2)

    async with stage.working(amend):
        request = await stage.released()

    assert (request.state, request.code) == (RequestState.rejected, Code.amendment_conflict)
    assert len(stage.erp.invoices) == 0


async def test_fact_that_is_taken_back_after_the_checks_is_stopped_by_the_fence(stage: Stage) -> None:
    fact = await stage.work()

    async def take_back(moment: str, step: str) -> None:
        if (moment, step) == ("before", "create_invoice"):
            await stage.money.fact(stage.contract, reverses=fact.id, net="-120.00", billing=Billing.unbilled)

    async with stage.working(take_back):
        request = await stage.released()

    assert (request.state, request.code) == (RequestState.rejected, Code.release_fence_lost)
    assert len(stage.erp.invoices) == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"credit_status": CreditStatus.hold}, Code.customer_credit_hold),
        ({"state": CustomerState.inactive}, Code.customer_inactive),
    ],
    ids=str,
)
async def test_customer_whom_the_erp_does_not_invoice_is_told(
    working: Stage, change: dict[str, object], code: Code
) -> None:
    await working.work()
    customer = working.erp.customers.get("1")
    working.erp.customers.put(replace(customer, **change), customer.updated_at)

    seen = await working.preview()
    request = await working.released()

    assert (request.state, request.code) == (RequestState.rejected, code)
    assert (seen.code, seen.payload) == (code, None)


async def test_customer_whom_the_erp_does_not_know_is_told(working: Stage) -> None:
    await working.work()
    await cross_references.retire(working.store, working.contract.customer, "books")

    request = await working.released()

    assert (request.state, request.code) == (RequestState.rejected, Code.customer_not_found)


async def test_closed_period_is_refused_or_the_next_open_one_taken_as_the_entity_says(working: Stage) -> None:
    await working.work()
    working.erp.close_period(date(2026, 11, 1))
    seen = await working.preview(through="2026-11-20")
    refused = await working.released(through="2026-11-20")
    working.entities["ES01"] = replace(working.entities["ES01"], period_policy="next_open")

    posted = await working.released(through="2026-11-20")

    assert (seen.code, refused.code) == (Code.period_closed, Code.period_closed)
    assert refused.state is RequestState.rejected
    assert posted.state is RequestState.posted, posted
    assert [invoice.accounting_date for invoice in working.erp.invoices] == [date(2026, 12, 1)]


async def test_next_open_period_that_is_still_to_come_is_waited_for(working: Stage) -> None:
    await working.work()
    working.erp.close_period(date(2026, 11, 1))
    working.erp.close_period(date(2026, 12, 1))
    working.entities["ES01"] = replace(working.entities["ES01"], period_policy="next_open")

    request = await working.released(through="2026-11-20")

    assert (request.state, request.code) == (RequestState.rejected, Code.period_not_open_yet)
    assert list(working.erp.invoices) == []


async def test_books_that_are_not_open_yet_are_told(working: Stage) -> None:
    await working.work(work_date=date(2024, 1, 5))

    request = await working.released(through="2024-01-31")

    assert (request.state, request.code) == (RequestState.rejected, Code.period_not_open_yet)


async def test_milestone_is_billed_once_it_is_approved_and_approving_again_changes_nothing(working: Stage) -> None:
    before = await working.released()
    first = await working.approve()
    again = await working.approve()

    request = await working.released()
    after = await working.approve()

    assert before.state is RequestState.nothing_to_bill
    assert (first.state, again) == (MilestoneState.approved_for_billing, first)
    assert request.state is RequestState.posted, request
    assert request.expected is not None
    assert request.expected.net == euros("1500.00")
    assert after.state is MilestoneState.invoiced
    assert working.accrued_income() == 0
    assert [line.description for invoice in working.erp.invoices for line in invoice.lines] == ["M1"]


async def test_part_without_a_milestone_is_billed_on_its_day(working: Stage) -> None:
    part = ScheduleLine(line_number=2, place=1, due_on=WORKED_ON, amount="1500.00", milestone=None)
    later = ScheduleLine(line_number=2, place=2, due_on=date(2026, 12, 1), amount="1500.00", milestone=None)
    await schedules.record_schedule(working.store, working.contract.id, [part, later])

    seen = await working.preview()
    request = await working.released()

    assert seen.expected is not None
    assert request.expected == seen.expected
    assert request.expected is not None
    assert request.expected.net == euros("1500.00")
    assert request.state is RequestState.posted


async def test_milestone_is_split_among_those_who_pay_to_the_cent(working: Stage) -> None:
    other = NewCustomer(crm="crm1", account="other", name="Other", legal_name="Other S.A.", country="FR", tax_id=None)
    async with working.store.begin() as connection:
        await ensure_customer(connection, working.store, other)
    await split_contract(working, {"account-1": "33.3333", "other": "66.6667"})
    await working.approve()

    release = await working.release()

    nets = {one.customer.name: one.expected.net.amount if one.expected else None for one in release.requests}
    assert nets == {"Alder Foods": "500.00", "Other": "1000.00"}
    states = {one.customer.name: (one.state, one.code) for one in release.requests}
    assert states["Alder Foods"][0] is RequestState.posted
    assert states["Other"] == (RequestState.rejected, Code.customer_not_found)
    assert await milestone_state(working) is MilestoneState.approved_for_billing, "The other one is not invoiced yet."

    await known_to_the_erp(working, "other")
    await working.release()
    assert await milestone_state(working) is MilestoneState.invoiced


async def milestone_state(stage: Stage) -> MilestoneState:
    """Return where the first milestone is."""
    async with stage.store.begin() as connection:
        parts = await schedules.find_parts(connection, schedules.tb_schedule_line.c.place == 1)
    return (await milestones.shown(stage.store, parts))[0].state


async def known_to_the_erp(stage: Stage, account: str) -> None:
    """Let the ERP know the account, as an onboarding of its own would."""
    customer = await customers.find_customer(stage.store, stage.caller, "crm1", account)
    assert customer is not None
    reference = NewReference(
        canonical_id=customer.id,
        object_type="customer",
        system="fake",
        instance="books",
        external_id=stage.project.opportunity,
        legal_entity="ES01",
        customer=customer.id,
    )
    await cross_references.retire(stage.store, stage.contract.customer, "books")
    await cross_references.establish(stage.store, reference)


@pytest.mark.parametrize("shares", [{"account-1": "50", "nobody": "50"}, {"nobody": "100"}])
async def test_account_that_pays_and_is_no_customer_is_told_and_stops_no_other_contract(
    working: Stage, shares: dict[str, str]
) -> None:
    project, other = await working.onboarded()
    await working.work(contract=other, erp_project_id=project.opportunity)
    await split_contract(working, shares)

    release = await working.release(contracts=[working.contract.id, other.id])

    assert {one.contract.id: (one.state, one.code) for one in release.requests} == {
        working.contract.id: (RequestState.rejected, Code.contract_split_mismatch),
        other.id: (RequestState.posted, None),
    }


async def split_contract(stage: Stage, shares: dict[str, str]) -> None:
    """Have the contract paid by several."""
    values = {name: getattr(stage.contract, name) for name in contracts.Contract.__struct_fields__}
    splits = [FundingSplit(account=account, percent=percent) for account, percent in shares.items()]
    await contracts.record_contract(stage.store, contracts.Contract(**values | {"splits": splits}))
    await contracts.move_contract(stage.store, stage.contract.id, contracts.ACTIVE)


async def test_milestones_are_listed_page_by_page_and_found_only_by_who_may_see_them(stage: Stage) -> None:
    pages, cursor = [], None
    while True:
        page = await v1.list_milestones(
            store=stage.store,
            caller=stage.caller,
            cursors=stage.cursors,
            contract=stage.contract.id,
            project=stage.contract.project,
            limit=1,
            cursor=cursor,
        )
        pages += [milestone.name for milestone in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    stage.caller = replace(stage.caller, projects=frozenset({"prj_other"}))

    with pytest.raises(Refused) as refused:
        await stage.approve()
    assert refused.value.code is Code.resource_not_found
    assert pages == ["M1", "M2"]


async def test_cancelled_milestone_is_not_approved(stage: Stage) -> None:
    await schedules.cancel_schedule(stage.store, stage.contract.id)

    with pytest.raises(Refused) as refused:
        await stage.approve()

    assert refused.value.code is Code.process_illegal_transition


async def test_reversal_takes_its_original_off_and_the_correction_is_billed(working: Stage) -> None:
    original = await working.work(net="120.00")
    await working.work(net="-120.00", reverses=original.id)
    await working.work(net="60.00", minutes=30)

    request = await working.released()

    assert request.expected is not None
    assert request.expected.net == euros("60.00")
    assert working.accrued_income() == 0


async def test_reversal_that_is_not_posted_yet_takes_its_original_off_too(working: Stage) -> None:
    original = await working.work()
    await working.work(net="60.00", minutes=30)
    await working.money.fact(
        working.contract, reverses=original.id, net="-120.00", posting=Posting.pending, billing=Billing.unbilled
    )

    request = await working.released()

    assert [(one.fact, one.code) for one in request.excluded] == [(original.id, Code.entry_revision_stale)]


async def test_reversal_of_what_is_billed_waits_for_more(working: Stage) -> None:
    original = await working.work()
    await working.released()
    await working.work(net="-120.00", reverses=original.id)

    request = await working.released()

    assert (request.state, request.code) == (RequestState.nothing_to_bill, Code.billing_not_billable)


async def test_what_is_beyond_the_cap_is_listed(working: Stage) -> None:
    await working.work()
    beyond = await working.money.fact(working.contract, billing=Billing.cap_failed, posting=Posting.skipped)

    request = await working.released()

    assert [(one.fact, one.code) for one in request.excluded] == [(beyond.id, Code.contract_cap_exceeded)]


async def test_what_the_psa_has_changed_since_is_listed(working: Stage) -> None:
    await working.work()
    changed = await working.money.fact(working.contract, code=Code.entry_edited_after_post)

    request = await working.released()

    assert [(one.fact, one.code) for one in request.excluded] == [(changed.id, Code.entry_edited_after_post)]


async def test_several_contracts_are_released_each_on_its_own(working: Stage) -> None:
    project, other = await working.onboarded()
    await working.work()
    await working.work(contract=other, erp_project_id=project.opportunity)
    await working.hold(ScopeType.contract, working.contract.id)

    release = await working.release(contracts=[working.contract.id, other.id])

    report = release.report
    assert (report.held.count, report.posted.count, report.posted.amounts) == (1, 1, [euros("145.20")])
    assert {one.contract.id: one.state for one in release.requests} == {
        working.contract.id: RequestState.held,
        other.id: RequestState.posted,
    }


async def test_release_that_is_under_way_is_met(stage: Stage) -> None:
    await stage.work()
    first = await stage.release(wait_s=None)
    second = await stage.release(wait_s=None)
    seen = await stage.preview()

    async with stage.working():
        await stage.rested(first, ReleaseState.completed)

    assert only(first).process_id == only(second).process_id
    assert seen.state is PreviewState.under_way
    assert len(stage.erp.invoices) == 1


async def test_release_is_taken_back_before_it_is_submitted_and_not_after(stage: Stage) -> None:
    fact = await stage.work()
    first = await stage.release(wait_s=None)
    cancelled = await stage.cancel(first.id)
    async with stage.working():
        posted = await stage.release()

    with pytest.raises(Refused) as refused:
        await stage.cancel(posted.id)
    assert only(cancelled).state is RequestState.cancelled
    assert refused.value.code is Code.process_illegal_transition
    assert only(await stage.get(first.id)).state is RequestState.cancelled
    assert [one.billing for one in await stage.facts(fact)] == [Billing.billed]
    with pytest.raises(Refused):  # Its process is at a later attempt, which is another release's.
        await stage.cancel(first.id)


async def test_release_that_is_taken_back_under_way_frees_its_facts(stage: Stage) -> None:
    fact = await stage.work()
    release = await stage.release(wait_s=None)

    async def give_up(moment: str, step: str) -> None:
        if (moment, step) == ("before", "check_contract"):
            await v1.cancel_release(
                store=stage.store, engine=stage.engine, caller=stage.caller, release_id=release.id, wait_s=None
            )

    async with stage.working(give_up):
        cancelled = only(await stage.rested(release, ReleaseState.completed))

    assert (cancelled.state, cancelled.code) == (RequestState.cancelled, None)
    assert [one.billing for one in await stage.facts(fact)] == [Billing.ready]
    assert len(stage.psa.notes) == 0


async def test_systems_that_cannot_show_or_post_are_left_out(stage: Stage) -> None:
    await stage.work()
    lacks = {"billing_notes": False, "time_feedback": False, "hold_flag": False}
    stage.psa.capabilities = structs.replace(stage.psa.capabilities, **lacks)
    none = BillableTransactions.none
    stage.erp.capabilities = structs.replace(stage.erp.capabilities, billable_transactions=none, postings_at_once=None)

    async with stage.working():
        request = await stage.released()

    assert request.state is RequestState.posted
    skipped = {step.name: step.detail for step in request.steps if step.state == "skipped"}
    assert skipped == {
        "post_billable_transactions": "capability",
        "write_billing_note": "capability",
        "write_time_feedback": "capability",
        "notify_crm": "capability",
    }


async def test_release_posting_that_the_erp_refuses_is_somebody_s_work(stage: Stage) -> None:
    await stage.work(work_date=date(2026, 10, 5))

    times = iter(range(2))

    async def close(moment: str, step: str) -> None:
        if (moment, step) == ("after", "record_invoice") and not next(times):
            stage.erp.close_period(date(2026, 10, 1))

    async with stage.working(close):
        release = await stage.release(through="2026-10-31")
        items = await stage.open_items()
        stage.erp.open_period(date(2026, 10, 1))
        await stage.resume(only(release))
        await stage.rested(release, ReleaseState.completed)

    assert [item.code for item in items] == [Code.period_closed]
    assert only(release).state is RequestState.posted
    assert stage.accrued_income() == 0


async def test_release_posting_whose_period_stays_closed_is_dated_into_the_next_as_the_entity_says(
    stage: Stage,
) -> None:
    await stage.work(work_date=date(2026, 10, 5))

    times = iter(range(2))

    async def close(moment: str, step: str) -> None:
        if (moment, step) == ("after", "record_invoice") and not next(times):
            stage.erp.close_period(date(2026, 10, 1))

    async with stage.working(close):
        release = await stage.release(through="2026-10-31")
        stage.entities["ES01"] = replace(stage.entities["ES01"], period_policy="next_open")
        await stage.resume(only(release))
        await stage.rested(release, ReleaseState.completed)

    async with stage.store.begin() as connection:
        (released,) = await find_facts(connection, tb_fact.c.kind == Kind.release.value)
    assert (released.posting, released.accounting_date) == (Posting.posted, date(2026, 11, 1))
    assert released.business_key.endswith("_rel")
    assert stage.accrued_income() == 0


async def test_release_posting_that_the_erp_has_a_draft_of_keeps_its_day(stage: Stage) -> None:
    await stage.work(work_date=date(2026, 10, 5))

    async def close(moment: str, step: str) -> None:
        if (moment, step) == ("after", "record_invoice"):
            stage.erp.close_period(date(2026, 10, 1))

    async with stage.working(close):
        await stage.release(through="2026-10-31")
    async with stage.store.begin() as connection:
        (refused,) = await find_facts(connection, tb_fact.c.kind == Kind.release.value)
    stage.erp.leave_draft(documents.to_post([refused])[0])
    entity = replace(stage.entities["ES01"], period_policy="next_open")

    await date_anew(stage.store, refused.source_id, stage.erp, entity)

    assert await stage.facts(refused) == [refused]


async def test_time_entry_that_is_gone_shows_nothing_and_stops_nothing(working: Stage) -> None:
    fact, other = await working.work(), await working.work()
    working.psa.delete(fact.source_id)

    request = await working.released()

    assert request.state is RequestState.posted
    assert list(working.psa.feedback) == [other.source_id]


async def test_limited_caller_sees_what_is_theirs_and_nothing_else(working: Stage) -> None:
    await working.work()
    _, other = await working.onboarded()
    mine = await working.release(contracts=[working.contract.id, other.id])
    theirs = await working.release(contracts=[other.id])
    working.caller = replace(working.caller, customers=frozenset({working.contract.customer}))

    seen = await working.get(mine.id)
    listed = await v1.list_releases(
        store=working.store,
        caller=working.caller,
        cursors=working.cursors,
        legal_entity="ES01",
        contract=None,
        project=working.contract.project,
        customer=None,
        limit=20,
        cursor=None,
    )

    assert [one.contract.id for one in seen.requests] == [working.contract.id]
    assert [release.id for release in listed.items] == [mine.id]
    with pytest.raises(Refused) as refused:
        await working.get(theirs.id)
    assert refused.value.code is Code.resource_not_found
    unseen = await working.refused(contracts=[other.id], projects=[other.project], customers=[other.customer])
    assert [(violation.code, violation.pointer) for violation in unseen.violations] == [
        (Code.contract_not_found, "#/contracts/0"),
        (Code.project_not_known, "#/projects/0"),
        (Code.customer_not_found, "#/customers/0"),
    ]


async def test_release_names_an_entity_that_is_known_and_the_caller_s(stage: Stage) -> None:
    unknown = await stage.refused(legal_entity="XX01")
    stage.caller = replace(stage.caller, legal_entities=frozenset({"DE01"}))
    not_theirs = await stage.refused()

    assert unknown.code is Code.entity_mapping_missing
    assert not_theirs.code is Code.auth_entity_not_allowed


async def test_release_names_something(stage: Stage) -> None:
    with pytest.raises(Refused) as refused:
        await stage.ask_exactly(legal_entity="ES01")

    assert refused.value.code is Code.request_malformed


async def test_release_reaches_until_today_where_the_entity_is_unless_it_says_so(stage: Stage) -> None:
    release = await stage.ask_exactly(legal_entity="ES01", projects=[stage.contract.project], note="Month end")

    assert release.through == OPENED.date()
    assert release.note == "Month end"


async def test_portal_reads_no_amounts_of_the_whole_contract(working: Stage) -> None:
    await working.work()
    await late_entry(working)
    await working.change_contract(po_number="PO-1", po_limit="100.00")
    caller = replace(working.caller, customers=frozenset({working.contract.customer}))
    open_to_all = await working.preview()
    working.caller = caller

    seen = await working.preview()
    asked = await working.released()

    (day,) = open_to_all.missing
    assert day.net == euros("180.00")
    assert [one.expected for one in open_to_all.violations if one.code is Code.contract_po_exhausted] == [
        "100.00 at most"
    ]
    for shown in (seen, asked):
        assert [day.net for day in shown.missing] == [None]
        assert {(one.expected, one.actual) for one in shown.violations} == {(UNSET, UNSET)}


async def test_contract_in_another_currency_than_the_books_is_told(working: Stage) -> None:
    await working.work(currency="USD")
    await working.change_contract(currency="USD")

    request = await working.released()

    assert (request.state, request.code) == (RequestState.rejected, Code.fx_rate_missing)


async def test_more_lines_than_the_erp_takes_are_told(stage: Stage) -> None:
    stage.erp.capabilities = structs.replace(stage.erp.capabilities, max_invoice_lines=1)
    await stage.work()
    await stage.work(role="lead", rate="150.00", net="150.00")

    async with stage.working():
        request = await stage.released()

    assert (request.state, request.code) == (RequestState.rejected, Code.invoice_line_limit_exceeded)


async def test_books_that_are_closed_for_good_stay_closed_whatever_the_policy(working: Stage) -> None:
    await working.work()
    working.entities["ES01"] = replace(working.entities["ES01"], period_policy="next_open")
    for year in (2026, 2027):
        for month in range(1, 13):
            working.erp.close_period(date(year, month, 1))

    request = await working.released()

    assert (request.state, request.code) == (RequestState.rejected, Code.period_closed)


async def test_contract_of_other_payers_is_released_anew(stage: Stage) -> None:
    await stage.work()
    release = await stage.release(wait_s=None)
    other = NewCustomer(crm="crm1", account="other", name="Other", legal_name="Other S.A.", country="FR", tax_id=None)
    async with stage.store.begin() as connection:
        await ensure_customer(connection, stage.store, other)
    await split_contract(stage, {"other": "100"})

    async with stage.working():
        request = only(await stage.rested(release, ReleaseState.completed))

    assert (request.state, request.code) == (RequestState.rejected, Code.contract_split_mismatch)


async def test_part_of_a_project_that_the_erp_does_not_know_is_told(working: Stage) -> None:
    part = ScheduleLine(line_number=2, place=1, due_on=WORKED_ON, amount="1500.00", milestone=None)
    await schedules.record_schedule(working.store, working.contract.id, [part])
    await cross_references.retire(working.store, working.contract.project, "books")

    seen = await working.preview()
    request = await working.released()

    assert (seen.code, request.code) == (Code.project_not_in_erp, Code.project_not_in_erp)
