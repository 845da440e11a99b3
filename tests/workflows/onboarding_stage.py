"""A stage for onboardings: the real handlers, engine, guard and database, between a fake ERP and a fake PSA."""

from typing import Any

import msgspec

from gateway.errors import Refused
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
from tests.fakes.statement_of_work import TEMPLATE, decoded, document
from tests.workflows.product_stage import PATIENT_S, ProductStage, until

RESTING = {OnboardingState.active, OnboardingState.parked, OnboardingState.cancelled}


class Stage(ProductStage):
    """The product, as one caller meets it."""

    workflows = (onboard_project,)

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.templates: dict[str, ProjectTemplate] = {TEMPLATE.code: TEMPLATE}

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
        return await until(
            lambda: self.get(onboarding.id),
            lambda found: found.state is state if state else found.state in RESTING,
        )

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


def states(onboarding: Onboarding) -> dict[str, str]:
    """Return the state of each step by its name."""
    return {step.name: step.state.value for step in onboarding.steps}
