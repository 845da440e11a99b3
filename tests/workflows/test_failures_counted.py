"""What is refused, parked or tried again is counted where it happens: the worker's metrics say so."""

from gateway.telemetry.metrics import FAILED, RETRIES
from tests.workflows.stage import Stage


async def test_refusal_that_parks_is_counted_by_process_system_and_code(stage: Stage) -> None:
    stage.desk.plan("create_deal", "refuse")
    async with stage.working():
        parked = await stage.rest(await stage.ask())
        shown = [step.system for step in (await stage.steps(parked)) if step.name == "create_deal"]

    code = "dimension.invalid_combination"
    assert stage.store.metrics.total(FAILED, process=parked.kind, system=shown[0], code=code) == 1
    assert stage.store.metrics.total(FAILED) == 1


async def test_step_that_is_tried_again_is_a_retry_of_its_system(stage: Stage) -> None:
    stage.desk.plan("create_deal", "lose")
    async with stage.working():
        await stage.rest(await stage.ask())

    assert stage.store.metrics.total(RETRIES, operation="create_deal") == 1
    assert stage.store.metrics.total(FAILED) == 0
