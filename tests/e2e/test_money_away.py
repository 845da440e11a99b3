"""A system is away while money is under way: it is told so, goes on by itself once it is back, and nothing is lost."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest

from examples.demo import orders
from gateway import main
from gateway.durable.moments import BEFORE
from openapi.common.types import Code
from openapi.system.erp.v1 import InvoiceState
from openapi.system.psa.v1 import TimeFeedbackState
from tests.e2e.conftest import QUICK
from tests.e2e.product import Product, product_on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.erp_master import ACCRUED_INCOME
from tests.fakes.psa import FakePsa

Document = dict[str, Any]

PATIENT_S = 120
CLOCKS = QUICK | {"unavailable_resume_s": 0.3, "retry_attempts": 2}
SELDOM = {"poll_s": 86_400.0, "sweep_s": 604_800.0}
"""When time is taken over by itself: a run that is met has looked for changes before the test made them."""
FIRST, LAST = orders.last_month()
SOLD = Decimal(220)
"""Euros: 20 and 90 minutes at 120.00 an hour are 40.00 and 180.00."""
TRANSFER, RELEASE = "/process/time-transfer/v1", "/process/invoice-release/v1"


class Firm:
    """The whole product on systems that can be taken away, with a worker."""

    def __init__(self, product: Product, erp: FakeErp, psa: FakePsa) -> None:
        self.erp, self.psa = erp, psa
        self._goes_away: dict[str, FakeErp | FakePsa] = {}
        self._product, self._client = product, product.client()
        self.project: Document

    def take_away(self, system: FakeErp | FakePsa, *, before: str) -> None:
        """Let the system be away from the moment on at which the step would begin."""
        self._goes_away[before] = system

    async def strike(self, moment: str, step: str) -> None:
        """Let happen what was planned for the moment, once."""
        if moment == BEFORE and (system := self._goes_away.pop(step, None)):
            system.away = True

    async def open(self) -> None:
        """Onboard the project; the run that begins with the worker has ended, and meets nothing that is away."""
        body = orders.statement_of_work("0065", orders.HARBOUR, "Data platform", "DATA")
        done = await self.rested(await self.create("/process/project-onboarding/v1/onboardings", body))
        assert done["state"] == "active", done
        self.project = done["project"]
        await self.until(f"{TRANSFER}/runs", lambda listed: {run["state"] for run in listed["items"]} == {"completed"})
        (self._psa_project,) = (
            one["external_id"] for one in done["cross_references"] if one["connection"] == "delivery"
        )

    def work(self) -> None:
        """Have two entries approved, of which nothing was taken over yet."""
        self.worked = [
            self.psa.book_time(self._psa_project, minutes, on=FIRST, approved=True, description="Loader").id
            for minutes in (20, 90)
        ]

    async def create(self, path: str, body: Document) -> str:
        """Return where what was asked for can be looked at."""
        answer = await self._client.post(path, json=body, headers={"Idempotency-Key": f'"{uuid.uuid4()}"'})
        assert answer.is_success, answer.text
        return answer.headers["Location"]

    async def get(self, path: str) -> Document:
        """Return what is read."""
        found: Document = (await self._client.get(path)).raise_for_status().json()
        return found

    async def until(self, path: str, reached: Callable[[Document], bool]) -> Document:
        """Return what stands at the path once it is so."""
        give_up = time.monotonic() + PATIENT_S
        while not reached(found := await self.get(path)):
            assert time.monotonic() < give_up, found
            await asyncio.sleep(0.02)
        return found

    async def rested(self, path: str) -> Document:
        """Return the process, or the release, once it has ended."""
        return await self.until(path, lambda one: one["state"] in {"completed", "active", "cancelled"})

    async def transfer(self) -> str:
        """Return where a run over changed time can be looked at."""
        return await self.create(f"{TRANSFER}/runs", {"connection": "delivery"})

    async def release(self) -> str:
        """Return where a release of last month's work can be looked at."""
        wanted = {"legal_entity": "ES01", "projects": [self.project["id"]], "through": str(LAST)}
        return await self.create(f"{RELEASE}/releases", wanted)

    async def transferred(self) -> list[str]:
        """Return where each of the entries stands."""
        asked = [f"{TRANSFER}/entries?connection=delivery&external_id={entry}" for entry in self.worked]
        return [one["transfer"] for path in asked for one in (await self.get(path))["items"]]

    def accrued(self) -> Decimal:
        """Return what the ledger has as earned, and not invoiced."""
        return self.erp.books.balance(ACCRUED_INCOME)

    def invoices(self, request: Document) -> list[InvoiceState]:
        """Return where the ledger's invoices of a request stand."""
        return [invoice.state for invoice in self.erp.invoices.carrying(request["business_key"])]

    async def told(self) -> set[TimeFeedbackState]:
        """Return what the PSA shows of the entries."""
        return {feedback.state for feedback in (await self.psa.find_time_feedback(self.worked)).values()}

    async def noted(self) -> str:
        """Return what the PSA's project says of its invoices."""
        return "\n".join(note.text for note in self.psa.notes)


@pytest.fixture(scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Firm]:
    """A project, and a worker."""
    erp, psa = FakeErp(), FakePsa()
    async with product_on_fakes(
        tmp_path_factory.mktemp("away"), erp, psa, processes=CLOCKS, transfer=SELDOM
    ) as composed:
        firm = Firm(composed, erp, psa)
        async with main.worker(composed.parts, firm.strike).started():
            await firm.open()
            yield firm


@pytest.fixture
def firm(opened: Firm) -> Firm:
    """The same, with work that was done since the last invoice."""
    opened.work()
    return opened


def is_parked_unavailable(process: Document) -> bool:
    """Tell whether the run, or a release's only request, waits because a system is away."""
    (part,) = process.get("requests", [process])
    return process["state"] == "parked" and Code.upstream_unavailable in {step["code"] for step in part["steps"]}


async def test_transfer_waits_for_the_ledger_and_goes_on_by_itself(firm: Firm) -> None:
    before, firm.erp.away = firm.accrued(), True

    run = await firm.transfer()
    parked = await firm.until(run, is_parked_unavailable)
    firm.erp.away = False
    done = await firm.rested(run)

    assert parked["counts"]["posted"] == 0
    assert firm.accrued() - before == SOLD
    assert (done["state"], done["counts"]["posted"], done["work_items"]) == ("completed", 2, [])
    assert await firm.transferred() == ["posted", "posted"]
    assert await firm.told() == {TimeFeedbackState.posted}


async def test_ledger_that_goes_away_in_the_middle_of_a_transfer_gets_each_posting_once(firm: Firm) -> None:
    before = firm.accrued()
    firm.take_away(firm.erp, before="post_billable_transactions")

    run = await firm.transfer()
    await firm.until(run, is_parked_unavailable)
    firm.erp.away = False
    done = await firm.rested(run)

    assert (done["counts"]["posted"], firm.accrued() - before) == (2, SOLD)


async def test_psa_that_is_away_is_told_of_its_time_later(firm: Firm) -> None:
    before = firm.accrued()
    firm.take_away(firm.psa, before="write_time_feedback")

    run = await firm.transfer()
    parked = await firm.until(run, is_parked_unavailable)
    posted = firm.accrued()
    firm.psa.away = False
    done = await firm.rested(run)

    assert (posted - before, parked["counts"]["told"]) == (SOLD, 0), "What is in the books stays there."
    assert (done["counts"]["told"], firm.accrued() - before) == (2, SOLD)
    assert await firm.told() == {TimeFeedbackState.posted}


@pytest.mark.parametrize("step", ["check_customer", "create_invoice", "post_invoice", "post_billable_transactions"])
async def test_release_waits_for_the_ledger_and_makes_one_invoice(firm: Firm, step: str) -> None:
    await firm.rested(await firm.transfer())
    firm.take_away(firm.erp, before=step)

    release = await firm.release()
    await firm.until(release, is_parked_unavailable)
    firm.erp.away = False
    (request,) = (await firm.rested(release))["requests"]

    assert (request["state"], request["work_items"]) == ("posted", [])
    assert (firm.invoices(request), firm.accrued()) == ([InvoiceState.posted], Decimal(0))


@pytest.mark.parametrize("step", ["observe_holds", "write_billing_note", "write_time_feedback"])
async def test_release_waits_for_the_psa_and_tells_it_in_the_end(firm: Firm, step: str) -> None:
    await firm.rested(await firm.transfer())
    firm.take_away(firm.psa, before=step)

    release = await firm.release()
    parked = await firm.until(release, is_parked_unavailable)
    firm.psa.away = False
    (request,) = (await firm.rested(release))["requests"]

    is_posted = parked["requests"][0]["state"] == "posted"
    assert is_posted is (step != "observe_holds"), "Without the PSA's flag nothing is sent; after it nothing is undone."
    assert request["state"] == "posted"
    assert firm.invoices(request) == [InvoiceState.posted]
    assert request["invoice"]["number"] in await firm.noted()
