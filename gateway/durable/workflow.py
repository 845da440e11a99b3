"""What a workflow is: a function that orchestrates, and how it answers a refusal. Declaring one starts nothing."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any, Final, Generic, Literal, TypeVar, cast, get_type_hints

from msgspec import Struct

from gateway.store.database import Store
from gateway.store.processes import Process, State
from gateway.store.work_items import WorkItem

R = TypeVar("R")
ORDER: Final = "order"
"""The parameter that takes what a run keeps for life; every other one names a resource of the worker."""


TakeUp = Callable[[Store, Any, WorkItem], Awaitable[Process]]
"""Given the store, the engine and the item: returns the process that takes its thing up again."""


def event_type(kind: str, state: str) -> str:
    """Return the type of the event that tells which state a process is in."""
    return f"tiebeam.{kind}.{state}.v1"


class NoDecision(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is decided where a process asks nothing: that it goes on."""


class Workflow(Generic[R]):
    """A declared workflow.

    `kind` is the process's name for ever; a change that what is under way cannot follow gets the next `version`, beside
    the one before until that has drained.
    """

    def __init__(
        self,
        function: Callable[..., Awaitable[R]],
        *,
        kind: str,
        version: int,
        refusals: Literal["park", "undo"],
        decision: type[Struct],
        completed: str,
        take_up: TakeUp | None = None,
    ) -> None:
        self.function, self.kind, self.refusals = function, kind, refusals
        self.take_up = take_up
        self.name = f"{kind}.v{version}"
        self.decision, self.completed = decision, completed

    @property
    def event_types(self) -> frozenset[str]:
        """Return the types of the events that its processes tell."""
        return frozenset(event_type(self.kind, state) for state in (*State, self.completed))

    @cached_property
    def order(self) -> type[Struct]:
        """Return the type of the order."""
        return cast("type[Struct]", get_type_hints(self.function)[ORDER])

    def bind(self, resources: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the resources that the function names; raises TypeError with all that are missing."""
        wanted = [name for name in inspect.signature(self.function).parameters if name != ORDER]
        missing = [name for name in wanted if name not in resources]
        if missing:
            raise TypeError(f"The workflow {self.name} wants {', '.join(missing)}; give the worker that.")
        return {name: resources[name] for name in wanted}


Workflows = Mapping[str, Workflow[Any]]
"""The newest version of each workflow by its kind: what a decision about a process is read by."""


def workflow(
    *,
    name: str | None = None,
    version: int = 1,
    refusals: Literal["park", "undo"],
    decision: type[Struct] = NoDecision,
    completed: str = State.completed,
    take_up: TakeUp | None = None,
) -> Callable[[Callable[..., Awaitable[R]]], Workflow[R]]:
    """Declare a workflow: `async (resources by name…, order) -> Struct`.

    `refusals` says what a refusal before the pivot does, `decision` what a resume may correct, `completed` the word for
    the end, `take_up` how a work item that outlives its process is resumed.
    """

    def declared(function: Callable[..., Awaitable[R]]) -> Workflow[R]:
        return Workflow(
            function,
            kind=name or function.__name__,
            version=version,
            refusals=refusals,
            decision=decision,
            completed=completed,
            take_up=take_up,
        )

    return declared
