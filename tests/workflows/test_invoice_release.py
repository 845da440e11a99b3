"""The release of invoices as its caller meets it; the books of both systems say what became of it."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs

from gateway.errors import Refused
from openapi.common.types import Code, Money, Outcome, OwnerQueue
from openapi.process.invoice_release.v1 import PreviewState, ReleaseState, RequestState
from openapi.system.erp.v1 import Invoice, InvoiceState
from process_apis.invoice_release.monitors import mismatches
from process_apis.ledger.facts import Billing, move_facts, tb_fact
from process_apis.ledger.holds import ScopeType
from process_apis.ledger.requests import RequestState as LedgerState
from tests.fakes.erp_master import RECEIVABLE
from tests.fakes.vendor import Fault
from tests.workflows.release_stage import Stage, only

EARLIER = date(2026, 11, 12)


@pytest.fixture
async def stage(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'tiebeam.sqlite')}")
    yield await stage.prepare()
    await stage.close()


@pytest.fixture
async def either(url: str) -> AsyncIterator[Stage]:
    """Return a stage with a worker, on one database and on the other."""
    stage = Stage(url)
    await stage.prepare()
    async with stage.working():
        yield stage
    await stage.close()


@pytest.fixture
async def working(stage: Stage) -> AsyncIterator[Stage]:
    async with stage.working():
        yield stage


def euros(amount: str) -> Money:
    return Money(amount=amount, currency="EUR")


async def test_what_is_ready_is_invoiced_posted_and_shown_to_the_cent(either: Stage) -> None:
    working = either
    hours = [await working.work(minutes=600, net="1200.00"), await working.work(minutes=20, net="40.00")]
    assert working.accrued_income() == Decimal("1240.00")

    release = await working.release()

    request = only(release)
    assert (release.state, request.state, request.outcome) == (
        ReleaseState.completed,
        RequestState.posted,
        Outcome.applied,
    ), request
    assert request.expected is not None
    assert request.expected.gross == euros("1500.40")
    assert release.report.posted.amounts == [euros("1500.40")]
    (invoice,) = working.erp.invoices
    assert (invoice.state, invoice.net, invoice.tax) == (InvoiceState.posted, euros("1240.00"), euros("260.40"))
    assert [(line.net, line.description) for line in invoice.lines] == [
        (euros("1240.00"), "Consulting: 10 h 20 min consultant at 120.00")
    ]
    assert working.erp.books.balance(RECEIVABLE) == Decimal("1500.40")
    assert working.accrued_income() == 0
    assert [fact.billing for fact in await working.facts(*hours)] == [Billing.billed, Billing.billed]
    (note,) = working.psa.notes
    assert note.text.startswith(f"Invoice {invoice.number} of ")
    assert {entry: told[-1].state.value for entry, told in working.psa.feedback.items()} == {
        hours[0].source_id: "billed",
        hours[1].source_id: "billed",
    }
    (event,) = await working.events("tiebeam.invoice_release.posted.v1")
    assert event["invoice_number"] == invoice.number


async def test_preview_is_what_is_sent_and_writes_nothing(stage: Stage) -> None:
    await stage.work(minutes=600, net="1200.00")

    seen = await stage.preview()

    assert seen.state is PreviewState.validated, seen
    assert len(stage.erp.invoices) == 0
    assert await stage.requests() == []
    async with stage.working():
        await stage.released()
    (order,) = stage.erp.orders.values()
    assert seen.payload is not None
    assert seen.payload["business_key"] == order.business_key
    assert seen.payload["lines"] == [
        {
            name: getattr(line, name) if name != "net" else {"amount": "1200.00", "currency": "EUR"}
            for name in line.__struct_fields__
        }
        for line in order.lines
    ]


async def test_nothing_ready_ends_as_nothing_to_bill(working: Stage) -> None:
    request = await working.released()

    assert (request.state, request.code) == (RequestState.nothing_to_bill, Code.billing_not_billable)
    assert len(working.psa.notes) == 0


@pytest.mark.parametrize("scope", ["customer", "contract", "project"])
async def test_wide_hold_stops_the_whole_and_frees_the_facts(either: Stage, scope: str) -> None:
    fact = await either.work()
    hold = await either.hold(ScopeType(scope), getattr(fact, scope))

    request = await either.released()

    assert (request.state, request.code) == (RequestState.held, Code.billing_hold_active)
    assert [one.id for one in request.holds] == [hold]
    assert len(either.erp.invoices) == 0
    assert [one.billing for one in await either.facts(fact)] == [Billing.ready]
    (note,) = either.psa.notes
    assert "held (billing.hold_active)" in note.text


async def test_narrow_hold_takes_only_what_it_holds_off_the_invoice(working: Stage) -> None:
    held, free = await working.work(net="120.00"), await working.work(net="360.00", minutes=180)
    await working.hold(ScopeType.fact, held.id)

    request = await working.released()

    assert request.state is RequestState.posted, request
    assert request.expected is not None
    assert request.expected.net == euros("360.00")
    assert [(one.fact, one.code) for one in request.excluded] == [(held.id, Code.billing_hold_active)]
    assert [fact.billing for fact in await working.facts(held, free)] == [Billing.ready, Billing.billed]
    assert working.accrued_income() == Decimal("120.00")


async def test_held_request_is_attempted_anew_under_its_key_once_the_hold_is_lifted(working: Stage) -> None:
    await working.work()
    hold = await working.hold(ScopeType.contract, working.contract.id)
    first = await working.release()
    await working.lift(hold)

    second = await working.released()

    assert (second.state, second.attempt) == (RequestState.posted, 2)
    assert second.business_key == only(first).business_key
    assert only(await working.get(first.id)).state is RequestState.held


async def test_flag_in_the_psa_is_seen_before_anything_is_sent(working: Stage) -> None:
    await working.work()
    working.psa.flag("1", held=True, note="Ask Ana first")

    request = await working.released()

    assert request.state is RequestState.held
    assert "create_invoice" not in {step.name for step in request.steps}
    assert len(working.erp.invoices) == 0


async def test_hold_that_is_stored_just_before_the_fence_stops_the_invoice(stage: Stage) -> None:
    fact = await stage.work()

    async def hold(moment: str, step: str) -> None:
        if (moment, step) == ("before", "create_invoice"):
            await stage.hold(ScopeType.fact, fact.id)

    async with stage.working(hold):
        request = await stage.released()

    assert request.state is RequestState.held, request
    assert len(stage.erp.invoices) == 0
    assert [one.billing for one in await stage.facts(fact)] == [Billing.ready]


@pytest.mark.parametrize("fault", [Fault.lost_before, Fault.lost_after])
@pytest.mark.parametrize("operation", ["create_invoice", "post_invoice", "post_billable_transactions"])
async def test_lost_answer_is_looked_for_and_there_is_one_document(
    working: Stage, operation: str, fault: Fault
) -> None:
    await working.work()
    working.erp.plan(operation, fault)

    request = await working.released()

    assert request.state is RequestState.posted, request
    (invoice,) = working.erp.invoices
    assert invoice.state is InvoiceState.posted
    assert working.accrued_income() == 0
    assert len(working.erp.books.entries_of(request.business_key)) == 1


async def test_caller_sees_the_doubt_while_nobody_knows(stage: Stage) -> None:
    await stage.work()
    stage.erp.plan("create_invoice", Fault.lost_after)

    async def go_away(moment: str, step: str) -> None:
        if (moment, step) == ("after", "create_invoice") and not stage.erp.search_away:
            stage.erp.search_away = stage.erp.calls["find_invoice"] == 1

    async with stage.working(go_away):
        release = await stage.release(wait_s=None)
        doubted = await stage.until(release, RequestState.in_doubt)
        stage.erp.search_away = False
        known = only(await stage.rested(release, ReleaseState.completed))

    assert doubted.outcome is Outcome.uncertain
    assert (known.state, known.outcome) == (RequestState.posted, Outcome.applied)
    assert len(stage.erp.invoices) == 1


async def test_tax_that_rounding_does_not_explain_is_not_posted(working: Stage) -> None:
    await working.work()
    working.erp.tax_off_by = Decimal("0.06")

    release = await working.release()

    request = only(release)
    assert (release.state, request.state, request.code) == (
        ReleaseState.parked,
        RequestState.accepted,
        Code.invoice_total_mismatch,
    )
    assert {violation.pointer for violation in request.violations} == {"#/taxes/VAT 21%/tax", "#/tax"}
    (item,) = await working.open_items()
    assert (item.code, item.owner_queue) == (Code.invoice_total_mismatch, OwnerQueue.Finance_Ops)
    assert request.expected is not None
    assert (item.amount_at_risk, item.deadline is not None) == (request.expected.gross, True)
    (invoice,) = working.erp.invoices
    assert invoice.state is InvoiceState.draft


async def test_mended_draft_is_compared_again_and_posted(working: Stage) -> None:
    await working.work()
    working.erp.tax_off_by = Decimal("0.06")
    release = await working.release()
    working.erp.tax_off_by = Decimal("0.00")
    (draft,) = working.erp.invoices
    working.erp.edit_draft(draft.id, "120.00")

    await working.resume(only(release))
    request = only(await working.rested(release, ReleaseState.completed))

    assert (request.state, request.code) == (RequestState.posted, None)
    assert await working.open_items() == []


async def test_draft_that_is_moved_to_another_day_takes_the_accrued_income_with_it(working: Stage) -> None:
    await working.work()
    working.erp.tax_off_by = Decimal("0.06")
    release = await working.release()
    working.erp.tax_off_by = Decimal("0.00")
    (draft,) = working.erp.invoices
    moved = structs.replace(working.erp.edit_draft(draft.id, "120.00"), accounting_date=EARLIER)
    working.erp.invoices.put(moved, working.now())

    await working.resume(only(release))
    await working.rested(release, ReleaseState.completed)

    (posted,) = [one for one in working.erp.transactions if one.business_key.endswith("_rel")]
    assert posted.date == EARLIER


async def test_cancelled_draft_frees_its_facts_for_an_invoice_of_the_next_number(working: Stage) -> None:
    fact = await working.work()
    working.erp.tax_off_by = Decimal("0.06")
    release = await working.release()
    working.erp.tax_off_by = Decimal("0.00")

    await working.resume(only(release), cancel_draft=True)
    given_up = only(await working.rested(release, ReleaseState.completed))
    between = await working.facts(fact)
    again = await working.released()

    assert (given_up.state, given_up.code) == (RequestState.cancelled, Code.invoice_total_mismatch)
    assert [one.billing for one in between] == [Billing.ready]
    assert (again.state, again.business_key[-2:]) == (RequestState.posted, "_2")
    assert [invoice.state for invoice in working.erp.invoices] == [InvoiceState.cancelled, InvoiceState.posted]


async def test_draft_that_somebody_has_posted_stands_once_that_is_accepted_and_stays_a_break(working: Stage) -> None:
    fact = await working.work()
    working.erp.tax_off_by = Decimal("0.06")
    release = await working.release()
    (draft,) = working.erp.invoices
    await working.erp.post_invoice(draft.id, draft.version)

    await working.resume(only(release), cancel_draft=True)
    refused = only(await working.rested(release, ReleaseState.parked))
    await working.resume(refused, accept_posted=True)
    request = only(await working.rested(release, ReleaseState.completed))
    async with working.store.begin() as connection:
        breaks = await mismatches(connection, working.now())

    assert request.state is RequestState.posted
    assert request.invoice is not None
    assert (request.invoice.number, request.invoice.gross) == (
        working.erp.invoices.get(draft.id).number,
        euros("145.26"),
    )
    assert [one.billing for one in await working.facts(fact)] == [Billing.billed]
    assert Decimal("0.06") in breaks.values()
    assert (await working.open_items(), working.accrued_income()) == ([], Decimal(0))


async def test_draft_that_somebody_has_deleted_frees_its_facts_once_it_is_given_up(
    working: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fact = await working.work()
    working.erp.tax_off_by = Decimal("0.06")
    release = await working.release()
    working.erp.tax_off_by = Decimal("0.00")

    async def gone(_invoice_id: str) -> Invoice:
        raise Refused(Code.resource_not_found, "There is no such invoice.")

    with monkeypatch.context() as patched:
        patched.setattr(working.erp, "get_invoice", gone)
        await working.resume(only(release))
        asked = only(await working.rested(release, ReleaseState.parked))
        await working.resume(asked, cancel_draft=True)
        given_up = only(await working.rested(release, ReleaseState.completed))

    assert (asked.code, given_up.state) == (Code.invoice_total_mismatch, RequestState.cancelled)
    assert [one.billing for one in await working.facts(fact)] == [Billing.ready]


async def test_small_tax_difference_is_tolerated(working: Stage) -> None:
    await working.work()
    working.erp.tax_off_by = Decimal("0.01")

    request = await working.released()

    assert request.state is RequestState.posted
    assert request.invoice is not None
    assert request.expected is not None
    assert (request.expected.tax, request.invoice.tax) == (euros("25.20"), euros("25.21"))


async def test_draft_that_is_changed_before_it_is_posted_is_not_posted(stage: Stage) -> None:
    await stage.work()

    async def edit(moment: str, step: str) -> None:
        if (moment, step) == ("before", "post_invoice"):
            (draft,) = stage.erp.invoices
            stage.erp.edit_draft(draft.id, "121.00")

    async with stage.working(edit):
        release = await stage.release()

    assert (only(release).state, release.state) == (RequestState.accepted, ReleaseState.parked)
    assert stage.erp.books.entries_of(only(release).business_key) == []


async def test_refusal_of_the_erp_rejects_the_request_and_frees_the_facts(working: Stage) -> None:
    fact = await working.work(tax_code="VAT 7%", tax_percent="7")

    request = await working.released()

    assert (request.state, request.code) == (RequestState.rejected, Code.tax_code_missing)
    assert [one.billing for one in await working.facts(fact)] == [Billing.ready]
    assert working.psa.notes
    working.erp.taxes["VAT 7%"] = "7"
    assert (await working.released()).state is RequestState.posted


class Broken(Exception):
    """What a step breaks with, its effect being there."""


def breaking_once(step: str) -> Callable[[str, str], Awaitable[None]]:
    """Return what breaks the step once, after what it did and before that is written down."""
    left = [step]

    async def strike(moment: str, name: str) -> None:
        if moment == "after" and name in left:
            left.remove(name)
            raise Broken

    return strike


@pytest.mark.parametrize(
    "step",
    [
        "open_request",
        "select_and_lock",
        "validate",
        "create_invoice",
        "compare_draft",
        "post_invoice",
        "record_invoice",
        "post_billable_transactions",
        "record_releases",
        "write_billing_note",
        "write_time_feedback",
    ],
)
async def test_step_that_is_carried_out_twice_has_one_effect(stage: Stage, step: str) -> None:
    await stage.work()
    async with stage.working(breaking_once(step)):
        release = await stage.release()
        await stage.resume(only(release))
        request = only(await stage.rested(release, ReleaseState.completed))

    assert release.state is ReleaseState.parked
    assert request.state is RequestState.posted, request
    assert len(stage.erp.invoices) == 1
    assert len(stage.erp.books.entries_of(request.business_key)) == 1
    assert stage.accrued_income() == 0
    assert len(stage.psa.notes) == 1
    assert [told[-1].state.value for told in stage.psa.feedback.values()] == ["billed"]
    assert len(await stage.events("tiebeam.invoice_release.posted.v1")) == 1


@pytest.mark.parametrize("step", ["close_request", "tell_why_not"])
async def test_undo_that_is_carried_out_twice_has_one_effect(stage: Stage, step: str) -> None:
    fact = await stage.work()
    await stage.hold(ScopeType.contract, stage.contract.id)
    async with stage.working(breaking_once(step)):
        release = await stage.release()
        await stage.resume(only(release))
        request = only(await stage.rested(release, ReleaseState.completed))

    assert request.state is RequestState.held
    assert [one.billing for one in await stage.facts(fact)] == [Billing.ready]
    assert len(await stage.events("tiebeam.invoice_release.held.v1")) == 1
    assert len(stage.psa.notes) == 1


async def test_note_that_the_psa_refuses_keeps_nobody_from_releasing_anew(working: Stage) -> None:
    await working.work()
    hold = await working.hold(ScopeType.contract, working.contract.id)
    working.psa.plan("write_billing_note", Fault.refused)
    held = await working.released()
    await working.lift(hold)

    posted = await working.released()

    assert (held.state, posted.state) == (RequestState.held, RequestState.posted)


async def test_facts_that_another_request_takes_meanwhile_are_not_billed_twice(either: Stage) -> None:
    fact = await either.work()
    async with either.store.begin() as connection:
        await move_facts(connection, either.store, tb_fact.c.id == fact.id, billing=Billing.on_request.value)
    await either.work(net="60.00", minutes=30)

    request = await either.released()

    assert request.state is RequestState.posted
    assert [(one.fact, one.code) for one in request.excluded] == [(fact.id, Code.entry_duplicate)]


async def test_fact_that_is_on_another_live_request_is_a_duplicate(either: Stage) -> None:
    fact = await either.work()
    await either.money.request(either.contract, [fact], LedgerState.submitted)

    request = await either.released()

    assert (request.state, request.code) == (RequestState.rejected, Code.entry_duplicate)
    assert len(either.erp.invoices) == 0


async def test_account_and_tax_come_from_the_mappings_where_the_fact_has_none(working: Stage) -> None:
    await working.work(tax_code=None, tax_percent=None, revenue_account=None)
    strange = await working.work(tax_category="unheard_of", tax_code=None, tax_percent=None)

    refused = await working.released()
    await working.hold(ScopeType.fact, strange.id)
    posted = await working.released()

    assert (refused.state, refused.code) == (RequestState.rejected, Code.tax_not_determinable)
    assert posted.state is RequestState.posted, posted
    (invoice,) = working.erp.invoices
    assert [(line.account, line.tax_code) for line in invoice.lines] == [("4.2.2", "VAT 21%")]
