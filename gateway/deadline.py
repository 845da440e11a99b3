"""How much time is left for the work at hand: whoever waits says so once, and everything below keeps to it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

current_deadline: ContextVar[float | None] = ContextVar("current_deadline", default=None)
"""On the clock of `time.monotonic`; None where nobody has said anything."""

FOREVER: Final = float("inf")


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Give what runs inside at most so long; a deadline that is nearer already stays."""
    until = time.monotonic() + seconds
    token = current_deadline.set(min(until, current_deadline.get() or FOREVER))
    try:
        yield
    finally:
        current_deadline.reset(token)


def left_s() -> float:
    """Return how many seconds are left, 0.0 or less where time is up; infinite where there is no deadline."""
    until = current_deadline.get()
    return FOREVER if until is None else until - time.monotonic()
