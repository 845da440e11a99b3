"""The kind `audit`: what is written down of a call. Never a body, a token or a query: those may hold secrets."""

from msgspec import DecodeError, Struct, json

from gateway.errors import ApiError
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.kinds.base import Kit, Policy
from gateway.store.audit import Entry


class Audit(Policy, tag="audit", frozen=True, kw_only=True):
    """A row for each write and each refusal, there before the answer is; reads are counted."""

    async def apply(self, call: Call, kit: Kit, proceed: Proceed) -> Answer:
        """Return the answer, written down."""
        try:
            answer = await proceed(call)
        except ApiError as error:
            answer = kit.problem(call, error)
        if call.operation.is_safe and answer.status < 400:  # noqa: PLR2004 — from here on it is a refusal.
            kit.auditor.count_read(call.operation.place)
        else:
            await kit.auditor.record(_entry(call, answer))
        return answer


class _Problem(Struct):
    """What a refusal's row takes from its body."""

    code: str | None = None
    outcome: str = "none"


def _entry(call: Call, answer: Answer) -> Entry:
    problem = _problem(answer)
    caller = call.known_caller
    return Entry(
        id=call.decision_id,
        client_id=caller.client_id if caller else None,
        actor=caller.subject if caller else None,
        operation=call.operation.place,
        method=call.operation.method,
        path=call.path,
        status=answer.status,
        code=problem.code,
        outcome=problem.outcome if answer.status >= 400 else "applied",  # noqa: PLR2004
        correlation_id=call.correlation_id,
    )


def _problem(answer: Answer) -> _Problem:
    if answer.status < 400:  # noqa: PLR2004
        return _Problem()
    try:
        return json.decode(answer.body, type=_Problem)
    except DecodeError:
        return _Problem()
