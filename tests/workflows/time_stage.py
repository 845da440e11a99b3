"""A stage for the transfer of time: the real handlers, engine, guard and database, between a fake ERP and PSA."""

from datetime import date
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from gateway.store import cross_references
from gateway.store.cross_references import NewReference
from gateway.store.work_items import WorkItem
from openapi.process.time_transfer.v1 import Entry, NewRecall, NewRun, Recall, RecallState, RunState, TransferRun
from openapi.system.psa.v1 import TimeEntry
from process_apis.ledger import contracts, customers, projects
from process_apis.ledger.contracts import Contract, ContractLine, FundingSplit
from process_apis.ledger.facts import Fact, find_facts
from process_apis.ledger.mappings import AccountRow, ItemRow, Mappings, PersonRow, TaxRow
from process_apis.time_transfer import v1
from process_apis.time_transfer.order import TransferSettings
from process_apis.time_transfer.workflow import recall_time, transfer_time
from tests.fakes.agreed import BY_THE_HOUR, CONTRACT, TERMS
from tests.fakes.clock import Clock
from tests.workflows.product_stage import PATIENT_S, ProductStage, until

WORKED_ON = date(2026, 11, 20)
COST, SALE = ("5.1.3", "2.2.4"), ("1.4.2", "4.2.2")
MAPPINGS = Mappings(
    digest="d" * 64,
    accounts=(
        AccountRow(legal_entity="ES01", kind="cost", debit=COST[0], credit=COST[1]),
        AccountRow(legal_entity="ES01", kind="unbilled_sale", debit=SALE[0], credit=SALE[1]),
        AccountRow(legal_entity="ES01", kind="revenue", credit="4.2.2"),
    ),
    items=(ItemRow(item="CONSULTING", kind="labor", unit="hour"),),
    people=(
        PersonRow(email="ana.ruiz@example.com", legal_entity="ES01", role="consultant", cost_rate="38.00"),
        PersonRow(email="ben.ode@example.com", legal_entity="DE01", role="consultant", cost_rate="40.00"),
    ),
    taxes=(
        TaxRow(legal_entity="ES01", category="standard", customer="domestic", tax_code="VAT 21%", percent="21"),
        TaxRow(legal_entity="ES01", category="standard", customer="foreign", tax_code="VAT 0%", percent="0"),
    ),
)


def line(number: int = 1, method: str = "time_and_materials", **changes: Any) -> ContractLine:  # noqa: ANN401 - any field
    """Return a line: by the hour at 120.00, or changed."""
    rates = BY_THE_HOUR.rates if method == BY_THE_HOUR.billing_method else []
    return replace(BY_THE_HOUR, **{"number": number, "billing_method": method, "rates": rates} | changes)


class TimeStage(ProductStage):
    """One installation, and what a firm does in its PSA."""

    workflows = (transfer_time, recall_time)

    def __init__(self, url: str, clock: Clock | None = None, **settings: Any) -> None:  # noqa: ANN401 - any setting
        self.clock = clock or Clock()
        super().__init__(url, self.clock)
        self.mappings, self.settings = MAPPINGS, TransferSettings(**settings)

    def resources(self) -> dict[str, object]:
        """Return what the workflows may name."""
        return super().resources() | {"mappings": self.mappings}

    async def project(
        self,
        *lines: ContractLine,
        code: str = "P-1",
        splits: dict[str, str] | None = None,
        state: str = contracts.ACTIVE,
        linked: bool = True,
        currency: str = "EUR",
    ) -> str:
        """Return the PSA's id of a project that both systems have, under contract; `linked` also to the ERP."""
        psa, erp = self.psa.make_project(code), self.erp.make_project(code)
        payers = splits or {"4711": "100"}
        customer = ""
        async with self.store.begin() as connection:
            for account in sorted(payers):
                made = await customers.ensure_customer(connection, self.store, _customer(account))
                customer = customer or made
            project = await projects.ensure_project(connection, self.store, _terms(code, customer))
        await projects.change_project(self.store, project, state=projects.ACTIVE, code=code)
        known = {"delivery": ("psa", psa.id)} | ({"books": ("erp", erp.id)} if linked else {})
        for name, (vendor, external_id) in known.items():
            reference = NewReference(
                canonical_id=project,
                object_type="project",
                system=vendor,
                instance=name,
                external_id=external_id,
                legal_entity="ES01",
                project=project,
            )
            await cross_references.establish(self.store, reference)
        contract = _contract(code, customer, project, list(lines) or [line()], payers, currency)
        contract_id = await contracts.record_contract(self.store, contract)
        await contracts.move_contract(self.store, contract_id, state)
        return psa.id

    def booked(self, project: str, minutes: int = 60, **more: Any) -> TimeEntry:  # noqa: ANN401 - any field
        """Return time that is booked and approved."""
        return self.psa.book_time(project, minutes, approved=True, **({"description": "Loader"} | more))

    async def run(self, *, sweep: bool = False, wait_s: int | None = PATIENT_S) -> TransferRun:
        """Return the run, once it rests."""
        return await v1.start_run(
            landscape=self.landscape,
            store=self.store,
            engine=self.engine,
            transfer_settings=self.settings,
            caller=self.caller,
            correlation_id="story-1",
            body=NewRun(connection="delivery", sweep=sweep),
            wait_s=wait_s,
        )

    async def seen(self, run_id: str) -> TransferRun:
        """Return the run as it is now."""
        return await v1.get_run(store=self.store, caller=self.caller, run_id=run_id)

    async def transferred(self, *, sweep: bool = False) -> TransferRun:
        """Return the run, which has to be through."""
        run = await self.run(sweep=sweep)
        assert run.state is RunState.completed, [(step.name, step.code, step.detail) for step in run.steps]
        return run

    async def entries(self, **filters: object) -> list[Entry]:
        """Return the revisions, the oldest first."""
        asked: dict[str, Any] = dict.fromkeys(("connection", "external_id", "project", "transfer", "cursor"))
        asked |= {"limit": 100} | filters
        found = await v1.list_entries(store=self.store, caller=self.caller, cursors=self.cursors, **asked)
        return list(reversed(found.items))

    async def stands(self) -> list[str]:
        """Return where each revision stands: `id revision approval transfer billing`."""
        return sorted(
            f"{one.external_id} r{one.revision} {one.approval} {one.transfer} {one.billing}"
            for one in await self.entries()
        )

    async def facts(self) -> list[Fact]:
        """Return all facts."""
        async with self.store.begin() as connection:
            return await find_facts(connection)

    async def amounts(self) -> dict[str, str]:
        """Return the net of each fact by its key, and how far it is on its way."""
        return {one.business_key: f"{one.net} {one.posting} {one.billing}" for one in await self.facts()}

    async def items(self) -> list[WorkItem]:
        """Return the work items of time that wait."""
        return [item for item in await self.open_items() if item.process_kind.startswith("time_")]

    async def recall(self, entry_id: str, *, withdraw: bool = False, wait_s: int | None = PATIENT_S) -> Recall:
        """Return the recall, once it rests."""
        return await v1.recall_entry(
            store=self.store,
            engine=self.engine,
            caller=self.caller,
            correlation_id="story-1",
            body=NewRecall(connection="delivery", entry_id=entry_id, withdraw=withdraw, reason="Wrong task."),
            wait_s=wait_s,
        )

    async def recalled(self, recall: Recall) -> Recall:
        """Return the recall once it is through."""
        return await until(
            lambda: v1.get_recall(store=self.store, caller=self.caller, recall_id=recall.id),
            lambda found: found.state is RecallState.recalled,
        )

    def balance(self, account: str) -> Decimal:
        """Return what the ERP has on an account."""
        return self.erp.books.balance(account)

    def told(self, entry_id: str) -> list[str]:
        """Return what the PSA was told of the entry: `state amount`."""
        return [
            f"{one.state} {one.amount.amount if one.amount else '-'}" for one in self.psa.feedback.get(entry_id, [])
        ]


def _customer(account: str) -> customers.NewCustomer:
    return customers.NewCustomer(
        crm="crm1", account=account, name="Alder", legal_name="Alder S.A.", country="ES", tax_id=None
    )


def _terms(code: str, customer: str) -> projects.Terms:
    return replace(TERMS, opportunity=code, customer=customer)


def _contract(
    code: str, customer: str, project: str, lines: list[ContractLine], payers: dict[str, str], currency: str
) -> Contract:
    splits = [FundingSplit(account=account, percent=percent) for account, percent in payers.items()]
    agreed = {"customer": customer, "project": project, "currency": currency, "lines": lines, "splits": splits}
    return replace(CONTRACT, business_key=f"con_crm1_{code}", number=f"SOW-{code}", **agreed)
