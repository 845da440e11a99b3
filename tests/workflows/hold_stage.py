"""One installation with a project to hold, which the PSA knows too: for tests of either version of billing holds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import UNSET
from msgspec.structs import replace

from gateway.caller import INSTALLATION
from gateway.durable import Moments, undisturbed
from openapi.process.billing_holds.v2 import (
    Hold,
    HoldLift,
    HoldPage,
    HoldReason,
    HoldScope,
    HoldScopeType,
    NewHold,
)
from openapi.system.psa.v1 import NewHoldFlag
from process_apis.billing_holds import v2
from process_apis.billing_holds.workflow import push_hold
from process_apis.ledger.contracts import SignedContract
from process_apis.ledger.hold_observing import observe_holds
from process_apis.ledger.projects import Project
from process_apis.project_onboarding import documents
from tests.fakes.clock import Clock
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import signed
from tests.workflows.money_stage import Money
from tests.workflows.product_stage import PATIENT_S, ProductStage

CRM = replace(INSTALLATION, client_id="crm")


class Stage(ProductStage):
    """One installation with one project in progress, which the PSA knows as its first."""

    workflows = (push_hold,)

    def __init__(self, url: str, psa: FakePsa | None = None) -> None:
        self.clock = Clock()
        super().__init__(url, self.clock, psa)
        self.money, self.caller = Money(self.store), CRM
        self.project: Project
        self.contract: SignedContract

    async def prepare(self) -> None:
        """Have the project, in the PSA as well."""
        self.project = await self.money.project()
        self.contract = await self.money.contract(self.project)
        body = signed(project__manager="ana.ruiz@example.com")
        await self.psa.create_project(documents.new_psa_project(body, "P-1", None))

    async def place(self, kind: str = "project", thing: str | None = None, **said: object) -> Hold:
        scope = HoldScope(type=HoldScopeType(kind), id=thing or self.project.id)
        body = NewHold(scope=scope, reason_code=HoldReason.dispute)
        return await v2.place_hold(
            store=self.store,
            engine=self.engine,
            caller=self.caller,
            correlation_id="cor_1",
            body=replace(body, **said),
            wait_s=PATIENT_S if self.working_now else None,
        )

    async def lift(self, hold: Hold) -> Hold:
        return await v2.lift_hold(
            store=self.store,
            engine=self.engine,
            caller=self.caller,
            hold_id=hold.id,
            body=HoldLift(reason="It is settled."),
            wait_s=PATIENT_S if self.working_now else None,
        )

    async def get(self, hold: Hold) -> Hold:
        return await v2.get_hold(store=self.store, caller=self.caller, hold_id=hold.id)

    async def find(self, **filters: object) -> HoldPage:
        asked = dict.fromkeys(("scope_type", "scope_id", "project", "state", "outcome", "cursor"))
        return await v2.list_holds(
            store=self.store,
            caller=self.caller,
            cursors=self.cursors,
            **asked | {"limit": 20} | filters,  # type: ignore[arg-type]  # Each is one of its parameters.
        )

    async def flag(self) -> tuple[bool, str | None]:
        """Return what the PSA shows."""
        shown = await self.psa.get_hold_flag("1")
        return shown.held, shown.note

    async def flag_by_hand(self, *, held: bool, note: str = "Wait for the order.") -> None:
        """Let somebody set the flag in the PSA, or clear it."""
        await self.psa.set_hold_flag("1", NewHoldFlag(held=held, note=note if held else UNSET))
        self.clock.forward(1)

    async def observe(self) -> None:
        self.clock.forward(1)
        await observe_holds(self.store, self.landscape, [self.project.id])

    working_now = False

    @asynccontextmanager
    async def working(self, moments: Moments = undisturbed) -> AsyncIterator[None]:
        """Have a worker while the block runs."""
        async with super().working(moments):
            self.working_now = True
            yield
            self.working_now = False
