"""A stage for onboardings: the real handlers, engine, guard and database, between a fake ERP and a fake PSA."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from gateway.caller import INSTALLATION, Caller
from gateway.cursors import Cursors
from gateway.durable import DurableSettings, Engine, Worker
from gateway.durable.moments import Moments, undisturbed
from gateway.errors import Refused
from gateway.secret import Secret
from gateway.store import work_items
from gateway.store.database import Store, create_engine
from gateway.store.pages import Window
from gateway.store.work_items import WorkItem
from gateway.writes import Writes, WriteSettings
from openapi.process.project_onboarding.v1 import (
    Onboarding,
    OnboardingDecision,
    OnboardingPage,
    OnboardingPreview,
    OnboardingState,
)
from process_apis.project_onboarding import v1
from process_apis.project_onboarding.templates import ProjectTemplate
from process_apis.project_onboarding.workflow import onboard_project
from system_apis.landscape import Configured
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import DE01, ES01, TEMPLATE, decoded, document

PATIENT_S = 30
RESTING = {OnboardingState.active, OnboardingState.parked, OnboardingState.cancelled}
QUICK = DurableSettings(
    retry_attempts=2,
    retry_interval_s=0.02,
    probes_s=(0.02, 0.05),
    write_deadline_s=20.0,
    poll_interval_s=0.02,
    sweep_interval_s=0.05,
    unavailable_resume_s=0.2,
    drain_s=5,
)


class Stage:
    """The product, as one caller meets it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.erp, self.psa = FakeErp(), FakePsa()
        self.store, self.engine = Store(create_engine(url)), Engine(url)
        self.landscape = Configured(
            erps={"books": self.erp},
            psas={"delivery": self.psa},
            erp_of={"ES01": "books", "DE01": "books"},
            psa_of={"ES01": "delivery", "DE01": "delivery"},
        )
        self.entities = {entity.code: entity for entity in (ES01, DE01)}
        self.templates: dict[str, ProjectTemplate] = {TEMPLATE.code: TEMPLATE}
        self.cursors = Cursors(Secret("a key of the tests"))
        self.caller: Caller = INSTALLATION

    async def ask(self, *, dry_run: bool, wait_s: int | None, **changes: object) -> Onboarding | OnboardingPreview:
        """Return what the handler answers to the statement of work, changed."""
        return await v1.start_onboarding(
            landscape=self.landscape,
            store=self.store,
            engine=self.engine,
            entities=self.entities,
            templates=self.templates,
            caller=self.caller,
            correlation_id="story-1",
            body=decoded(document(**changes)),
            dry_run=dry_run,
            wait_s=wait_s,
        )

    async def onboard(self, *, wait_s: int | None = PATIENT_S, **changes: object) -> Onboarding:
        """Return the onboarding, once it rests."""
        answer = await self.ask(dry_run=False, wait_s=wait_s, **changes)
        assert isinstance(answer, Onboarding)
        return answer

    async def preview(self, **changes: object) -> OnboardingPreview:
        """Return what would be done."""
        answer = await self.ask(dry_run=True, wait_s=None, **changes)
        assert isinstance(answer, OnboardingPreview)
        return answer

    async def refused(self, **changes: object) -> Refused:
        """Return why the statement of work is not taken."""
        try:
            await self.ask(dry_run=False, wait_s=None, **changes)
        except Refused as refused:
            return refused
        raise AssertionError("It was taken.")

    async def get(self, onboarding_id: str) -> Onboarding:
        return await v1.get_onboarding(store=self.store, caller=self.caller, onboarding_id=onboarding_id)

    async def rested(self, onboarding: Onboarding, state: OnboardingState | None = None) -> Onboarding:
        """Return the onboarding once it rests, or is in the state."""
        async with asyncio.timeout(PATIENT_S):
            while True:
                found = await self.get(onboarding.id)
                if found.state is state or (state is None and found.state in RESTING):
                    return found
                await asyncio.sleep(0.02)

    async def resume(self, onboarding_id: str, **decision: object) -> Onboarding:
        return await v1.resume_onboarding(
            store=self.store,
            engine=self.engine,
            caller=self.caller,
            onboarding_id=onboarding_id,
            body=msgspec.convert(decision, OnboardingDecision),
            wait_s=PATIENT_S,
        )

    async def cancel(self, onboarding_id: str) -> Onboarding:
        return await v1.cancel_onboarding(
            store=self.store,
            engine=self.engine,
            caller=self.caller,
            onboarding_id=onboarding_id,
            wait_s=PATIENT_S,
        )

    async def find(self, **filters: object) -> OnboardingPage:
        asked: dict[str, Any] = dict.fromkeys(("state", "customer", "connection", "external_id", "cursor"))
        asked |= {"limit": 20} | filters
        return await v1.list_onboardings(store=self.store, caller=self.caller, cursors=self.cursors, **asked)

    async def open_items(self) -> list[WorkItem]:
        return (await work_items.list_all(self.store, INSTALLATION, Window())).items

    @asynccontextmanager
    async def working(self, moments: Moments = undisturbed) -> AsyncIterator[None]:
        """Have a worker while the block runs."""
        worker = Worker(
            url=self.url,
            store=self.store,
            writes=Writes(self.store, WriteSettings(lease_s=5.0, deadline_s=20.0)),
            workflows=[onboard_project],
            resources={"landscape": self.landscape},
            settings=QUICK,
            moments=moments,
        )
        async with worker.started():
            yield

    async def close(self) -> None:
        self.engine.close()
        await self.store.close()


def stage_on(template: Path, folder: Path) -> Stage:
    """Return a stage on a copy of an empty database."""
    path = folder / "tiebeam.sqlite"
    shutil.copy(template, path)
    return Stage(f"sqlite:///{path}")


def states(onboarding: Onboarding) -> dict[str, str]:
    """Return the state of each step by its name."""
    return {step.name: step.state.value for step in onboarding.steps}
