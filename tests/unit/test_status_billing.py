"""What a status says of money: each amount as the contract defines it, and invoices down to their hours."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.caller import INSTALLATION, Caller
from gateway.errors import Refused
from gateway.store import business_events
from gateway.store.business_events import NewEvent
from gateway.store.cross_references import NewReference, establish
from gateway.store.database import Store, create_engine, metadata
from gateway.store.processes import get as get_process
from gateway.store.work_items import NewItem, open_item
from openapi.common.types import Code, Money
from openapi.process.status.v1 import BillingStatus, Family, ProjectStatus
from openapi.system.erp.v1 import Invoice, InvoiceState
from process_apis.ledger.contracts import SignedContract
from process_apis.ledger.facts import Adjustment, Billing, Fact, Kind, Posting
from process_apis.ledger.hold_placing import Dimensions, LiftMode, NewHold, place_hold_within
from process_apis.ledger.hold_scopes import find_owners
from process_apis.ledger.holds import Scope, ScopeType
from process_apis.ledger.requests import RequestState
from process_apis.status import v1
from process_apis.status.systems import Systems
from system_apis.landscape import Configured
from tests.fakes.clock import Clock
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.workflows.money_stage import Money as Planted

FINANCE = replace(INSTALLATION, client_id="finance", scopes=frozenset({"finance:read"}))


class Stage:
    """A contract, the systems, and what a caller is answered."""

    def __init__(self, store: Store, clock: Clock, contract: SignedContract) -> None:
        self.clock = clock
        self.store, self.contract, self.money = store, contract, Planted(store, prefix="more")
        self.erp, self.caller = FakeErp(), INSTALLATION
        landscape = Configured(erps={"books": self.erp}, psas={"delivery": FakePsa()}, erp_of={}, psa_of={})
        self.systems = Systems(store, landscape, {"books": Family.erp, "delivery": Family.psa}, {})

    async def status(self) -> ProjectStatus:
        project = self.contract.project
        return await v1.get_project_status(
            store=self.store, systems=self.systems, caller=self.caller, project_id=project, fresh=False
        )

    async def amounts(self) -> dict[str, str]:
        """Return the amounts in EUR that are not nothing."""
        (amounts,) = (await self.status()).amounts
        names = ("approved", "posted", "held", "ready", "requested", "billed", "paid")
        told = {name: getattr(amounts, name).amount for name in names}
        return {name: amount for name, amount in told.items() if amount != "0.00"}

    async def billing(self, **asked: str) -> list[BillingStatus]:
        filters = dict.fromkeys(("project", "invoice", "entry", "connection")) | asked
        listed = await v1.list_billing_statuses(
            store=self.store, systems=self.systems, caller=self.caller, fresh=True, **filters
        )
        return listed.items

    async def hold(self, kind: str, thing: str) -> str:
        scope = Scope(type=ScopeType(kind), id=thing)
        async with self.store.begin() as connection:
            owners = await find_owners(connection, scope)
        assert owners
        new = NewHold(
            scope=scope,
            owners=owners,
            dimensions=Dimensions.billing,
            reason="po_missing",
            note="Between us: they never pay.",
            placed_by="crm",
            placed_in="gateway",
            reference="case",
            review_on=date(2026, 12, 9),
            lift_mode=LiftMode.until_lifted,
            until=None,
            correlation_id="cor_1",
        )
        async with self.store.begin() as connection:
            return (await place_hold_within(connection, self.store, new)).id

    async def invoice(self, *, paid: str | None = None) -> Fact:
        """Return an hour that was invoiced as R1, of which something may be paid."""
        fact = await self.money.fact(self.contract, billing=Billing.billed)
        invoice = Invoice(
            id="1",
            version="1",
            business_key="inv_1",
            legal_entity="ES01",
            customer_id="1",
            number="R1",
            state=InvoiceState.posted,
            invoice_date=date(2026, 11, 30),
            accounting_date=date(2026, 11, 30),
            due_date=date(2026, 12, 30),
            net=eur("120.00"),
            tax=eur("25.20"),
            gross=eur("145.20"),
            balance=eur("145.20"),
            taxes=[],
            lines=[],
            updated_at=None,
            references=[],
        )
        self.erp.invoices.put(invoice, self.store.now())
        if paid:
            self.erp.pay("1", paid)
        known = {"invoice_id": "1", "invoice_number": "R1", "erp_net": "120.00"}
        await self.money.request(self.contract, [fact], RequestState.posted, **known)
        return fact


def eur(amount: str) -> Money:
    return Money(amount=amount, currency="EUR")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = Clock()
    store = Store(create_engine(f"sqlite:///{tmp_path}/status.sqlite"), clock)
    async with store.begin() as connection:
        await connection.run_sync(metadata.create_all)
    money = Planted(store)
    yield Stage(store, clock, await money.contract(await money.project()))
    await store.close()


async def test_project_without_facts_has_no_amounts(stage: Stage) -> None:
    assert (await stage.status()).amounts == []


async def test_posted_hour_is_ready_until_it_is_held(stage: Stage) -> None:
    await stage.money.fact(stage.contract)
    free = await stage.amounts()
    await stage.hold("contract_line", f"{stage.contract.id}-1")

    assert free == {"approved": "120.00", "posted": "120.00", "ready": "120.00"}
    assert await stage.amounts() == {"approved": "120.00", "posted": "120.00", "held": "120.00"}


async def test_what_the_psa_has_changed_since_is_not_ready(stage: Stage) -> None:
    await stage.money.fact(stage.contract, code=Code.entry_edited_after_post)

    assert await stage.amounts() == {"approved": "120.00", "posted": "120.00"}


async def test_hour_on_its_way_into_the_books_is_approved_alone(stage: Stage) -> None:
    await stage.money.fact(stage.contract, posting=Posting.pending, billing=Billing.unbilled)

    assert await stage.amounts() == {"approved": "120.00"}


async def test_reversed_hour_and_its_reversal_come_to_nothing(stage: Stage) -> None:
    first = await stage.money.fact(stage.contract, posting=Posting.posted, billing=Billing.reversed)
    await stage.money.fact(stage.contract, net="-120.00", reverses=first.id, billing=Billing.reversed)

    assert await stage.amounts() == {}


@pytest.mark.parametrize(("state", "name"), [(RequestState.validated, "held"), (RequestState.submitted, "requested")])
async def test_hold_stops_a_request_until_it_is_submitted(stage: Stage, state: RequestState, name: str) -> None:
    fact = await stage.money.milestone(stage.contract, 1, billing=Billing.on_request)
    await stage.money.request(stage.contract, [fact], state)
    await stage.hold("milestone", f"{stage.contract.id}-2-1")

    assert await stage.amounts() == {"approved": "1500.00", name: "1500.00"}


async def test_what_is_paid_comes_from_the_erp_tax_included(stage: Stage) -> None:
    await stage.invoice(paid="45.20")

    assert await stage.amounts() == {"approved": "120.00", "posted": "120.00", "billed": "120.00", "paid": "45.20"}


async def test_hold_is_a_blocker_without_its_note(stage: Stage) -> None:
    hold = await stage.hold("project", stage.contract.project)

    (blocker,) = (await stage.status()).blockers

    assert (blocker.code, blocker.hold_id, blocker.work_item_id) == (Code.billing_hold_active, hold, None)
    assert blocker.detail == "crm holds the project: po missing. Review on 2026-12-09."


async def test_whatever_process_asks_for_somebody_is_a_blocker(stage: Stage) -> None:
    request = await stage.money.request(stage.contract, [await stage.money.fact(stage.contract)], RequestState.draft)
    process = await get_process(stage.store, INSTALLATION, request.process_id)
    async with stage.store.begin() as connection:
        item = NewItem(step="check", trace_key="inv_1", code=Code.po_missing, detail="Which order?")
        item_id = await open_item(connection, stage.store, process, item)

    (blocker,) = (await stage.status()).blockers

    assert (blocker.work_item_id, blocker.hold_id, blocker.detail) == (item_id, None, "Which order?")


async def test_timeline_is_of_the_project_and_the_newest_first(stage: Stage) -> None:
    owners = {"project": stage.contract.project, "subject": stage.contract.project, "data": {}}
    for what in ("time_posted", "running", "invoice_posted"):
        async with stage.store.begin() as connection:
            event = NewEvent(type=f"tiebeam.tests.{what}.v1", **owners)  # type: ignore[arg-type]  # Each is one of its fields.
            await business_events.append(connection, stage.store, event)
        stage.clock.forward(1)

    timeline = (await stage.status()).timeline

    assert [one.type.split(".")[2] for one in timeline] == ["invoice_posted", "time_posted"]


async def test_invoices_are_shown_with_our_amounts_until_the_erp_has_told_its_own(stage: Stage) -> None:
    ours = {"net": "120.00", "tax": "25.20", "gross": "145.20"}
    theirs = {"erp_net": "120.01", "erp_tax": "25.21", "erp_gross": "145.22"}
    for state, told in ((RequestState.validated, {}), (RequestState.posted, theirs)):
        fact = await stage.money.fact(stage.contract)
        await stage.money.request(stage.contract, [fact], state, **ours, **told)

    shown = {(one.net.amount, one.tax.amount, one.gross.amount) for one in (await stage.status()).invoices}

    assert shown == {tuple(ours.values()), tuple(theirs.values())}


async def test_system_that_was_never_asked_makes_a_status_no_older(stage: Stage) -> None:
    link = NewReference(
        canonical_id=stage.contract.project, object_type="project", system="x", instance="former", external_id="1"
    )
    await establish(stage.store, replace(link, project=stage.contract.project))

    status = await stage.status()

    assert ("former", None) in {(one.connection, one.as_of) for one in status.systems}
    assert (status.as_of, status.stale) == (stage.store.now(), True)


async def test_invoice_is_shown_with_its_lines_and_their_hours(stage: Stage) -> None:
    fact = await stage.invoice(paid="45.20")

    (billed,) = await stage.billing(invoice="R1")

    assert billed.invoice
    assert (billed.state, billed.stale) == ("posted", False)
    assert (billed.invoice.balance, billed.invoice.number) == (eur("100.00"), "R1")
    assert [payment.amount for payment in billed.invoice.payments] == [eur("45.20")]
    (line,) = billed.lines
    (entry,) = line.entries
    assert (entry.id, entry.hours, entry.person, entry.description) == (
        fact.source_id,
        "1",
        "Ana Ruiz",
        "Wrote the loader",
    )
    assert (line.net, entry.cost) == (eur("120.00"), None)


async def test_invoice_is_shown_as_it_was_while_the_erp_is_away(stage: Stage) -> None:
    await stage.invoice(paid="45.20")
    await stage.billing(project=stage.contract.project)
    stage.erp.away = True
    stage.clock.forward(1)

    (billed,) = await stage.billing(project=stage.contract.project)

    assert billed.invoice
    assert (billed.stale, billed.invoice.stale, billed.invoice.balance) == (True, True, eur("100.00"))


async def test_invoice_that_the_erp_never_told_of_has_no_balance(stage: Stage) -> None:
    await stage.invoice()
    stage.erp.away = True

    (billed,) = await stage.billing(invoice="R1")

    assert billed.invoice
    assert (billed.invoice.balance, billed.invoice.state, billed.stale) == (None, None, True)


async def test_invoice_that_is_gone_in_the_erp_is_stale(stage: Stage) -> None:
    fact = await stage.money.fact(stage.contract, billing=Billing.billed)
    await stage.money.request(stage.contract, [fact], RequestState.posted, invoice_id="9", invoice_number="R9")

    (billed,) = await stage.billing(invoice="R9")

    assert billed.stale


async def test_hour_on_no_invoice_is_found_by_its_entry_with_what_holds_it(stage: Stage) -> None:
    fact = await stage.money.fact(stage.contract)
    hold = await stage.hold("fact", fact.id)

    (status,) = await stage.billing(entry=fact.source_id, connection="delivery")

    assert (status.request_id, status.invoice, status.holds) == (None, None, [hold])
    assert [(line.number, line.description) for line in status.lines] == [(1, "Wrote the loader")]


async def test_lines_with_several_descriptions_are_named_by_their_item(stage: Stage) -> None:
    await stage.money.fact(stage.contract)
    await stage.money.fact(stage.contract, description="Tried the loader")
    await stage.money.milestone(stage.contract, 1, description="Design")

    (status,) = await stage.billing(project=stage.contract.project)

    assert [line.description for line in status.lines] == ["CONSULTING", "Design"]
    assert [entry.hours for entry in status.lines[1].entries] == [None]


@pytest.mark.parametrize(
    ("caller", "cost"),
    [
        (FINANCE, eur("70.00")),
        (INSTALLATION, None),
        (replace(FINANCE, customers="own"), None),
    ],
)
async def test_cost_is_for_finance_alone(stage: Stage, caller: Caller, cost: Money | None) -> None:
    fact = await stage.money.fact(stage.contract)
    said = {"kind": Kind.cost, "net": "70.00", "billing": Billing.non_billable, "pair_id": fact.pair_id}
    await stage.money.fact(stage.contract, **said)
    own = caller.customers == "own"  # type: ignore[comparison-overlap]  # Stands for the customer of this test.
    stage.caller = replace(caller, customers=frozenset({stage.contract.customer})) if own else caller

    (status,) = await stage.billing(project=stage.contract.project)

    assert [entry.cost for line in status.lines for entry in line.entries] == [cost]


async def test_stranger_is_told_of_nothing(stage: Stage) -> None:
    fact = await stage.invoice()
    stage.caller = replace(INSTALLATION, customers=frozenset({"cus_other"}))

    assert await stage.billing(project=stage.contract.project) == []
    assert await stage.billing(invoice="R1") == []
    assert await stage.billing(entry=fact.source_id, connection="delivery") == []


async def test_payer_is_told_of_its_own_part_of_a_project_that_others_pay_for_too(stage: Stage) -> None:
    other = (await stage.money.contract(await stage.money.project())).customer
    await stage.money.fact(stage.contract, net="72.00")
    fact = await stage.money.fact(stage.contract, customer=other, billing=Billing.billed, net="48.00")
    await stage.money.request(stage.contract, [fact], RequestState.posted, customer=other, invoice_number="R2")
    held = await stage.hold("customer", other)
    whole = await stage.status()

    stage.caller = replace(INSTALLATION, customers=frozenset({stage.contract.customer}))
    part = await stage.status()

    assert [invoice.number for invoice in whole.invoices] == ["R2"]
    assert [blocker.hold_id for blocker in whole.blockers] == [held]
    assert (part.invoices, part.blockers) == ([], [])
    assert await stage.amounts() == {"approved": "72.00", "posted": "72.00", "ready": "72.00"}


@pytest.mark.parametrize("asked", [{}, {"entry": "1"}, {"connection": "delivery"}, {"entry": "1", "invoice": "R1"}])
async def test_question_that_names_nothing_or_too_much_is_refused(stage: Stage, asked: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        await stage.billing(**asked)

    assert refused.value.code is Code.request_malformed


async def test_hour_that_was_taken_back_and_its_reversal_are_both_in_the_books(stage: Stage) -> None:
    await stage.money.fact(stage.contract)
    fact = await stage.money.fact(stage.contract, posting=Posting.reversed, billing=Billing.reversed)
    back = {"adjustment": Adjustment.reversal, "reverses": fact.id, "net": "-120.00"}
    await stage.money.fact(stage.contract, billing=Billing.non_billable, **back)

    assert await stage.amounts() == {"approved": "120.00", "posted": "120.00", "ready": "120.00"}


async def test_request_without_anything_to_bill_is_no_invoice(stage: Stage) -> None:
    await stage.money.request(stage.contract, [await stage.money.fact(stage.contract)], RequestState.nothing_to_bill)

    assert (await stage.status()).invoices == []
