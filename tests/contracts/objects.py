"""A database with projects, processes and work items that exist, for calls that need one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

from msgspec import Struct

from gateway.caller import INSTALLATION
from gateway.durable import Process, State, enqueue, workflow
from gateway.store import cross_references, processes, work_items
from gateway.store.cross_references import NewReference
from gateway.store.database import Store, create_engine, metadata
from gateway.store.work_items import NewItem
from openapi.common.types import Code, Money
from process_apis.ledger import customers, projects


class Order(Struct, frozen=True, kw_only=True):
    """What a run would keep."""


@workflow(name="project_onboarding", refusals="park")
async def wait_for_somebody(order: Order) -> Order:
    """Stand for a process that is never carried out."""
    return order


class Objects:
    """Makes them in a database of its own; no engine is asked to carry anything out."""

    def __init__(self, store: Store) -> None:
        self.store, self._numbers = store, iter(range(10_000))

    def enqueue(self, *_: object) -> None:
        """Take the place of the engine's method: the process stays where it was put."""

    async def rewind(self, _workflow_id: str, _step: int) -> bool:
        """Take the place of the engine's method: the process would go on."""
        return True

    async def project(self) -> str:
        """Return the id of a new project that two systems know."""
        number = next(self._numbers)
        customer = customers.NewCustomer(
            crm="crm1", account=f"{number}", name="Alder Foods", legal_name="Alder S.A.", country="ES", tax_id=None
        )
        async with self.store.begin() as connection:
            customer_id = await customers.ensure_customer(connection, self.store, customer)
            project_id = await projects.ensure_project(connection, self.store, _terms(number, customer_id))
        for connection_name, family in (("books", "erp"), ("delivery", "psa")):
            reference = NewReference(
                canonical_id=project_id,
                object_type="project",
                system=family,
                instance=connection_name,
                external_id=f"{number + 1}",
                legal_entity="ES01",
                project=project_id,
            )
            await cross_references.establish(self.store, reference)
        return project_id

    async def process(self) -> Process:
        """Return a process that was accepted."""
        return await enqueue(
            self.store,
            self,  # type: ignore[arg-type]  # In the engine's place.
            wait_for_somebody,
            Order(),
            key=f"onb_crm1_{next(self._numbers)}_1",
            payload_sha256="0" * 64,
            caller_client_id="crm",
            correlation_id="cor_1",
            legal_entity="ES01",
            owner="PMO",
            amount=Money(amount="48000.00", currency="EUR"),
        )

    async def work_item(self) -> str:
        """Return the id of a work item of a process that is parked."""
        return await self.park_for_somebody((await self.process()).id)

    async def park_for_somebody(self, process_id: str) -> str:
        """Return the id of the work item for which the process is parked now."""
        process = await self.park(process_id)
        item = NewItem(step="create_project", trace_key="prj_1", code=Code.dimension_missing, detail="Open it.")
        async with self.store.begin() as connection:
            return await work_items.open_item(connection, self.store, process, item)

    async def park(self, process_id: str) -> Process:
        """Return the process, parked at its third step."""
        process = await processes.get(self.store, INSTALLATION, process_id)
        async with self.store.begin() as connection:
            parked = {"parked_at": self.store.now(), "parked_step": 3, "resume_step": 3}
            return await processes.change(connection, self.store, process, state=State.parked, **parked)


@asynccontextmanager
async def objects(url: str) -> AsyncIterator[Objects]:
    """Open a database with all our tables."""
    store = Store(create_engine(url))
    async with store.begin() as connection:
        await connection.run_sync(metadata.create_all)
    try:
        yield Objects(store)
    finally:
        await store.close()


def _terms(number: int, customer_id: str) -> projects.Terms:
    return projects.Terms(
        crm="crm1",
        opportunity=f"{number}",
        legal_entity="ES01",
        customer=customer_id,
        name="Data platform",
        project_type="delivery",
        template="delivery_standard",
        template_version=1,
        starts_on=date(2026, 12, 1),
        ends_on=date(2027, 5, 31),
        manager="ana.ruiz@example.com",
    )
