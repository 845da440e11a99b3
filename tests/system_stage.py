"""A stage for handlers of the system contracts: both vendors in memory, the guard, and callers who see more or less."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.caller import INSTALLATION
from gateway.cursors import Cursors
from gateway.errors import Refused
from gateway.secret import Secret
from gateway.store.write_intents import WriteIntents
from gateway.writes import Writes, WriteSettings
from openapi.common.types import Address
from openapi.system.erp.v1 import AccountingProject, Customer, NewAccountingProject, NewCustomer
from openapi.system.psa.v1 import NewProject, Project, ProjectCustomer
from system_apis.erp import v1 as erp_api
from system_apis.psa import v1 as psa_api
from tests.fakes.clock import Clock
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.stores import guard_store

CURSORS = Cursors(Secret("0123456789abcdef0123456789abcdef"))
SPAIN = replace(INSTALLATION, client_id="crm", legal_entities=frozenset({"ES01"}))
NOBODY = replace(INSTALLATION, client_id="crm", legal_entities=frozenset({"GB01"}))
PAGE: dict[str, Any] = {"cursors": CURSORS, "limit": 20, "cursor": None}
ALDER = NewCustomer(
    business_key="cus_crm1_4711",
    legal_entity="ES01",
    name="Alder Foods S.A.",
    tax_id="ESA08000143",
    country="ES",
    billing_address=Address(street="1 Market Street", city="Valencia", country="ES"),
)
PLATFORM = NewProject(
    business_key="prj_1_psa",
    legal_entity="ES01",
    code="P-1",
    name="Data platform",
    customer=ProjectCustomer(business_key=ALDER.business_key, name=ALDER.name),
    start=date(2026, 12, 1),
)


class Stage:
    """Both vendors, and the guard of each."""

    def __init__(self, writes: Writes, intents: WriteIntents, clock: Clock) -> None:
        self.clock, self.intents = clock, intents
        self.erp, self.psa = FakeErp(clock=clock), FakePsa(clock=clock)
        self.erp_writes, self.psa_writes = writes.bound(self.erp), writes.bound(self.psa)

    @property
    def on_erp(self) -> dict[str, Any]:
        """Return what a writing handler of the ERP is given."""
        return {"erp": self.erp, "writes": self.erp_writes}

    @property
    def on_psa(self) -> dict[str, Any]:
        """Return what a writing handler of the PSA is given."""
        return {"psa": self.psa, "writes": self.psa_writes}

    async def customer(self) -> Customer:
        """Return a customer."""
        return await erp_api.create_customer(**self.on_erp, caller=INSTALLATION, body=ALDER)

    async def ledger_project(self, legal_entity: str, code: str = "P-1") -> AccountingProject:
        """Return a project of the ledger."""
        customer = await self.customer()
        new = NewAccountingProject(
            business_key=f"prj_{legal_entity}_{code}",
            legal_entity=legal_entity,
            code=code,
            name="One",
            customer_id=customer.id,
            dimensions=[],
        )
        return await erp_api.create_accounting_project(**self.on_erp, caller=INSTALLATION, body=new)

    async def project(self, legal_entity: str = "ES01", code: str = "P-1") -> Project:
        """Return a project of the PSA."""
        new = replace(PLATFORM, legal_entity=legal_entity, code=code, business_key=f"prj_{legal_entity}_{code}")
        return await psa_api.create_project(**self.on_psa, caller=INSTALLATION, body=new)


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncIterator[Stage]:
    """Open a stage with a database in the folder."""
    clock = Clock()
    async with guard_store(f"sqlite:///{folder / 'guard.sqlite'}", clock) as store:
        yield Stage(Writes(store, WriteSettings()), WriteIntents(store, 60), clock)


async def refusal(asked: Any) -> Refused:  # noqa: ANN401 - any handler's coroutine
    """Return why the handler refuses."""
    with pytest.raises(Refused) as refused:
        await asked
    return refused.value
