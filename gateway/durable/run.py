"""One run of one workflow: who it is, what it may use, and what it has registered so far.

Lives in memory only: a replay builds it again, from the engine's records.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Protocol

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.durable.moments import Moments
from gateway.durable.settings import DurableSettings
from gateway.durable.workflow import Workflow
from gateway.store.database import Store
from gateway.store.process_steps import StepKey
from gateway.writes import Writes


class Fenced(asyncio.CancelledError):
    """Stops a run whose worker is taken for dead. Like a cancellation it is recorded nowhere, and not caught."""


Fence = Callable[[AsyncConnection], Awaitable[None]]
"""Returns while the worker may write, here and elsewhere; raises Fenced."""


async def unfenced(_connection: AsyncConnection) -> None:
    """Let it be written: there is one worker."""


class StepEngine(Protocol):
    """What a run needs of the engine: see `engine.Runtime`."""

    async def step(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - plain data
        """Return what the call returned, now or in an earlier run."""

    async def sleep(self, seconds: float) -> None:
        """Sleep until then, however often the worker dies meanwhile."""

    def step_id(self) -> int:
        """Return the engine's number of the step that is being carried out."""

    def is_own(self, error: Exception) -> bool:
        """Tell whether the engine raised it for itself: that ends the run, and is nobody's refusal."""


class Leave(Struct, frozen=True, kw_only=True):
    """When a workflow goes on without knowing what came of a write, for a later process to look."""

    after_s: float
    unreached: bool = False
    """Whether one is left, too, whose system cannot be reached: an earlier process has left it already, so that this
    proves nothing; or others are not to wait until the system is there again.
    """


class Work(Struct, frozen=True, kw_only=True):
    """A step as it is to be carried out."""

    name: str
    position: int
    call: Callable[[], Awaitable[Any]]
    into: Any
    """The type of what it returns."""
    key: str | None = None
    """The business key of what is written."""
    system: str | None = None
    writes: bool = False
    """Whether it has an effect in another system: then a try that was cut short is uncertain."""
    pivot: bool = False
    leave: Leave | None = None
    left: Callable[[bool], Any] | None = None
    """Returns what stands for the result once it is left; told whether a person has to look."""
    again_from: str | None = None
    """The step at which a refusal is taken up again, where that is an earlier one."""
    undoes: str | None = None
    """The step that it reverses."""


class Skip(Struct, frozen=True, kw_only=True):
    """A step that was left out, and why."""

    name: str
    position: int
    reason: str
    system: str | None


class Undo(Struct, frozen=True, kw_only=True):
    """How a step is reversed."""

    name: str
    call: Callable[[], Awaitable[Any]]
    reverses: str


class Run:
    """The run that the present task carries out."""

    def __init__(  # noqa: PLR0913 - it is what everything else is read from
        self,
        *,
        workflow: Workflow[Any],
        process_id: str,
        attempt: int,
        store: Store,
        writes: Writes,
        engine: StepEngine,
        settings: DurableSettings,
        moments: Moments,
        fence: Fence = unfenced,
    ) -> None:
        self.workflow, self.process_id, self.attempt = workflow, process_id, attempt
        self.store, self.writes, self.engine, self.settings = store, writes, engine, settings
        self.moments, self.fence = moments, fence
        self.skips: list[Skip] = []
        self.undos: list[Undo] = []
        self.last_step = ""
        self.numbers: dict[str, int] = {}
        """The engine's numbers of the steps that are done."""
        self.after_pivot = False
        self._positions = 0
        self._names: Counter[str] = Counter()

    def name_of(self, name: str) -> str:
        """Return the step's name in this process; the second of a name is `name:2`."""
        self._names[name] += 1
        return name if self._names[name] == 1 else f"{name}:{self._names[name]}"

    def next_position(self) -> int:
        """Return the place of the next step in the order in which people see them."""
        self._positions += 1
        return self._positions

    def key_of(self, name: str) -> StepKey:
        """Return where the step's row is."""
        return StepKey(process_id=self.process_id, attempt=self.attempt, name=name)


def operation_of(name: str) -> str:
    """Return what a step does, without which time it is: there are as many times as there are batches."""
    return name.partition(":")[0]


current_run: ContextVar[Run] = ContextVar("current_run")


def process_id() -> str:
    """Return the id of the process that is being carried out."""
    return current_run.get().process_id
