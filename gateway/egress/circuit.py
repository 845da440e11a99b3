"""The circuit of one connection, in one process: a system that is away is left alone, its callers are told at once.

While it is open, one *read* in each `open_s` may try; its answer closes it. A write never does: its lost answer would
be an uncertain effect, and the guard looks before each write anyway, so there is always a read to try with.
"""

from collections.abc import Callable
from math import ceil

from gateway.egress.terms import Breaker
from gateway.errors import Unavailable
from openapi.common.types import Code


class Circuit:
    """Closed until `failures` in a row, then open until a read gets an answer."""

    def __init__(self, breaker: Breaker, clock: Callable[[], float]) -> None:
        self._breaker, self._clock = breaker, clock
        self._failed = 0
        self._next_try_at = 0.0

    @property
    def is_open(self) -> bool:
        """Tell whether the system counts as away."""
        return self._failed >= self._breaker.failures

    def check(self, *, write: bool) -> None:
        """Return where the call may queue; raises Unavailable."""
        left_s = self._next_try_at - self._clock()
        if self.is_open and (write or left_s > 0):
            detail = "The other system has not answered for a while; it is asked again by itself."
            raise Unavailable(Code.upstream_unavailable, detail, retry_after_s=max(1, ceil(left_s)))

    def admit(self, *, write: bool) -> None:
        """Return where the call may be sent now; raises Unavailable. The one that tries keeps the others waiting."""
        self.check(write=write)
        if self.is_open:
            self._next_try_at = self._clock() + self._breaker.open_s

    def answered(self) -> None:
        """Note that the system is there."""
        self._failed = 0

    def failed(self) -> None:
        """Note that it seemed to be away."""
        self._failed += 1
        if self.is_open:
            self._next_try_at = self._clock() + self._breaker.open_s
