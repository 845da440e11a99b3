"""A candidate set beside the live one: it decides every call of a known caller too, and nothing comes of it.

What the caller would get instead is said in words and counted. The candidate has buckets and places of its own, full when
it is loaded, in this process alone: with several web processes each sees its share of the calls, so that a quota seems
wider than it would be. Strangers are not compared, nor is anything while the shared counters are away.
"""

import time
from collections.abc import Callable
from typing import Protocol

from gateway.counters import Places, Told
from gateway.edge.admission import Admission, Counting
from gateway.identity import Identity
from gateway.policy.call import Call
from gateway.policy.kinds.base import Kit
from gateway.policy.plan import Plan, PolicySet

Held = tuple[tuple[Places, ...], str]
"""Places that a call holds under the candidate, and the ticket that gives them back."""


class Counts(Protocol):
    """Where comparisons are counted; returns at once."""

    def compared(self, client_id: str, operation: str) -> None:
        """Count a call that was compared."""

    def differs(self, client_id: str, operation: str, live: str, candidate: str, correlation_id: str) -> None:
        """Count a call that would be answered otherwise."""


class Shadow:
    """A candidate at work, for the count alone."""

    def __init__(
        self, policies: PolicySet, kit: Kit, counts: Counts, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.policies = policies

    def beside(self, plan: Plan) -> "Beside":
        """Return what decides the operation's calls beside its live plan."""
        raise NotImplementedError


class Beside:
    """What the candidate decides of one operation's calls."""

    def compare(
        self, call: Call, identity: Identity, admission: Admission, counting: Counting, told: Told
    ) -> Held | None:
        """Decide the call by the candidate, count what its caller would get otherwise; return the places it holds."""

    def leave(self, held: Held) -> None:
        """Give the places back."""
