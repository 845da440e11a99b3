"""Invoices that are not like the contract's others wait for a second person; everything else passes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from gateway.errors import Refused
from gateway.store.work_items import ItemState
from openapi.common.types import Code, Money, OwnerQueue
from openapi.process.invoice_release.v1 import PreviewState, ReleaseRequest, RequestState
from process_apis.invoice_release import approvals
from process_apis.invoice_release.usual import ReleaseSettings
from process_apis.ledger.facts import Billing
from process_apis.ledger.requests import InvoiceRequest
from process_apis.ledger.requests import RequestState as LedgerState
from tests.workflows.release_stage import Stage, only


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[Stage]:
    stage = Stage(sqlite_url)
    yield await stage.prepare()
    await stage.close()


@pytest.fixture
async def working(stage: Stage) -> AsyncIterator[Stage]:
    await invoiced(stage, "100.00", "100.00", "100.00")
    async with stage.working():
        yield stage


@pytest.fixture
async def either(url: str) -> AsyncIterator[Stage]:
    """Return a stage with a worker, on one database and on the other."""
    stage = Stage(url)
    await stage.prepare()
    await invoiced(stage, "100.00", "100.00", "100.00")
    async with stage.working():
        yield stage
    await stage.close()


async def invoiced(stage: Stage, *nets: str, fee: str | None = None, posted_at: datetime | None = None) -> None:
    """Plant invoices of work that were posted, each with the fee of a milestone beside it."""
    for net in nets:
        facts = [await stage.money.fact(stage.contract, net=net, billing=Billing.billed)]
        whole = net
        if fee:
            facts.append(await stage.money.milestone(stage.contract, 9, net=fee, billing=Billing.billed))
            whole = str(Decimal(net) + Decimal(fee))
        await stage.money.request(stage.contract, facts, LedgerState.posted, net=whole, posted_at=posted_at)


def euros(amount: str) -> Money:
    return Money(amount=amount, currency="EUR")


def told(request: ReleaseRequest) -> tuple[RequestState, Code | None, list[tuple[object, object]]]:
    """Return what became of a request, with what was expected of it and what there is."""
    return request.state, request.code, [(one.expected, one.actual) for one in request.violations]


def rejected(most: str, actual: str) -> tuple[RequestState, Code | None, list[tuple[object, object]]]:
    return RequestState.rejected, Code.invoice_unusual, [(f"{most} at most", actual)]


async def planted(stage: Stage, **changed: object) -> InvoiceRequest:
    """Return a request that was rejected as unusual, or is as it is said."""
    return await stage.money.unusual(stage.contract, [await stage.money.fact(stage.contract)], **changed)


async def code_of_approval(stage: Stage, request: ReleaseRequest | InvoiceRequest, **said: str) -> Code:
    with pytest.raises(Refused) as refused:
        await stage.approve_request(request, **said)
    return refused.value.code


async def test_unusual_invoice_waits_until_a_second_person_has_approved_it(either: Stage) -> None:
    stage = either
    fact = await stage.work(net="150.01")

    seen = await stage.preview()
    release = await stage.release()
    request = only(release)

    assert (seen.state, seen.code) == (PreviewState.rejected, Code.invoice_unusual)
    assert [one.actual for one in seen.violations] == ["150.01"]
    assert told(request) == rejected("150.00", "150.01")
    assert release.report.rejected.count == 1
    assert [one.billing for one in await stage.facts(fact)] == [Billing.ready]
    assert ["invoice.unusual" in note.text for note in stage.psa.notes] == [True]
    (item,) = await stage.open_items()
    assert request.work_items == [item.id]
    assert (item.owner_queue, item.amount_at_risk) == (OwnerQueue.Finance_Ops, euros("181.51"))
    assert (
        f"150.00 at most; it is 150.01. Where that is right, have a second person approve the request {request.id}."
        in item.detail
    )
    assert item.deadline
    assert item.deadline > stage.now()

    assert await code_of_approval(stage, request, by=stage.caller.subject) is Code.auth_four_eyes_required
    approved = await stage.approve_request(request)
    again = await stage.approve_request(request, by="somebody-else", reason="Me too")
    waiting = await stage.open_items()
    posted = await stage.released()

    assert approved.approval
    assert (approved.approval.work_net, approved.approval.subject) == (euros("150.01"), "controller")
    assert again.approval == approved.approval
    assert waiting == []
    assert (posted.state, posted.business_key, posted.attempt) == (RequestState.posted, request.business_key, 2)
    (event,) = await stage.events(approvals.APPROVED)
    assert (event["subject"], event["reason"], event["work_net"]) == (
        "controller",
        "Two weekends of migration",
        "150.01",
    )


async def test_more_than_what_was_approved_is_asked_about_again(working: Stage) -> None:
    await working.work(net="200.00")
    first = await working.released()
    await working.approve_request(first)
    await working.work(net="0.01")

    second = await working.released()
    (item,) = await working.open_items()
    await working.approve_request(second)
    third = await working.released()

    assert told(second) == rejected("150.00", "200.01")
    assert (item.state, item.attempts) == (ItemState.open, 2)
    assert (third.state, third.expected and third.expected.net) == (RequestState.posted, euros("200.01"))


async def test_first_invoices_of_a_contract_are_compared_with_nothing(stage: Stage) -> None:
    await invoiced(stage, "100.00", "100.00")
    await stage.work(net="9000.00")

    assert (await stage.preview()).state is PreviewState.validated


async def test_agreed_amount_is_not_unusual_for_being_due_and_work_beside_it_is_compared(working: Stage) -> None:
    await working.approve()
    await working.work(net="150.00")
    usual = await working.preview()
    await working.work(net="0.01")

    request = await working.released()

    assert (usual.state, usual.expected and usual.expected.net) == (PreviewState.validated, euros("1650.00"))
    assert told(request) == rejected("150.00", "150.01")


async def test_agreed_amounts_are_no_measure_for_work(stage: Stage) -> None:
    await invoiced(stage, "100.00", "100.00", "100.00", fee="1500.00")
    for _ in range(7):
        milestone = await stage.money.milestone(stage.contract, 9, billing=Billing.billed)
        await stage.money.request(stage.contract, [milestone], LedgerState.posted, net="1500.00")
    await stage.work(net="150.01")

    seen = await stage.preview()

    assert [(one.code, one.expected) for one in seen.violations] == [(Code.invoice_unusual, "150.00 at most")]


async def test_only_the_last_invoices_to_the_payer_are_a_measure(stage: Stage) -> None:
    await invoiced(stage, "9000.00", *["100.00"] * 6)
    other = await stage.money.fact(stage.contract, customer="cus_other", billing=Billing.billed, net="9000.00")
    await stage.money.request(stage.contract, [other], LedgerState.posted, customer="cus_other", net="9000.00")
    await stage.work(net="150.01")

    assert (await stage.preview()).code is Code.invoice_unusual


async def test_more_lines_of_a_project_on_one_day_than_is_usual_are_asked_about(stage: Stage) -> None:
    stage.settings = ReleaseSettings(lines_per_project_and_day=2)
    midnight = datetime(2026, 11, 30, 23, tzinfo=UTC)  # Where the entity is, in winter.
    await invoiced(stage, "100.00", posted_at=midnight - timedelta(seconds=1))
    await invoiced(stage, "100.00", posted_at=midnight)
    flying = await stage.money.fact(stage.contract, billing=Billing.on_request)
    await stage.money.request(stage.contract, [flying], LedgerState.in_doubt)
    await stage.work(net="100.00")

    async with stage.working():
        request = await stage.released()
        await stage.approve_request(request)
        posted = await stage.released()

    assert told(request) == rejected("2", "3")
    assert posted.state is RequestState.posted


async def test_nothing_is_asked_where_an_installation_does_not_say_what_is_unusual(stage: Stage) -> None:
    stage.settings = ReleaseSettings()
    await invoiced(stage, "1.00", "1.00", "1.00", posted_at=stage.now())
    await stage.work(net="9000.00")

    assert (await stage.preview()).state is PreviewState.validated


async def test_nobody_is_asked_any_more_once_the_work_is_billed_under_another_key(working: Stage) -> None:
    await working.work(net="200.00")
    first = await working.released()
    second = await working.released(through="2026-12-31")
    asked = {item.trace_key for item in await working.open_items()}
    await working.approve_request(second)

    posted = await working.released(through="2026-12-31")

    assert asked == {first.business_key, second.business_key}
    assert posted.state is RequestState.posted
    assert await working.open_items() == []


async def test_nobody_is_asked_any_more_once_the_work_was_taken_back(working: Stage) -> None:
    fact = await working.work(net="200.00")
    await working.released()
    await working.work(net="-200.00", reverses=fact.id)

    request = await working.released()

    assert request.state is RequestState.nothing_to_bill
    assert await working.open_items() == []


@pytest.mark.parametrize(
    ("state", "code"),
    [(LedgerState.posted, None), (LedgerState.draft, Code.invoice_unusual), (LedgerState.rejected, Code.po_missing)],
)
async def test_what_was_not_rejected_as_unusual_is_not_approved(
    stage: Stage, state: LedgerState, code: Code | None
) -> None:
    request = await planted(stage, state=state, code=code)

    assert await code_of_approval(stage, request) is Code.process_illegal_transition


async def test_request_that_is_not_there_or_not_theirs_is_not_approved(stage: Stage) -> None:
    request = await planted(stage)
    stage.caller = replace(stage.caller, projects=frozenset({"prj_other"}))

    for one in (request, replace(request, id=f"ivr_{'0' * 26}")):
        assert await code_of_approval(stage, one) is Code.resource_not_found


async def test_nobody_who_asked_approves_but_anybody_else(stage: Stage) -> None:
    request = await planted(stage)
    await stage.money.asked_for(request, "controller")
    await stage.money.asked_for(request, "board", issuer="https://partner.example")  # Somebody else of that name.

    asked = [await code_of_approval(stage, request, by=by) for by in ("ana.ruiz", "controller")]
    approved = await stage.approve_request(request, by="board")

    assert asked == [Code.auth_four_eyes_required] * 2
    assert approved.approval


async def test_nobody_approves_what_nobody_knows_who_asked_for(stage: Stage) -> None:
    request = await planted(stage)
    await stage.money.asked_for(request, None)  # As a web process of 0.2.0 does.

    assert await code_of_approval(stage, request) is Code.auth_four_eyes_required


async def test_approval_of_an_earlier_attempt_leaves_the_question_about_a_later_one(stage: Stage) -> None:
    first = await planted(stage)
    key = {"business_key": first.business_key, "attempt": 2, "process_id": first.process_id}
    second = await planted(stage, **key)
    async with stage.store.begin() as connection:
        await approvals.ask(connection, stage.store, second)

    await stage.approve_request(first)
    left = await stage.open_items()
    await stage.approve_request(second)

    assert [item.trace_key for item in left] == [first.business_key]
    assert await stage.open_items() == []


async def test_portal_is_not_told_who_approved_and_why(stage: Stage) -> None:
    request = await planted(stage)
    inside = await stage.approve_request(request)
    stage.caller = replace(stage.caller, customers=frozenset({stage.contract.customer}))

    outside = await stage.approve_request(request)

    assert inside.approval
    assert outside.approval is None
