"""A stage for releases: the real handlers, engine, guard and database, between a fake ERP and a fake PSA.

One project stands in both systems, with a contract; its work is in the books before it is released.
"""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import update

from gateway.caller import INSTALLATION
from gateway.durable import resume
from gateway.errors import Refused
from gateway.store import business_events, cross_references
from gateway.store.cross_references import NewReference
from gateway.store.database import utc_now
from gateway.store.pages import Window
from openapi.common.types import Code
from openapi.common.types import Money as Amount
from openapi.process.invoice_release.v1 import (
    Milestone,
    MilestoneApproval,
    NewRelease,
    PreviewedRequest,
    Release,
    ReleaseDecision,
    ReleasePreview,
    ReleaseRequest,
    ReleaseState,
    RequestApproval,
    RequestState,
)
from openapi.system.erp.v1 import NewBillableTransaction, TransactionKind
from process_apis.invoice_release import v1
from process_apis.invoice_release.fence import pass_fence
from process_apis.invoice_release.usual import ReleaseSettings
from process_apis.invoice_release.workflow import release_invoice
from process_apis.ledger.contracts import SignedContract, find_contracts, tb_contract
from process_apis.ledger.facts import Fact, by_id
from process_apis.ledger.hold_placing import (
    Dimensions,
    LiftMode,
    NewHold,
    find_holds,
    lift_hold_within,
    place_hold_within,
)
from process_apis.ledger.hold_scopes import Owners
from process_apis.ledger.holds import Scope, ScopeType, tb_billing_hold
from process_apis.ledger.mappings import load_mappings
from process_apis.ledger.projects import Project
from process_apis.ledger.requests import InvoiceRequest, find_requests
from tests.fakes.erp_master import ACCRUED_INCOME, REVENUE
from tests.workflows.money_stage import WORKED_ON, Money
from tests.workflows.product_stage import PATIENT_S, ProductStage, until

THROUGH = date(2026, 11, 30)
OPENED = datetime(2026, 12, 1, 8, tzinfo=UTC)
MAPPINGS = Path(__file__).parents[2] / "sample" / "mappings"
GUARDED = ReleaseSettings(unusual_percent=150, lines_per_project_and_day=500)
"""As `tiebeam init` writes it."""


class Stage(ProductStage):
    """The product, as finance operations meet it."""

    workflows = (release_invoice,)

    def __init__(self, url: str) -> None:
        self._began = utc_now()
        super().__init__(url, self.now)
        self.money = Money(self.store)
        self.mappings, self.settings = load_mappings(MAPPINGS), GUARDED
        self.caller = replace(INSTALLATION, client_id="finance")
        self.project: Project
        self.contract: SignedContract

    def now(self) -> datetime:
        """Return the time of the story, which goes on as fast as ours."""
        return OPENED + (utc_now() - self._began)

    async def prepare(self) -> "Stage":
        """Return the stage with a project in both systems, its contract active, its customer known to the ERP."""
        self.project, self.contract = await self.onboarded()
        return self

    async def onboarded(self) -> tuple[Project, SignedContract]:
        """Return another project with its contract."""
        project = await self.money.project()
        code = f"P-{project.opportunity}"
        self.erp.make_project(code)
        self.psa.make_project(code)
        await self._adopt(project)
        return project, await self.money.contract(project)

    async def _adopt(self, project: Project) -> None:
        reference = NewReference(
            canonical_id=project.customer,
            object_type="customer",
            system="fake",
            instance="books",
            external_id=project.opportunity,
            legal_entity=project.legal_entity,
            customer=project.customer,
        )
        await cross_references.establish(self.store, reference)

    async def change_contract(self, **values: object) -> None:
        """Change the contract's row by hand."""
        async with self.store.begin() as connection:
            changing = update(tb_contract).where(tb_contract.c.id == self.contract.id)
            await connection.execute(changing.values(**values))
            self.contract = (await find_contracts(connection, tb_contract.c.id == self.contract.id))[0]

    async def work(self, minutes: int = 60, net: str = "120.00", **changed: object) -> Fact:
        """Return work that was booked in the PSA, is in the ERP's books, and is ready to be billed."""
        contract = changed.pop("contract", self.contract)
        assert isinstance(contract, SignedContract)
        project_id = str(changed.get("erp_project_id", self.project.opportunity))
        entry = self.psa.book_time(project_id, minutes, on=WORKED_ON, approved=True)
        accounts = {"debit_account": ACCRUED_INCOME, "credit_account": REVENUE, "revenue_account": REVENUE}
        tax = {"tax_code": "VAT 21%", "tax_percent": "21"}
        amounts = dict.fromkeys(("net", "contract_net", "functional_net"), net)
        said = {"source_id": entry.id, "minutes": minutes, "erp_project_id": project_id}
        fact = await self.money.fact(contract, **(accounts | tax | amounts | said | changed))
        posting = NewBillableTransaction(
            business_key=fact.business_key,
            legal_entity=fact.legal_entity,
            kind=TransactionKind.unbilled_sale,
            project_id=fact.erp_project_id,
            date=fact.accounting_date,
            net=Amount(amount=fact.net, currency=fact.currency),
            debit_account=fact.debit_account,
            credit_account=fact.credit_account,
            description=fact.description,
        )
        await self.erp.post_billable_transactions([posting])
        return fact

    async def ask(self, *, dry_run: bool, wait_s: int | None, **body: object) -> Release | ReleasePreview:
        """Return what the handler answers."""
        whole: dict[str, object] = {"legal_entity": "ES01", "through": THROUGH.isoformat()} | body
        if not whole.keys() & {"contracts", "projects", "customers"}:
            whole["contracts"] = [self.contract.id]
        return await v1.start_release(
            landscape=self.landscape,
            store=self.store,
            engine=self.engine,
            entities=self.entities,
            mappings=self.mappings,
            release_settings=self.settings,
            caller=self.caller,
            correlation_id="story-1",
            body=msgspec.convert(whole, NewRelease),
            dry_run=dry_run,
            wait_s=wait_s,
        )

    async def ask_exactly(self, **body: object) -> Release:
        """Return what the handler answers to the body, to which nothing is added."""
        answer = await v1.start_release(
            landscape=self.landscape,
            store=self.store,
            engine=self.engine,
            entities=self.entities,
            mappings=self.mappings,
            release_settings=self.settings,
            caller=self.caller,
            correlation_id="story-1",
            body=msgspec.convert(body, NewRelease),
            dry_run=False,
            wait_s=None,
        )
        assert isinstance(answer, Release)
        return answer

    async def release(self, *, wait_s: int | None = PATIENT_S, **body: object) -> Release:
        """Return the release, once all its requests rest."""
        answer = await self.ask(dry_run=False, wait_s=wait_s, **body)
        assert isinstance(answer, Release)
        return answer

    async def released(self, **body: object) -> ReleaseRequest:
        """Return what became of the only request of a release."""
        return only(await self.release(**body))

    async def preview(self, **body: object) -> PreviewedRequest:
        """Return what the only request of a release would be."""
        answer = await self.ask(dry_run=True, wait_s=None, **body)
        assert isinstance(answer, ReleasePreview)
        (request,) = answer.requests
        return request

    async def refused(self, **body: object) -> Refused:
        """Return why the release is not taken."""
        try:
            await self.ask(dry_run=False, wait_s=None, **body)
        except Refused as refused:
            return refused
        raise AssertionError("It was taken.")

    async def get(self, release_id: str) -> Release:
        return await v1.get_release(store=self.store, caller=self.caller, release_id=release_id)

    async def rested(self, release: Release, state: ReleaseState | None = None) -> Release:
        """Return the release once it rests, or is in the state."""
        return await until(
            lambda: self.get(release.id),
            lambda found: found.state is state if state else found.state is not ReleaseState.running,
        )

    async def cancel(self, release_id: str) -> Release:
        return await v1.cancel_release(
            store=self.store, engine=self.engine, caller=self.caller, release_id=release_id, wait_s=PATIENT_S
        )

    async def resume(self, request: ReleaseRequest, **decision: object) -> None:
        """Let the request's process go on."""
        typed = msgspec.convert(decision, ReleaseDecision)
        await resume(self.store, self.engine, release_invoice, self.caller, request.process_id, typed)

    async def approve(self, place: int = 1) -> Milestone:
        """Return the milestone of line 2, approved."""
        return await v1.approve_milestone(
            landscape=self.landscape,
            store=self.store,
            entities=self.entities,
            mappings=self.mappings,
            caller=self.caller,
            milestone_id=f"{self.contract.id}-2-{place}",
            body=MilestoneApproval(achieved_on=WORKED_ON, evidence="Protocol of 3 November"),
        )

    async def approve_request(
        self,
        request: ReleaseRequest | InvoiceRequest,
        *,
        by: str = "controller",
        reason: str = "Two weekends of migration",
    ) -> ReleaseRequest:
        """Return the request, approved by somebody."""
        caller = replace(self.caller, client_id="portal", subject=by)
        return await v1.approve_request(
            store=self.store, caller=caller, request_id=request.id or "", body=RequestApproval(reason=reason)
        )

    async def passes_fence(self, request: InvoiceRequest, *, after_s: float = 0) -> bool:
        """Tell whether the fence lets the request through: where not, a hold stops it."""
        await asyncio.sleep(after_s)
        try:
            await pass_fence(self.store, request.id)
        except Refused as refused:
            if refused.code is not Code.billing_hold_active:
                raise
            return False
        return True

    async def hold(self, kind: ScopeType, scope_id: str) -> str:
        """Return the id of a hold that is in force."""
        line = self.contract.id if kind in {ScopeType.contract_line, ScopeType.milestone, ScopeType.fact} else None
        owners = Owners(
            legal_entity="ES01",
            customer=self.contract.customer,
            project=self.contract.project,
            contract=line,
            contract_line=1 if line else None,
        )
        new = NewHold(
            scope=Scope(type=kind, id=scope_id),
            owners=owners,
            dimensions=Dimensions.billing,
            reason="dispute",
            note=None,
            placed_by="pmo",
            placed_in="gateway",
            reference=scope_id,
            review_on=None,
            lift_mode=LiftMode.until_lifted,
            until=None,
            correlation_id="story-1",
        )
        async with self.store.begin() as connection:
            return (await place_hold_within(connection, self.store, new)).id

    async def lift(self, hold_id: str) -> None:
        """Lift the hold."""
        async with self.store.begin() as connection:
            (hold,) = await find_holds(connection, tb_billing_hold.c.id == hold_id)
            await lift_hold_within(connection, self.store, hold, by="pmo", reason="settled", seen_in="gateway")

    async def until(self, release: Release, state: RequestState) -> ReleaseRequest:
        """Return the only request of the release once it is in the state."""
        return only(await until(lambda: self.get(release.id), lambda found: only(found).state is state))

    async def facts(self, *facts: Fact) -> list[Fact]:
        """Return the facts as they stand."""
        async with self.store.begin() as connection:
            found = await by_id(connection, [fact.id for fact in facts])
        return [found[fact.id] for fact in facts]

    async def requests(self) -> list[InvoiceRequest]:
        async with self.store.begin() as connection:
            return await find_requests(connection)

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the data of the events of a kind."""
        found = await business_events.list_all(self.store, INSTALLATION, Window(), type=kind)
        return [msgspec.json.decode(event.data) for event in found.items]

    def accrued_income(self) -> Decimal:
        """Return what the ERP's books say is earned and not invoiced."""
        return self.erp.books.balance(ACCRUED_INCOME)

    def resources(self) -> dict[str, object]:
        """Return what the workflow may name."""
        return super().resources() | {"mappings": self.mappings, "release_settings": self.settings}


def only(release: Release) -> ReleaseRequest:
    """Return the only request of the release."""
    (request,) = release.requests
    return request
