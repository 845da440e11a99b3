"""What the tests of money stand on: customers, projects, contracts, facts and requests, put into the tables."""

import itertools
from collections.abc import Mapping
from datetime import date
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace
from sqlalchemy import insert

from gateway.caller import INSTALLATION
from gateway.durable import Workflow, enqueue, workflow
from gateway.store import cross_references
from gateway.store.cross_references import NewReference
from gateway.store.database import Store
from gateway.store.ids import new_id
from openapi.common.types import Code, Outcome
from process_apis.invoice_release.releases import Asked, ReleaseRow, record_release
from process_apis.ledger import contracts, customers, projects, schedules
from process_apis.ledger.contracts import FundingSplit
from process_apis.ledger.facts import Fact, Kind, Posting, SourceType, fact_id, write_facts
from process_apis.ledger.requests import (
    LIVE,
    InvoiceRequest,
    RequestState,
    tb_invoice_request,
    tb_invoice_request_fact,
)
from process_apis.ledger.schedules import ScheduleLine
from tests.fakes.agreed import BY_THE_HOUR, CONTRACT, FIXED, TERMS
from tests.fakes.delivered import HOUR

WORKED_ON = date(2026, 11, 3)


class Nothing(Struct, frozen=True, kw_only=True):
    """What a run would keep."""


@workflow(name="invoice_release", refusals="undo")
async def release(order: Nothing) -> Nothing:
    """Stand for a process that is never carried out."""
    return order


class NoEngine:
    """In the engine's place: what is asked for stays where it was put."""

    def enqueue(self, *_: object) -> None:
        """Take the order, and do nothing."""


class Money:
    """Makes what is there before a hold, a transfer or a release, in the tables themselves."""

    def __init__(self, store: Store, prefix: str = "") -> None:
        self.store, self._numbers, self._prefix = store, itertools.count(1), prefix
        self._accounts: dict[str, str] = {}

    async def project(
        self,
        *,
        customer: str | None = None,
        legal_entity: str = "ES01",
        psa: str = "delivery",
        known_as: Mapping[str, str] | None = None,
        **terms: Any,  # noqa: ANN401 - any of them
    ) -> projects.Project:
        """Return a new active project, which `books` and the PSA know by its number, or as it is said."""
        number = self._number()
        account = customer or f"account-{number}"
        new = customers.NewCustomer(
            crm="crm1", account=account, name="Alder Foods", legal_name="Alder S.A.", country="ES", tax_id=None
        )
        async with self.store.begin() as connection:
            customer_id = await customers.ensure_customer(connection, self.store, new)
            self._accounts[customer_id] = account
            named = {"opportunity": number, "customer": customer_id, "legal_entity": legal_entity}
            agreed = replace(TERMS, **named | terms)
            project_id = await projects.ensure_project(connection, self.store, agreed)
        await projects.change_project(self.store, project_id, state=projects.ACTIVE, code=f"P-{number}")
        for name, vendor in (("books", "erp"), (psa, "psa")):
            reference = NewReference(
                canonical_id=project_id,
                object_type="project",
                system=vendor,
                instance=name,
                external_id=(known_as or {}).get(name, number),
                legal_entity=legal_entity,
                customer=customer_id,
                project=project_id,
            )
            await cross_references.establish(self.store, reference)
        return (await projects.projects_by_id(self.store, INSTALLATION, [project_id]))[project_id]

    async def contract(
        self,
        project: projects.Project,
        *,
        state: str = contracts.ACTIVE,
        account: str | None = None,
        item: str = "CONSULTING",
    ) -> contracts.SignedContract:
        """Return the project's contract: line 1 by the hour, line 2 fixed, in two parts.

        `account` is the customer's, of a project that was not made here.
        """
        payer = account or self._accounts[project.customer]
        contract_id = await contracts.record_contract(
            self.store,
            replace(
                CONTRACT,
                business_key=f"con_crm1_{project.opportunity}",
                number=f"SOW-{project.opportunity}",
                legal_entity=project.legal_entity,
                customer=project.customer,
                project=project.id,
                lines=[replace(BY_THE_HOUR, item=item), replace(FIXED, number=2, item=item)],
                splits=[FundingSplit(account=payer, percent="100")],
            ),
        )
        parts = [
            ScheduleLine(line_number=2, place=place, due_on=WORKED_ON, amount="1500.00", milestone=f"M{place}")
            for place in (1, 2)
        ]
        await schedules.record_schedule(self.store, contract_id, parts)
        await contracts.move_contract(self.store, contract_id, state)
        async with self.store.begin() as connection:
            return (await contracts.find_contracts(connection, contracts.tb_contract.c.id == contract_id))[0]

    async def fact(self, contract: contracts.SignedContract, **changed: object) -> Fact:
        """Return an hour that is ready to be billed, changed."""
        number = self._number()
        fact = replace(_hour(self.store, contract, number), **changed)
        async with self.store.begin() as connection:
            await write_facts(connection, self.store, [fact])
        return fact

    async def milestone(self, contract: contracts.SignedContract, place: int, **changed: object) -> Fact:
        """Return a part of the fixed price that is ready to be billed."""
        source_id = f"{contract.id}-2-{place}"
        fee = {"kind": Kind.fee, "source_type": SourceType.milestone, "source_instance": "gateway", "minutes": None}
        said = {"source_id": source_id, "contract_line": 2, "net": "1500.00", "posting": Posting.skipped}
        return await self.fact(contract, **fee | said | changed)

    async def request(
        self, contract: contracts.SignedContract, facts: list[Fact], state: RequestState, **changed: object
    ) -> InvoiceRequest:
        """Return a request with the facts, in the state, and its process under way."""
        number = self._number()
        process = await self.process(release, f"inv_{number}", contract)
        row = replace(_request(self.store, contract, number, process, state), **changed)
        live = state in LIVE
        lines = [
            {"request_id": row.id, "fact_id": fact.id, "line": line, "live": live} for line, fact in enumerate(facts, 1)
        ]
        async with self.store.begin() as connection:
            await connection.execute(insert(tb_invoice_request).values(**asdict(row)))
            await connection.execute(insert(tb_invoice_request_fact), lines)
        return row

    async def unusual(
        self,
        contract: contracts.SignedContract,
        facts: list[Fact],
        state: RequestState = RequestState.rejected,
        **changed: object,
    ) -> InvoiceRequest:
        """Return a request that `ana.ruiz` has asked for, and that was rejected as unusual."""
        refused = {"code": Code.invoice_unusual, "detail": "It is not like the contract's others."}
        request = await self.request(contract, facts, state, **refused | changed)
        await self.asked_for(request, "ana.ruiz")
        return request

    async def asked_for(self, request: InvoiceRequest, subject: str | None, issuer: str = "") -> None:
        """Write down that somebody has asked for the request, or that it is not known who."""
        row = ReleaseRow(
            id=new_id("rel", request.created_at),
            legal_entity=request.legal_entity,
            through=request.through,
            allow_incomplete=False,
            note=None,
            requested_by="finance",
            issuer=issuer if subject else None,
            subject=subject,
            correlation_id="cor_1",
            created_at=request.created_at,
        )
        names = ("process_id", "attempt", "legal_entity", "customer", "project", "contract")
        asked = Asked(release_id=row.id, **{name: getattr(request, name) for name in names})
        await record_release(self.store, row, [asked])

    async def process(self, flow: Workflow[Any], key: str, contract: contracts.SignedContract) -> str:
        """Return the id of a process that nobody carries out."""
        process = await enqueue(
            self.store,
            NoEngine(),  # type: ignore[arg-type]  # In the engine's place.
            flow,
            Nothing(),
            key=key,
            payload_sha256="0" * 64,
            caller_client_id="finance",
            correlation_id="cor_1",
            legal_entity=contract.legal_entity,
            owner="Finance Ops",
            customer=contract.customer,
            project=contract.project,
        )
        return process.id

    def _number(self) -> str:
        """Return what nothing else is named after; the prefix tells one stage from another on the same database."""
        return f"{self._prefix}{next(self._numbers)}"


def _hour(store: Store, contract: contracts.SignedContract, number: str) -> Fact:
    return replace(
        HOUR,
        id=fact_id(store),
        business_key=f"tb_delivery_{number}_r1_sale",
        source_id=number,
        pair_id=f"tb_delivery_{number}_r1",
        legal_entity=contract.legal_entity,
        customer=contract.customer,
        project=contract.project,
        contract=contract.id,
        contract_version=contract.contract_version,
        item="CONSULTING",
        work_date=WORKED_ON,
        accounting_date=WORKED_ON,
        tax_code="IVA21",
        debit_account="4300",
        credit_account="7050",
        revenue_account="7050",
    )


def _request(
    store: Store, contract: contracts.SignedContract, number: str, process: str, state: RequestState
) -> InvoiceRequest:
    now = store.now()
    return InvoiceRequest(
        id=new_id("ivr", now),
        business_key=f"inv_{number}",
        attempt=1,
        process_id=process,
        legal_entity=contract.legal_entity,
        customer=contract.customer,
        project=contract.project,
        contract=contract.id,
        contract_version=contract.contract_version,
        erp="books",
        currency="EUR",
        period_start=None,
        through=date(2026, 11, 30),
        accounting_date=date(2026, 11, 30),
        lines="[]",
        taxes="[]",
        net="120.00",
        tax="25.20",
        gross="145.20",
        watermark="{}",
        snapshot_sha256="0" * 64,
        state=state,
        outcome=Outcome.none,
        requested_by="finance",
        created_at=now,
        updated_at=now,
    )
