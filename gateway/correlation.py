"""What the work at hand belongs to: set where work begins, read by logs, spans and calls to vendors below it.

The correlation id and the place in a trace are `gateway.trace`'s; this adds the process, its step, and who is waiting.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Any

from gateway.trace import Trace, current_correlation_id, current_trace


class Urgency(StrEnum):
    """Who waits for the work: a share of every vendor's limits is kept for the interactive."""

    interactive = "interactive"
    """A person, or a caller with an open connection."""
    background = "background"
    """Nobody: a worker carries out what was accepted."""


current_process_id: ContextVar[str | None] = ContextVar("current_process_id", default=None)
current_step: ContextVar[str | None] = ContextVar("current_step", default=None)
current_urgency: ContextVar[Urgency | None] = ContextVar("current_urgency", default=None)
"""None is the process's own: interactive in the web process, background in the worker."""


@contextmanager
def belonging(
    *,
    correlation_id: str | None = None,
    trace: Trace | None = None,
    process_id: str | None = None,
    step: str | None = None,
    urgency: Urgency | None = None,
) -> Iterator[None]:
    """Let what runs inside belong there; what is left out stays as it was."""
    with ExitStack() as stack:
        _put(stack, current_correlation_id, correlation_id)
        _put(stack, current_trace, trace)
        _put(stack, current_process_id, process_id)
        _put(stack, current_step, step)
        _put(stack, current_urgency, urgency)
        yield


def _put(stack: ExitStack, variable: ContextVar[Any], value: object) -> None:
    if value is not None:
        stack.callback(variable.reset, variable.set(value))
