"""How much time is left for the work at hand: whoever waits says so once, and everything below keeps to it."""

import time
from contextvars import ContextVar
from typing import Final

current_deadline: ContextVar[float | None] = ContextVar("current_deadline", default=None)
"""On the clock of `time.monotonic`; None where nobody has said anything."""

FOREVER: Final = float("inf")


def deadline(seconds: float) -> "Deadline":
    """Return a block that gives what runs inside at most so long; a deadline that is nearer already stays."""
    return Deadline(seconds)


class Deadline:
    """The block. A class, because every call has one: it costs a third of what a generator does."""

    __slots__ = ("_before", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        """Begin to count the time."""
        until = time.monotonic() + self._seconds
        self._before = current_deadline.set(min(until, current_deadline.get() or FOREVER))

    def __exit__(self, *_: object) -> None:
        """Put back the deadline that there was."""
        current_deadline.reset(self._before)


def left_s() -> float:
    """Return how many seconds are left, 0.0 or less where time is up; infinite where there is no deadline."""
    until = current_deadline.get()
    return FOREVER if until is None else until - time.monotonic()
