"""What finished runs of earlier releases recorded, replayed against today's code: a run under way is such a beginning.

A history that cannot be followed says that a run which is under way at the upgrade would break. Then leave the workflow
as it was beside a next version of it (`@workflow(version=2)`); never change the history.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import pytest
from msgspec import json as typed

from gateway.durable import DurableSettings, Workflow, undisturbed
from gateway.durable.body import COMPLETE, carry
from gateway.durable.outcomes import Parked
from gateway.durable.run import Run
from gateway.store.database import Store
from gateway.writes import Writes, WriteSettings
from process_apis import WORKFLOWS
from process_apis.invoice_release.usual import ReleaseSettings
from process_apis.ledger.mappings import load_mappings
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.releases import COMMITS, OLDEST, ROOT
from tests.workflows.recording import shape_of

FOLDER: Final = Path(__file__).parent / "histories"
HISTORIES: Final = sorted(FOLDER.glob("*/*.json"))
SLEEP: Final = "DBOS.sleep"
BY_NAME: Final[Mapping[str, Workflow[Any]]] = {workflow.name: workflow for workflow in WORKFLOWS.values()}


F = TypeVar("F", FakeErp, FakePsa)


class CannotFollow(BaseException):
    """Today's code takes another way. Not an Exception: nothing of a workflow's may catch it."""


class Appended(BaseException):
    """Today's code has steps after the last one that was recorded: what is under way comes to them."""


class Recorded:
    """Stands for the engine: answers each step with what was recorded, and makes none."""

    def __init__(self, steps: list[dict[str, Any]]) -> None:
        self._steps, self._at = steps, 0

    async def step(self, name: str, _call: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - as it is recorded
        return self._next(name)

    async def sleep(self, _seconds: float) -> None:
        self._next(SLEEP)

    def step_id(self) -> int:
        return self._at

    def is_own(self, _error: Exception) -> bool:
        return False

    def over(self) -> bool:
        """Tell whether every step was asked for."""
        return self._at == len(self._steps)

    def _next(self, name: str) -> Any:  # noqa: ANN401 - as it is recorded
        if self.over():
            raise CannotFollow(f"After the last recorded step today's code asks for {name!r}.")
        recorded = self._steps[self._at]
        self._at += 1
        if recorded["step"] == name:
            return recorded["recorded"]
        if recorded["step"] == COMPLETE and self.over():
            raise Appended
        raise CannotFollow(f"Step {self._at} was recorded as {recorded['step']!r}; today's code asks for {name!r}.")


class AnyLandscape:
    """Has every connection; nobody is called, but what they would return is read from their methods."""

    def erp(self, connection: str) -> FakeErp:
        return _named(FakeErp(), connection)

    def psa(self, connection: str) -> FakePsa:
        return _named(FakePsa(), connection)

    def erp_of(self, legal_entity: str) -> str:  # noqa: ARG002 - all have the same one
        return "books"


def _named(fake: F, connection: str) -> F:
    fake.connection = connection
    return fake


def resources_of(workflow: Workflow[Any]) -> Mapping[str, Any]:
    """Return what the workflow names. Nothing of it is used outside of steps but ports, for their names."""
    nothing = cast(Store, None)
    everything = {
        "store": nothing,
        "writes": Writes(nothing, WriteSettings()),
        "landscape": AnyLandscape(),
        "entities": {},
        "mappings": load_mappings(ROOT / "sample" / "mappings"),
        "release_settings": ReleaseSettings(),
    }
    return workflow.bind(everything)


def read(file: Path) -> dict[str, Any]:
    """Return a history."""
    told: dict[str, Any] = json.loads(file.read_text())
    return told


async def replay(told: dict[str, Any]) -> None:
    """Return where today's code follows the history to its end; raises CannotFollow, or what decoding raises."""
    workflow = BY_NAME.get(told["workflow"])
    if workflow is None:
        raise CannotFollow(f"{told['workflow']} is gone: runs of it may be under way.")
    process_id, attempt, order, *_ = told["inputs"]
    engine, resources = Recorded(told["steps"]), resources_of(workflow)
    run = Run(
        workflow=workflow,
        process_id=process_id,
        attempt=attempt,
        store=cast(Store, None),
        writes=Writes(cast(Store, None), WriteSettings()),
        engine=engine,
        settings=DurableSettings(),
        moments=undisturbed,
    )
    try:
        await carry(run, resources, typed.decode(order, type=workflow.order))
    except (Appended, Parked):
        return
    if not engine.over():
        raise CannotFollow("Today's code ends before the last recorded step.")


@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: f"{file.parent.name}-{file.stem}")
async def test_recorded_history_is_followed_to_its_end(file: Path) -> None:
    told = read(file)

    await replay(told)

    assert told["steps"]


def test_every_release_has_histories_and_the_oldest_of_every_workflow_that_it_had() -> None:
    kept = {release.name: {name_of(file) for file in release.iterdir()} for release in FOLDER.iterdir()}

    assert kept.keys() == COMMITS.keys()
    assert kept[OLDEST] == {f"{kind}.v1" for kind in KINDS_OF_OLDEST}


KINDS_OF_OLDEST: Final = ("billing_hold", "invoice_release", "project_onboarding", "time_recall", "time_transfer")


def name_of(history: Path) -> str:
    """Return the workflow's name."""
    return history.name.rpartition("-")[0]


def test_no_history_is_kept_twice() -> None:
    shapes = Counter(shape_of(read(file)) for file in HISTORIES)

    assert shapes.most_common(1)[0][1] == 1


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda steps: steps.reverse(), "was recorded as"),
        (lambda steps: steps.pop(), "After the last recorded step"),
        (lambda steps: steps.insert(0, {"step": "other", "recorded": None}), "'other'"),
    ],
    ids=["another order", "a step more", "a step less"],
)
async def test_a_way_that_is_not_today_s_is_refused_with_the_step(
    spoil: Callable[[list[dict[str, Any]]], None], said: str
) -> None:
    told = read(FOLDER / "0.1.0" / "billing_hold.v1-01.json")
    spoil(told["steps"])

    with pytest.raises(CannotFollow, match=said):
        await replay(told)
