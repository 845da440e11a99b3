"""A candidate set beside the live one: it decides every call of a known caller too, and nothing comes of it.

What the caller would get instead is said in words and counted. The candidate has buckets and places of its own, unused
when it is loaded, in this process alone: with several web processes each sees its share of the calls, so that a quota
seems wider than it would be. Strangers are not compared, nor is anything while the shared counters are away.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from gateway.caller import Client
from gateway.counters import Told
from gateway.counters.memory import MemoryCounters
from gateway.edge.admission import Admission, Counting
from gateway.errors import ApiError
from gateway.identity import Identity
from gateway.lifecycle import Course
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
MOST_ASKING: Final = 1_000
"""Comparisons that wait at once for somebody to be asked; more are not made, while a database is slow or away."""


class Counts(Protocol):
    """Where comparisons are counted; returns at once."""

    def compared(self, client_id: str, operation: str) -> None:
        """Count a call that was compared."""

    def differs(self, client_id: str, operation: str, pair: Pair, correlation_id: str) -> None:
        """Count a call that would be answered otherwise: as what it gets, and what it would get."""


class Trial(NamedTuple):
    """What is compared once for a caller and an operation, and then only looked up."""

    live: Admission
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
        self._tasks: set[asyncio.Task[None]] = set()

    def beside(self, plan: Plan) -> "Beside":
        """Return what decides the operation's calls beside its live plan."""
        return Beside(self, plan, self.policies.plans[plan.operation.place])

    def begin(self, comparing: Coroutine[Any, Any, None]) -> None:
        """Let a comparison end behind the call, because somebody has to be asked for it."""
        if len(self._tasks) >= MOST_ASKING:
            comparing.close()
            raise RuntimeError("Too many comparisons wait for the database.")
        task = asyncio.create_task(self._ended(comparing))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ended(self, comparing: Coroutine[Any, Any, None]) -> None:
        try:
            await comparing
        except Exception as error:  # noqa: BLE001 — nobody waits for it.
            self.failed(error)

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

    def begin(
        self, call: Call, identity: Identity, admission: Admission, told: Told, refused: ApiError | None
    ) -> "Comparison | None":
        """Return the comparison of a call that the live set has decided; it ends with the call."""
        try:
            trial = self._trials.get(admission) or self._try(identity, admission)
            found = self._shadow.counters.ask_now(trial.admission.counting.question)
            return Comparison(self._shadow, call, trial, found, _words(admission.counting, told, refused))
        except Exception as error:  # noqa: BLE001 — whatever it is, the call goes on as if there were no candidate.
            self._shadow.failed(error)
            return None

    def _try(self, identity: Identity, admission: Admission) -> Trial:
        if len(self._trials) >= REMEMBERED:
            self._trials.clear()
        own = Admission(identity, self._candidate, self._shadow.policies, self._shadow.kit, _nothing_served)
        sides = _side(admission, self._live), _side(own, self._candidate)
        trial = Trial(admission, own, passing(*sides, self._live.operation), refused(*sides))
        self._trials[admission] = trial
        return trial


class Comparison:
    """One call under way, as both sets decide it."""

    __slots__ = ("_call", "_found", "_live", "_shadow", "_trial")

    def __init__(self, shadow: Shadow, call: Call, trial: Trial, found: Told, live: str) -> None:
        self._shadow, self._call, self._trial, self._found, self._live = shadow, call, trial, found, live

    def end(self) -> None:
        """Give the candidate's places back, and count what the caller would have got; once the call has ended."""
        own = self._trial.admission
        try:
            if self._found.ticket:
                self._shadow.counters.leave(own.counting.question.places, self._found.ticket)
            now = self._shadow.kit.now()
            before = self._known_before(now)
            known = before is None or self._shadow.kit.known.known(*self._who(), before)
            if before is not None and known is None:
                self._shadow.begin(self._looked_up(now, before))
            else:
                self._count(now, known=bool(known))
        except Exception as error:  # noqa: BLE001 — the answer is on its way, and knows nothing of this.
            self._shadow.failed(error)

    def _known_before(self, now: datetime) -> datetime | None:
        """Return before when the caller must have called the version; None where nothing hangs on it."""
        own = self._trial.admission
        if own.course is None or own.refusal or self._found.refused_by is not None or own.course.refusal(now):
            return None
        return own.course.known_before(now)

    def _who(self) -> tuple[Client, str]:
        """Return the client and the contract."""
        return self._trial.live.caller.client, self._call.operation.name.partition(":")[0]

    async def _looked_up(self, now: datetime, before: datetime) -> None:
        self._count(now, known=await self._shadow.kit.known.look(*self._who(), before))

    def _count(self, now: datetime, *, known: bool) -> None:
        call, trial, counts = self._call, self._trial, self._shadow.counts
        live = self._live or _said(body_refusal(call, trial.live.course, now))
        client_id, operation = trial.live.caller.client_id, call.operation.place
        counts.compared(client_id, operation)
        pair = _pair(live, self._candidate(now, known=known), trial)
        if pair[0] != pair[1]:
            counts.differs(client_id, operation, pair, call.correlation_id)

    def _candidate(self, now: datetime, *, known: bool) -> str:
        """Return how the candidate refuses the call, in words; empty where it does not."""
        own = self._trial.admission
        course = own.course
        if words := _words(own.counting, self._found, own.refusal):
            return words
        if course is None:
            return ""
        refusal = course.refusal(now) or (None if known else course.newcomer(now))
        return _said(refusal or query_refusal(self._call, course, now) or body_refusal(self._call, course, now))


async def _nothing_served(_call: Call) -> Answer:
    raise RuntimeError("A candidate answers nothing.")


def query_refusal(call: Call, course: Course, now: datetime) -> ApiError | None:
    """Return the refusal of a query with a parameter that is gone."""
    return course.refusal_of(course.retiring.in_query(call.query), now) if course.retiring else None


def body_refusal(call: Call, course: Course | None, now: datetime) -> ApiError | None:
    """Return the refusal of a body with a field that is gone, as far as the body was read."""
    if course is None or course.retiring is None or not call.body_read:
        return None
    return course.refusal_of(course.retiring.sent(call.body_read), now)


def _side(admission: Admission, plan: Plan) -> Side:
    tier = admission.consumer.policy.tier if admission.consumer else ""
    rows = plan.chosen(admission.caller.client_id, tier)
    return Side(caller=admission.caller, policies=[row.policy for row in rows], course=admission.course)


def _pair(live: str, candidate: str, trial: Trial) -> Pair:
    """Return what the caller gets, and what they would get."""
    if live and candidate:
        return trial.refused if live == candidate else (live, candidate)
    return (live or PASSES, candidate or PASSES) if live or candidate else trial.passing


def _words(counting: Counting, told: Told, refusal: ApiError | None) -> str:
    """Return how a call is refused, in words; empty where it is not. A limit stands before everything else."""
    if told.refused_by is not None:
        row = counting.rows[told.refused_by]
        return f"refused {catalogue()[Code.rate_limited].status} {row.kind} {row.label}"
    return _said(refusal)


def _said(error: ApiError | None) -> str:
    return f"refused {catalogue()[error.code].status} {error.code}" if error else ""
