"""The release of invoices as its caller meets it; the books of both systems say what became of it."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from openapi.common.types import Code, Money, Outcome
from openapi.process.invoice_release.v1 import PreviewState, ReleaseState, RequestState
from openapi.system.erp.v1 import InvoiceState
from process_apis.ledger.facts import Billing
from tests.fakes.erp_master import RECEIVABLE
from tests.workflows.release_stage import Stage, only


@pytest.fixture
async def stage(url: str) -> AsyncIterator[Stage]:
    stage = Stage(url)
    yield await stage.prepare()
    await stage.close()


@pytest.fixture
async def working(stage: Stage) -> AsyncIterator[Stage]:
    async with stage.working():
        yield stage


def euros(amount: str) -> Money:
    return Money(amount=amount, currency="EUR")


async def test_what_is_ready_is_invoiced_posted_and_shown_to_the_cent(working: Stage) -> None:
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
