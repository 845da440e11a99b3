"""One operation's plan, carried out: who calls, what may they, how often, and then the rest of the plan."""

import math
import time
from collections.abc import Callable
from typing import Final

from gateway.counters import CountersAway, Question, Told
from gateway.edge.admission import Admission
from gateway.edge.standing import TOPICS, Standing
from gateway.errors import ApiError, Refused, Unavailable
from gateway.identity import Identity
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.consumers import Consumers
from gateway.policy.kinds.audit import Audit
from gateway.policy.kinds.authenticate import bearer_token
from gateway.policy.kinds.base import Kit
from gateway.policy.kinds.rate_limit import RateLimit
from gateway.policy.plan import Plan
from gateway.telemetry.metrics import COUNTERS_AWAY
from openapi.common.types import Code

STANDING: Final = len(TOPICS)
REMEMBERED: Final = 10_000
"""Callers of one operation whose admission is remembered; then all are forgotten, and decided anew."""
REFUSED: Final = 400
AWAY_S: Final = 5


class Way:
    """What happens to a call of one operation, in order."""

    def __init__(
        self,
        plan: Plan,
        consumers: Consumers,
        kit: Kit,
        standing: Standing,
        end: Proceed,
        *,
        address_of: Callable[[Call], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plan, self.operation = plan, plan.operation
        self._consumers, self._kit, self._standing, self._end = consumers, kit, standing, end
        self._address_of, self._clock = address_of, clock
        self._public = plan.operation.public
        first = [row.policy for row in plan.chosen()]
        self._audit = next((policy for policy in first if isinstance(policy, Audit)), None)
        self._strangers = next((one for one in first if isinstance(one, RateLimit) and one.per == "address"), None)
        self._admissions: dict[bytes, Admission] = {}
        self._shut_out: dict[str, float] = {}

    async def __call__(self, call: Call) -> Answer:
        """Return the answer, written down where the plan says so."""
        try:
            answer = await (self._end(call) if self._public else self._governed(call))
        except ApiError as error:
            answer = self._kit.problem(call, error)
        if answer.status < REFUSED and self.operation.is_safe:
            self._kit.auditor.count_read(self.operation.place)
        elif self._audit:
            await self._audit.note(call, self._kit, answer)
        return answer

    async def _governed(self, call: Call) -> Answer:
        token = bearer_or_none(call)
        identity = self._kit.verifier.remembered(token) if token else None
        if identity is None:
            identity = await self._stranger(call)
        admission = self._admissions.get(identity.digest) or self._admit(identity)
        counting = admission.counting
        try:
            told = self._kit.counters.ask_now(counting.question) or await self._kit.counters.ask(counting.question)
        except CountersAway as error:
            told, counting = self._alone(admission, error), admission.alone
        if told.generations:
            standing = told.generations[:STANDING]
            if not self._standing.holds(standing):
                await self._standing.follow(standing)
                self._recheck(identity)
            call.generations = told.generations[STANDING:]
        else:
            await self._standing.look()
            self._recheck(identity)
        call.caller, call.partition, call.visibility = admission.caller, admission.partition, admission.visibility
        if told.refused_by is not None:
            return counting.told(self._kit.problem(call, _used_up(told, counting.rows[told.refused_by].label)), told)
        try:
            answer = await self._admitted(call, admission)
        finally:
            if told.ticket:
                counters = self._kit.counters if counting is admission.counting else self._kit.alone
                counters.leave(counting.question.places, told.ticket)
        return counting.told(answer, told)

    async def _admitted(self, call: Call, admission: Admission) -> Answer:
        if admission.refusal:
            return self._kit.problem(call, admission.refusal)
        found = admission.finds.find(call, self._kit, admission.rest) if admission.finds else None
        try:
            return found or await admission.rest(call)
        except ApiError as error:
            return self._kit.problem(call, error)

    def _admit(self, identity: Identity) -> Admission:
        if len(self._admissions) >= REMEMBERED:
            self._admissions.clear()
        admission = Admission(identity, self.plan, self._consumers, self._kit, self._end)
        self._admissions[identity.digest] = admission
        return admission

    def _alone(self, admission: Admission, error: CountersAway) -> Told:
        """Return what this process says by itself while the shared counters are away; raises Unavailable."""
        self._kit.metrics.count(COUNTERS_AWAY)
        if admission.closed:
            raise Unavailable(Code.limits_unavailable, "Nobody can count just now.", retry_after_s=AWAY_S) from error
        return self._kit.alone.ask_now(admission.alone.question)._replace(generations=())

    def _recheck(self, identity: Identity) -> None:
        """Return where the token still holds after the withdrawn ones were read; raises Refused."""
        if self._kit.verifier.is_denied(identity):
            raise Refused(Code.auth_invalid_token, "Fetch a fresh token for this audience; this one is not accepted.")

    async def _stranger(self, call: Call) -> Identity:
        """Return whose token it is; raises Refused, and charges the network address for it."""
        address = self._address_of(call) if self._strangers else ""
        if self._strangers and self._shut_out.get(address, 0.0) > self._clock():
            raise _wait(self._shut_out[address] - self._clock())
        try:
            return await self._kit.verifier.verify(bearer_token(call))
        except Refused:
            if self._strangers:
                await self._charge(self._strangers, address)
            raise

    async def _charge(self, row: RateLimit, address: str) -> None:
        """Return where the address may try again; raises Refused where it has tried too often."""
        question = Question(limits=(row.limit_for(address),))
        try:
            told = self._kit.counters.ask_now(question) or await self._kit.counters.ask(question)
        except CountersAway as error:
            self._kit.metrics.count(COUNTERS_AWAY)
            if row.when_unavailable == "refuse":
                raise Unavailable(
                    Code.limits_unavailable, "Nobody can count just now.", retry_after_s=AWAY_S
                ) from error
            if row.when_unavailable == "allow":
                return
            told = self._kit.alone.ask_now(question)
        if told.refused_by is not None:
            if len(self._shut_out) >= REMEMBERED:
                self._shut_out.clear()
            self._shut_out[address] = self._clock() + told.wait_s
            raise _wait(told.wait_s)


def bearer_or_none(call: Call) -> bytes | None:
    """Return the token where it stands as nearly all do; None where somebody has to look more closely."""
    field = call.header(b"authorization")
    if field is None or field[:7] != b"Bearer " or b"," in field or b"access_token" in call.query:
        return None
    return field[7:]


def _used_up(told: Told, label: str) -> Refused:
    wait_s = max(1, math.ceil(told.wait_s))
    return Refused(Code.rate_limited, f"Try again in {wait_s} s.", retry_after_s=wait_s, violated_policies=(label,))


def _wait(wait_s: float) -> Refused:
    seconds = max(1, math.ceil(wait_s))
    return Refused(
        Code.rate_limited,
        f"Too many tries without a token that is accepted. Try again in {seconds} s.",
        retry_after_s=seconds,
        violated_policies=("address",),
    )
