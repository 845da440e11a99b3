"""One operation's plan, carried out: who calls, what may they, how often, and then the rest of the plan."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from gateway.caller import Caller
from gateway.counters import CountersAway, Told
from gateway.edge.admission import Admission, Counting, RefusedUntil
from gateway.edge.ending import check_body, refusal_at, tell
from gateway.edge.limits import Disconnected
from gateway.edge.pressure import Pressure
from gateway.edge.shadow import Beside
from gateway.edge.standing import TOPICS, Standing
from gateway.edge.strangers import Strangers, nobody_counts, used_up
from gateway.errors import ApiError, Refused
from gateway.identity import Identity
from gateway.identity.verifier import not_accepted
from gateway.lifecycle import Course
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.kinds.audit import Audit
from gateway.policy.kinds.base import Kit
from gateway.policy.kinds.rate_limit import RateLimit
from gateway.policy.plan import Plan, PolicySet
from gateway.telemetry.metrics import COUNTERS_AWAY, REFUSED_AGAIN, TURNED_AWAY

STANDING: Final = len(TOPICS)
REMEMBERED: Final = 1_000
"""Tokens and callers of one operation whose admission is remembered; then all are forgotten, and decided anew."""
REFUSED: Final = 400


class Way:
    """What happens to a call of one operation, in order."""

    beside: Beside | None = None
    """What decides each call by the candidate too, for the count alone."""
    course_at: Callable[[Call], Course | None] | None = None
    """Tells of the version that a path lies under, where no operation does."""

    def __init__(
        self,
        plan: Plan,
        policies: PolicySet,
        kit: Kit,
        standing: Standing,
        end: Proceed,
        *,
        strangers: Strangers,
        pressure: Pressure,
    ) -> None:
        self.plan, self.operation = plan, plan.operation
        self._place = plan.operation.place
        self._policies, self._kit, self._standing, self._end = policies, kit, standing, end
        self._strangers, self._pressure = strangers, pressure
        self._public = plan.operation.public
        self.course = policies.course(plan.operation) if self._public else None
        """What strangers are told of the version's life."""
        first = [row.policy for row in plan.chosen()]
        self._audit = next((policy for policy in first if isinstance(policy, Audit)), None)
        self.tries = next((one for one in first if isinstance(one, RateLimit) and one.per == "address"), None)
        self._admissions: dict[bytes, Admission] = {}
        self._decided: dict[tuple[str, frozenset[str], Caller], Admission] = {}

    def __call__(self, call: Call) -> Answer | Awaitable[Answer]:
        """Return a kept answer at once, where nobody has to be waited for; otherwise what to await for the answer."""
        if self._public:
            return self._ended(call, self._open(call))
        try:
            begun = self._begun(call)
        except Exception as error:  # noqa: BLE001 — as below.
            return self._failed(call, error)
        if isinstance(begun, Answer):
            self._kit.auditor.count_read(self._place)  # Only reads are kept.
            return begun
        return self._ended(call, begun)

    async def turned_away(self, call: Call, error: Exception) -> Answer:
        """Return the refusal of a call that could not be read, counted and written down like a stranger's."""
        if isinstance(error, Refused):  # What failed by our own fault costs nobody anything.
            try:
                await self._strangers.unread(call, self.tries)
            except ApiError as charged:
                error = charged
        return await self._failed(call, error)

    async def _ended(self, call: Call, begun: Awaitable[Answer]) -> Answer:
        """Return the answer, written down where the plan says so."""
        try:
            answer = await begun
        except Disconnected:
            raise
        except Exception as error:  # noqa: BLE001 — a failure of ours is written down too: something may have been done.
            answer = self._kit.problem(call, error)
        if call.course is not None:
            tell(call, call.course, self._kit, answer)
        return await self._noted(call, answer)

    async def _failed(self, call: Call, error: Exception) -> Answer:
        return await self._noted(call, self._kit.problem(call, error))

    async def _noted(self, call: Call, answer: Answer) -> Answer:
        if answer.status < REFUSED and self.operation.is_safe:
            self._kit.auditor.count_read(self._place)
        elif call.decided_before:
            self._kit.metrics.count(REFUSED_AGAIN if call.known_caller else TURNED_AWAY)
        elif self._audit:
            await self._audit.note(call, self._kit, answer)
        return answer

    async def _open(self, call: Call) -> Answer:
        """Return the answer to whomever: of a version's life, the clock alone decides here."""
        call.course = self.course
        if self.course is not None and (refused := self.course.refusal(self._kit.now())):
            raise refused
        return await self._end(call)

    def _begun(self, call: Call) -> Answer | Awaitable[Answer]:
        """Return the kept answer, or the rest of the way. Every call passes here: what is known is not waited for."""
        token = bearer_or_none(call)
        identity = self._kit.verifier.remembered(token) if token else None
        if identity is None:
            return self._of_a_stranger(call)
        admission = self._known(call, identity)
        try:
            told = self._kit.counters.ask_now(admission.counting.question)
        except CountersAway as error:
            return self._uncounted(call, identity, admission, error)
        if told is None:
            return self._asked(call, identity, admission)
        return self._kept(call, identity, admission, told) or self._go_on(
            call, identity, admission, admission.counting, told
        )

    async def _of_a_stranger(self, call: Call) -> Answer:
        identity = await self._strangers.identity(call, self.tries)
        return await self._asked(call, identity, self._known(call, identity))

    def _known(self, call: Call, identity: Identity) -> Admission:
        """Return what is decided for the caller; the call knows them from then on."""
        admission = self._admissions.get(identity.digest) or self._admit(identity)
        call.known_caller, call.partition, call.visibility = admission.caller, admission.partition, admission.visibility
        return admission

    async def _asked(self, call: Call, identity: Identity, admission: Admission) -> Answer:
        try:
            told = await self._kit.counters.ask(admission.counting.question)
        except CountersAway as error:
            return await self._uncounted(call, identity, admission, error)
        kept = self._kept(call, identity, admission, told)
        return kept or await self._go_on(call, identity, admission, admission.counting, told)

    async def _uncounted(self, call: Call, identity: Identity, admission: Admission, error: CountersAway) -> Answer:
        call.course = self._course(call, admission)
        told = self._alone(admission, error)
        return await self._go_on(call, identity, admission, admission.alone, told)

    def _kept(self, call: Call, identity: Identity, admission: Admission, told: Told) -> Answer | None:
        """Return the kept answer where nothing else is to be said or done: what most calls of a busy caller get."""
        if (
            admission.finds is None
            or not admission.is_plain
            or self.beside is not None
            or told.refused_by is not None
            or told.ticket
            or not self._standing.holds(told.generations[:STANDING])
            or self._kit.verifier.is_denied(identity)
        ):
            return None
        call.generations = told.generations[STANDING:]
        found = admission.finds.find(call, self._kit, admission.rest)
        if found is None:
            return None
        admission.use()
        return admission.counting.told(found, told)

    async def _go_on(
        self, call: Call, identity: Identity, admission: Admission, counting: Counting, told: Told
    ) -> Answer:
        """Return the answer to whoever was counted, whatever has to be said, done or waited for."""
        comparison = None
        call.course = self._course(call, admission)
        try:
            if not self._standing.holds(told.generations[:STANDING]):
                await self._follow(told.generations)
            if self._kit.verifier.is_denied(identity):
                call.course = None  # From now on this is a stranger, who learns nothing.
                raise not_accepted()
            call.generations = told.generations[STANDING:] or None
            admission.use()
            by = told.refused_by
            refused = admission.refusal if by is None else self._used_up(call, admission, counting, by, told.wait_s)
            if refused is None and admission.course is not None:
                refused = await refusal_at(call, admission.course, self._kit)
            if self.beside is not None and counting is admission.counting:
                comparison = self.beside.begin(call, identity, admission, told, refused)
            if refused:
                answer = self._kit.problem(call, refused)
            else:
                finds = admission.finds if call.looked is None else None  # Once: nothing has come since.
                found = finds.find(call, self._kit, admission.rest) if finds else None
                answer = found or await self._admitted(call, admission)
        finally:  # Whatever ends the call, its places are somebody else's then.
            if told.ticket:
                counters = self._kit.counters if counting is admission.counting else self._kit.alone
                counters.leave(counting.question.places, told.ticket)
            if comparison:
                comparison.end()
        return counting.told(answer, told)

    def _used_up(self, call: Call, admission: Admission, counting: Counting, by: int, wait_s: float) -> Refused:
        """Return the refusal by a row; who comes before it says is told so again, and not written down again."""
        refused, now, before = used_up(wait_s, counting.rows[by].label), self._kit.now(), admission.refused
        if before and before.row is counting.rows[by] and now < before.until:
            call.repeat(before.decision_id)
        else:
            until = now + timedelta(seconds=refused.retry_after_s or 0)
            admission.refused = RefusedUntil(counting.rows[by], until, call.decision_id)
        return refused

    async def _follow(self, generations: tuple[int, ...]) -> None:
        """Return once what stands for all calls is known again, as far as anybody can tell; raises Unavailable."""
        if generations:
            await self._standing.follow(generations[:STANDING])
        else:
            await self._standing.look()

    async def _admitted(self, call: Call, admission: Admission) -> Answer:
        try:
            if not self.operation.is_safe:
                self._pressure.check()  # Before its body is read and its key noted; the framework would not get it.
                if self._audit:
                    await self._kit.auditor.ready()
            if admission.course is not None:
                await check_body(call, admission.course, self._kit)
            return await admission.rest(call)
        except ApiError as error:
            return self._kit.problem(call, error)

    def _course(self, call: Call, admission: Admission) -> Course | None:
        """Return what every answer tells its caller, whatever else is decided."""
        return self.course_at(call) if self.course_at else admission.course

    def admission_of(self, identity: Identity) -> Admission:
        """Return what is decided for the caller, the same whether they call or only ask."""
        return self._admissions.get(identity.digest) or self._admit(identity)

    def _admit(self, identity: Identity) -> Admission:
        """Return what was decided for the caller; a token that was renewed changes nothing of it."""
        if len(self._admissions) >= REMEMBERED:
            self._admissions.clear()
            self._decided.clear()
        who = identity.issuer, identity.audiences, identity.caller
        admission = self._decided.get(who) or Admission(identity, self.plan, self._policies, self._kit, self._end)
        self._decided[who] = self._admissions[identity.digest] = admission
        return admission

    def _alone(self, admission: Admission, error: CountersAway) -> Told:
        """Return what this process says by itself while the shared counters are away; raises Unavailable."""
        self._kit.metrics.count(COUNTERS_AWAY)
        if admission.closed:
            raise nobody_counts() from error
        return self._kit.alone.ask_now(admission.alone.question)._replace(generations=())


def bearer_or_none(call: Call) -> bytes | None:
    """Return the token where it stands as nearly all do; None where somebody has to look more closely."""
    field = call.fields.get(b"authorization")
    if field is None or field[:7] != b"Bearer " or b"," in field or b"access_token" in call.scope["query_string"]:
        return None
    return field[7:]
