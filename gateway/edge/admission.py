"""What is decided once for a caller and an operation, and then only looked up: rights, limits, the way onward."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from math import ceil
from typing import Final, NamedTuple

from gateway.caller import Caller
from gateway.counters import Question, Told
from gateway.edge.standing import TOPICS
from gateway.errors import Refused
from gateway.identity import Identity
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.consumers import KnownConsumer
from gateway.policy.document import Row
from gateway.policy.kinds.authenticate import Authenticate
from gateway.policy.kinds.base import Kit, Policy
from gateway.policy.kinds.counted import Counted
from gateway.policy.operation import UNMATCHED
from gateway.policy.plan import Plan, PolicySet
from gateway.store.usage import call_key
from gateway.usage import Usage
from openapi.common.types import Code

UNKNOWN: Final = "This client is not known here; ask the gateway's team to enter it."


class Counting:
    """The rows that count one caller's calls of one operation, and the question that asks for all of them at once."""

    __slots__ = ("_field", "_policy_field", "question", "rows")

    def __init__(self, rows: Sequence[Counted], caller: Caller, tier: str, plan: Plan, topics: tuple[str, ...]) -> None:
        operation = plan.operation
        drawn = [(row, limit) for row in rows if (limit := row.drawn(caller, tier, operation))]
        held = [(row, places) for row in rows if (places := row.held(caller, tier, operation))]
        self.rows: tuple[Counted, ...] = (*(row for row, _ in drawn), *(row for row, _ in held))
        self.question = Question(tuple(limit for _, limit in drawn), tuple(places for _, places in held), topics)
        self._policy_field = b", ".join(row.policy_item for row in self.rows)
        self._field = b", ".join(b'"%s";r=%%d;t=%%d' % row.label.encode() for row, _ in drawn)

    def told(self, answer: Answer, told: Told) -> Answer:
        """Return the answer with the fields of draft-ietf-httpapi-ratelimit-headers-10, one item for each limit.

        The limit that refuses names the same moment as Retry-After.
        """
        if self._policy_field:
            answer.headers.append((b"ratelimit-policy", self._policy_field))
        if self._field:
            until_s = told.full_in_s
            if told.refused_by is not None and told.refused_by < len(until_s):
                until_s = (*until_s[: told.refused_by], told.wait_s, *until_s[told.refused_by + 1 :])
            values = [0] * (2 * len(until_s))
            values[::2], values[1::2] = told.left, map(ceil, until_s)
            answer.headers.append((b"ratelimit", self._field % tuple(values)))
        return answer


class RefusedUntil(NamedTuple):
    """Which row refuses until when, and the decision that stands in the audit for all calls until then."""

    row: Counted
    until: datetime
    decision_id: str


class Admission:
    """One caller at one operation, under one set of policies."""

    __slots__ = (
        "alone",
        "caller",
        "consumer",
        "counting",
        "course",
        "finds",
        "is_plain",
        "partition",
        "refusal",
        "refused",
        "rest",
        "use",
        "visibility",
    )

    def __init__(self, identity: Identity, plan: Plan, policies: PolicySet, kit: Kit, end: Proceed) -> None:
        self.consumer = policies.consumers.find(identity.caller.client_id, identity.issuer)
        self.caller = self.consumer.policy.narrowed(identity.caller) if self.consumer else identity.caller
        tier = self.consumer.policy.tier if self.consumer else ""
        rows = plan.chosen(self.caller.client_id, tier)
        self.refusal = refusal_of(identity, self.caller, self.consumer, rows, plan)
        self.refused: RefusedUntil | None = None
        """By a limit, the last time."""
        self.course = policies.course(plan.operation, self.caller.client)
        self.is_plain = self.refusal is None and self.course is None
        """Nothing is to be said to the caller beside what they asked for."""
        self.use = self._use(kit.usage, plan)
        """Count a call, whatever else is decided of it; who may not call uses nothing."""
        self.partition, self.visibility = self.caller.partition, self.caller.visibility
        chosen = [row.policy for row in rows]
        counted = [policy for policy in chosen if isinstance(policy, Counted) and policy.per != "address"]
        if self.refusal:  # It is nobody else's quota that a call draws on which goes nowhere.
            counted = [policy for policy in counted if policy.per == "client"]
        topics = tuple(topic for policy in chosen for topic in policy.topics(plan.operation))
        self.counting = Counting(counted, self.caller, tier, plan, (*TOPICS, *topics))
        by_itself = [policy for policy in counted if policy.when_unavailable == "count_alone"]
        self.alone = Counting(by_itself, self.caller, tier, plan, ())
        self.finds = next((policy for policy in chosen if policy.finds()), None)
        self.rest = _way([policy for policy in chosen if policy.stands_around()], kit, end)

    def _use(self, usage: Usage, plan: Plan) -> Callable[[], None]:
        if self.refusal or plan.operation is UNMATCHED:
            return _nothing_used
        counted = call_key(self.caller.client, plan.operation.name)
        if self.course and self.course.deprecated_at:
            return partial(usage.count_going, counted, self.course.deprecated_at)
        return partial(usage.count, counted)

    @property
    def closed(self) -> bool:
        """Tell whether a row wants nothing to go on while nobody can count."""
        return any(row.when_unavailable == "refuse" for row in self.counting.rows)


def refusal_of(
    identity: Identity, caller: Caller, consumer: KnownConsumer | None, rows: Sequence[Row], plan: Plan
) -> Refused | None:
    """Return the first refusal of a verified token at an operation, in the order of the plan; None if it may go on."""
    for row in rows:
        if isinstance(row.policy, Authenticate) and (refused := row.policy.accepts(identity)):
            return refused
    if consumer is None:
        return Refused(Code.auth_consumer_unknown, UNKNOWN)
    for policy in (consumer.policy, *(row.policy for row in rows)):
        if refused := policy.judge(caller, plan.operation):
            return refused
    return None


def _nothing_used() -> None:
    """Stand in where nothing is counted."""


def _way(policies: Sequence[Policy], kit: Kit, end: Proceed) -> Proceed:
    """Return the policies as one function, the first of them outermost."""
    way = end
    for policy in reversed(policies):
        way = _link(policy, kit, way)
    return way


def _link(policy: Policy, kit: Kit, proceed: Proceed) -> Proceed:
    async def link(call: Call) -> Answer:
        return await policy.apply(call, kit, proceed)

    return link
