"""An onboarding of which our tables know nothing any more, and the systems do: after a restore, callers ask again."""

from pathlib import Path

import pytest

from gateway.durable.migrate import migrate
from openapi.process.project_onboarding.v1 import OnboardingState
from openapi.system.psa.v1 import ProjectState
from tests.fakes.coded import reserved
from tests.fakes.vendor import Fault
from tests.workflows.onboarding_stage import Stage


@pytest.fixture
def databases(tmp_path: Path) -> list[str]:
    """Two, with nothing in them."""
    urls = [f"sqlite:///{tmp_path / name}.sqlite" for name in ("lost", "restored")]
    for url in urls:
        migrate(url)
    return urls


async def test_project_that_is_open_already_keeps_its_code_and_is_not_made_again(databases: list[str]) -> None:
    lost, restored = (Stage(url) for url in databases)
    try:
        async with lost.working():
            await lost.onboard(opportunity__id="0064", statement_of_work__number="SOW-2026-117")
            first = await lost.onboard()
        for fake in ("erp", "psa", "landscape"):
            setattr(restored, fake, getattr(lost, fake))
        async with restored.working():
            again = await restored.onboard()
    finally:
        for stage in (lost, restored):
            await stage.close()

    assert (first.state, again.state) == (OnboardingState.active, OnboardingState.active)
    assert (first.project.code, again.project.code) == ("P-0002", "P-0002")
    assert [(one.code, one.state) for one in lost.psa.projects] == [
        ("P-0001", ProjectState.open),
        ("P-0002", ProjectState.open),
    ]
    assert [one.code for one in lost.erp.projects] == ["P-0001", "P-0002"]


async def test_lost_code_is_the_projects_again_though_an_onboarding_was_stopped_while_it_looked_at_it(
    databases: list[str],
) -> None:
    lost, restored = (Stage(url) for url in databases)
    try:
        async with lost.working():
            first = await lost.onboard()
        for fake in ("erp", "psa", "landscape"):
            setattr(restored, fake, getattr(lost, fake))
        late = await restored.onboard(wait_s=None, opportunity__id="0066", statement_of_work__number="SOW-2026-118")
        restored.psa.plan("search_projects", *[Fault.unavailable] * 99)
        async with restored.working():
            parked = await restored.rested(late)
            looked_at = await reserved(restored.store)
        restored.psa.forget_plans()
        async with restored.working():
            again = await restored.onboard()
            mended = await restored.rested(late, OnboardingState.active)
    finally:
        for stage in (lost, restored):
            await stage.close()

    assert (parked.current_step, looked_at) == ("reserve_code", {"p-0001": parked.project.id})
    assert (first.project.code, again.project.code) == ("P-0001", "P-0001")
    assert (again.state, mended.project.code) == (OnboardingState.active, "P-0002")
