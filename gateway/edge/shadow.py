"""A candidate set beside the live one: it decides every call of a known caller too, and nothing comes of it.

What the caller would get instead is said in words and counted. The candidate has buckets and places of its own, unused
when it is loaded, in this process alone: with several web processes each sees its share of the calls, so that a quota
seems wider than it would be. Strangers are not compared, nor is anything while the shared counters are away.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, Protocol

from gateway.counters import Told
from gateway.counters.memory import MemoryCounters
from gateway.edge.admission import Admission, Counting
from gateway.errors import ApiError
from gateway.identity import Identity
from gateway.policy.call import Answer, Call
from gateway.policy.comparing import Pair, Side, passing, refused
from gateway.policy.kinds.base import Kit
from gateway.policy.plan import Plan, PolicySet
from gateway.problems import catalogue
from gateway.telemetry.metrics import SHADOW_FAILURES
from openapi.common.types import Code

log = logging.getLogger(__name__)

PASSES: Final = "passes"
REMEMBERED: Final = 1_000
"""Callers of one operation for whom both sets were compared; then all are forgotten, and compared anew."""

Leave = Callable[[], None]
"""Gives the places back that a call holds under the candidate."""


class Counts(Protocol):
    """Where comparisons are counted; returns at once."""

    def compared(self, client_id: str, operation: str) -> None:
        """Count a call that was compared."""

    def differs(self, client_id: str, operation: str, pair: Pair, correlation_id: str) -> None:
        """Count a call that would be answered otherwise: as what it gets, and what it would get."""


class Trial(NamedTuple):
    """What is compared once for a caller and an operation, and then only looked up."""

    admission: Admission
    """The candidate's."""
    passing: Pair
    refused: Pair


class Shadow:
    """A candidate at work, for the count alone."""

    def __init__(
        self, policies: PolicySet, kit: Kit, counts: Counts, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.policies, self.kit, self.counts = policies, kit, counts
        self.counters = MemoryCounters(clock)
        self._failed = False

    def beside(self, plan: Plan) -> "Beside":
        """Return what decides the operation's calls beside its live plan."""
        return Beside(self, plan, self.policies.plans[plan.operation.place])

    def failed(self, error: Exception) -> None:
        """Count a comparison that failed, and tell of the first; the live answer knows nothing of it."""
        self.kit.metrics.count(SHADOW_FAILURES)
        if not self._failed:
            self._failed = True
            log.error("A call could not be compared with %s; more are only counted.", self.policies.id, exc_info=error)


class Beside:
    """What the candidate decides of one operation's calls."""

    def __init__(self, shadow: Shadow, live: Plan, candidate: Plan) -> None:
        self._shadow, self._live, self._candidate = shadow, live, candidate
        self._trials: dict[Admission, Trial] = {}

    def compare(
        self, call: Call, identity: Identity, admission: Admission, counting: Counting, told: Told
    ) -> Leave | None:
        """Count what the caller would get otherwise, and return what gives back the places that the call holds."""
        if counting is not admission.counting:
            return None  # The shared counters are away, and what each set does then is no part of the comparison.
        try:
            return self._compared(call, identity, admission, told)
        except Exception as error:  # noqa: BLE001 — whatever it is, the call goes on as if there were no candidate.
            self._shadow.failed(error)
            return None

    def _compared(self, call: Call, identity: Identity, admission: Admission, told: Told) -> Leave | None:
        trial = self._trials.get(admission) or self._try(identity, admission)
        own = trial.admission
        found = self._shadow.counters.ask_now(own.counting.question)
        client_id, operation = admission.caller.client_id, self._live.operation.place
        self._shadow.counts.compared(client_id, operation)
        pair = _pair(_refusal(admission, told), _refusal(own, found), trial)
        if pair[0] != pair[1]:
            self._shadow.counts.differs(client_id, operation, pair, call.correlation_id)
        places, ticket = own.counting.question.places, found.ticket
        return partial(self._shadow.counters.leave, places, ticket) if ticket else None

    def _try(self, identity: Identity, admission: Admission) -> Trial:
        if len(self._trials) >= REMEMBERED:
            self._trials.clear()
        own = Admission(identity, self._candidate, self._shadow.policies, self._shadow.kit, _nothing_served)
        sides = _side(admission, self._live), _side(own, self._candidate)
        trial = Trial(own, passing(*sides, self._live.operation), refused(*sides))
        self._trials[admission] = trial
        return trial


async def _nothing_served(_call: Call) -> Answer:
    raise RuntimeError("A candidate answers nothing.")


def _side(admission: Admission, plan: Plan) -> Side:
    tier = admission.consumer.policy.tier if admission.consumer else ""
    rows = plan.chosen(admission.caller.client_id, tier)
    return Side(caller=admission.caller, policies=[row.policy for row in rows])


def _pair(live: str, candidate: str, trial: Trial) -> Pair:
    """Return what the caller gets, and what they would get."""
    if live and candidate:
        return trial.refused if live == candidate else (live, candidate)
    return (live or PASSES, candidate or PASSES) if live or candidate else trial.passing


def _refusal(admission: Admission, told: Told) -> str:
    """Return how the call is refused, in words; empty where it is not. A limit stands before everything else."""
    if told.refused_by is not None:
        row = admission.counting.rows[told.refused_by]
        return f"refused {catalogue()[Code.rate_limited].status} {row.kind} {row.label}"
    return _said(admission.refusal) if admission.refusal else ""


def _said(error: ApiError) -> str:
    return f"refused {catalogue()[error.code].status} {error.code}"
