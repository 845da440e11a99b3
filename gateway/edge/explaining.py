"""What would happen to a call, without making it: the plan, the caller and the counters that decide calls are asked."""

from collections.abc import Sequence
from math import ceil
from typing import Final, NoReturn

from msgspec import Struct, structs

from gateway.caller import Caller
from gateway.counters import CountersAway, Told, peek_at
from gateway.edge.admission import Admission, Counting
from gateway.edge.application import Edge
from gateway.edge.ending import refusal_at
from gateway.edge.governed import PAGE, Governed
from gateway.edge.limits import check_address
from gateway.edge.strangers import nobody_counts, used_up
from gateway.edge.way import Way
from gateway.errors import ApiError
from gateway.identity import Identity
from gateway.identity.rules import rule_of
from gateway.policy.call import Call
from gateway.policy.explain import BEFORE, LIFECYCLE, Case, Decides, Decision, decided, decided_for_stranger
from gateway.policy.kinds.authenticate import bearer_token
from gateway.policy.kinds.base import Policy
from gateway.policy.operation import UNMATCHED
from gateway.problems import catalogue
from openapi.common.types import Code

UNCOUNTED: Final = "Nobody can count just now; the row lets calls go on then."


class Asked(Struct, frozen=True, kw_only=True):
    """The call that is asked about. Nothing of it is kept; `token` least of all."""

    method: str
    target: str
    """Path and query, as the request line has them."""
    token: str


class Outcome(Struct, frozen=True, kw_only=True):
    """How the call ends at the edge; without a status where it gets through."""

    status: int | None = None
    code: Code | None = None
    detail: str


class Explanation(Struct, frozen=True, kw_only=True):
    """What every row decides, and what comes of it."""

    operation: str
    policy_set: str | None
    caller: Caller | None = None
    decisions: list[Decision] = []
    outcome: Outcome


class Explainer:
    """Explains calls as this process would answer them just now."""

    def __init__(self, edge: Edge, *, counted: bool = True) -> None:
        self._kit, self._governed, self._counted = edge.kit, edge.governed, counted

    async def explain(self, asked: Asked) -> Explanation:
        """Return the explanation; where nobody is `counted`, limits are told without what is left of them."""
        call = _call_of(asked)
        try:
            check_address(call.scope["raw_path"], call.query)
            found = self._governed.way_of(call.scope["method"], call.scope["raw_path"])
        except ApiError as error:
            return self._told(PAGE.name, _refused(error))
        if found is None or found[1].operation.public:
            return self._open(found[1] if found else None)
        call.path, way = found
        call.operation = way.operation
        return await self._governed_call(call, way)

    def _open(self, way: Way | None) -> Explanation:
        refused = way.course.refusal(self._kit.now()) if way and way.course else None
        outcome = _refused(refused) if refused else Outcome(detail="It is open to everybody.")
        return self._told(way.operation.place if way else PAGE.name, outcome)

    async def _governed_call(self, call: Call, way: Way) -> Explanation:
        place = way.operation.place
        try:
            identity = await self._identity(call)
        except ApiError as error:
            return self._told(place, _refused(error), decided_for_stranger(way.plan, _why(error)))
        admission = way.admission_of(identity)
        call.known_caller = admission.caller
        life, ended = await self._life(call, admission)
        decisions = decided(_case(identity, admission, way, self._governed, life))
        refusal: ApiError | None = None
        if self._counted:
            decisions, refusal = await self._with_counts(admission, decisions)
        refusal = refusal or admission.refusal or ended
        outcome = _refused(refusal) if refusal else await self._ended(call)
        return self._told(place, outcome, decisions, admission.caller)

    async def _life(self, call: Call, admission: Admission) -> tuple[Decision | None, ApiError | None]:
        """Return what the life of the version decides, and its refusal; a body that nobody sees decides nothing."""
        course = admission.course
        if course is None:
            return None, None
        try:
            refused: ApiError | None = await refusal_at(call, course, self._kit)
        except ApiError as error:
            refused = error
        file = self._governed.policies.file_of(course.contract, course.decided_by(refused))
        decides, why = (Decides.refuses, refused.detail) if refused else (Decides.admits, course.standing)
        return Decision(kind=LIFECYCLE, row=None, file=file, decides=decides, why=why), refused

    async def _identity(self, call: Call) -> Identity:
        token = bearer_token(call)
        return self._kit.verifier.remembered(token) or await self._kit.verifier.verify(token)

    async def _with_counts(
        self, admission: Admission, decisions: Sequence[Decision]
    ) -> tuple[list[Decision], ApiError | None]:
        """Return the decisions with what is left of limits, and the refusal of one that is used up."""
        counting = admission.counting
        peek = peek_at(counting.question)
        try:
            told = await self._kit.counters.ask(peek)
        except CountersAway:
            if admission.closed:
                return _uncounted(decisions, counting), nobody_counts()
            counting = admission.alone
            told = self._kit.alone.ask_now(peek_at(counting.question))
            decisions = _uncounted(decisions, admission.counting)
        by = told.refused_by if told.refused_by is not None and told.refused_by < len(counting.rows) else None
        refusal = None if by is None else used_up(told.wait_s, counting.rows[by].label)
        refusing = counting.rows[by] if by is not None else None
        return _counted(decisions, counting, told, refusing, refusal), refusal

    async def _ended(self, call: Call) -> Outcome:
        """Return how a call ends that no row refuses."""
        if call.operation is not UNMATCHED:
            return Outcome(detail="The operation answers.")
        call.course = self._governed.course_at(call)
        try:
            answer = await self._governed.nothing_here(call)
        except ApiError as error:
            return _refused(error)
        code = None if answer.status < 400 else Code.request_method_not_allowed  # noqa: PLR2004 — an error.
        return Outcome(status=answer.status, code=code, detail="`Allow` names the methods that there are.")

    def _told(
        self, operation: str, outcome: Outcome, decisions: Sequence[Decision] = (), caller: Caller | None = None
    ) -> Explanation:
        return Explanation(
            operation=operation,
            policy_set=self._governed.policies.id,
            caller=caller,
            decisions=list(decisions),
            outcome=outcome,
        )


def _call_of(asked: Asked) -> Call:
    path, _, query = asked.target.partition("?")
    scope = {
        "type": "http",
        "method": asked.method,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [(b"authorization", b"Bearer " + asked.token.encode("latin-1"))],
    }
    return Call(PAGE, scope, _nothing_to_read)


async def _nothing_to_read(_call: Call) -> NoReturn:
    raise RuntimeError("A call that is only explained has no body.")


def _case(identity: Identity, admission: Admission, way: Way, governed: Governed, life: Decision | None) -> Case:
    return Case(
        identity=identity,
        caller=admission.caller,
        consumer=admission.consumer,
        refusal=admission.refusal,
        counted=admission.counting.rows,
        plan=way.plan,
        consumers=governed.policies.consumers,
        life=life,
    )


def _refused(error: ApiError) -> Outcome:
    return Outcome(status=catalogue()[error.code].status, code=error.code, detail=error.detail)


def _why(error: ApiError) -> str:
    """Return why a token is not accepted: the rule that it breaks, which its sender is never told."""
    return rule_of(error.__cause__) if error.code is Code.auth_invalid_token else error.detail


def _uncounted(decisions: Sequence[Decision], counting: Counting) -> list[Decision]:
    """Return the decisions while the shared counters are away: a row that wants nothing to go on then refuses."""
    away = {id(row): row.when_unavailable for row in counting.rows}
    told = {
        "refuse": (Decides.refuses, "Nobody can count just now; the row wants no call to go on then."),
        "allow": (Decides.counts, UNCOUNTED),
        "count_alone": (Decides.counts, "This process counts by itself just now."),
    }
    found = []
    for decision in decisions:
        says = away.get(id(_policy(decision)))
        found.append(
            structs.replace(decision, decides=told[says][0], why=f"{decision.why} {told[says][1]}")
            if says
            else decision
        )
    return found


def _counted(
    decisions: Sequence[Decision], counting: Counting, told: Told, refusing: Policy | None, refusal: ApiError | None
) -> list[Decision]:
    """Return the decisions with what is left, and what is not reached where a limit refuses."""
    left = {id(row): numbers for row, *numbers in zip(counting.rows, told.left, told.full_in_s, strict=False)}
    found = []
    for decision in decisions:
        policy = _policy(decision)
        changes: dict[str, object] = {}
        if id(policy) in left:
            changes = {"left": int(left[id(policy)][0]), "full_in_s": ceil(left[id(policy)][1])}
        if refusal and policy is refusing:
            changes |= {"decides": Decides.refuses, "why": f"{decision.why} {refusal.detail}"}
        elif refusal and (decision.decides is Decides.keeps or decision.kind == LIFECYCLE):
            changes = {"decides": Decides.not_reached, "why": BEFORE}
        found.append(structs.replace(decision, **changes))
    return found


def _policy(decision: Decision) -> Policy | None:
    return decision.row.policy if decision.row else None
