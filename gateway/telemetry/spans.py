"""Spans for code that nobody hands anything: the steps of a process, which the engine calls.

What is built at start gets its spans as a wrapper from `tracing.py`, or none at all.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Final, Literal, Protocol

Kind = Literal["internal", "server", "client"]


class Recorder(Protocol):
    """What records spans."""

    def span(self, name: str, kind: Kind = "internal", **attributes: str | float) -> AbstractContextManager[object]:
        """Record what runs inside."""

    def close(self) -> None:
        """Export what is left."""


class Spans:
    """The recorder of this process, or none."""

    recorder: Recorder | None = None


_NOTHING: Final = nullcontext()


def span(name: str, kind: Kind = "internal", **attributes: str | float) -> AbstractContextManager[object]:
    """Record what runs inside, where this process records at all; otherwise do nothing."""
    return _NOTHING if Spans.recorder is None else Spans.recorder.span(name, kind, **attributes)
