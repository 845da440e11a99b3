"""The kind `audit`: what is written down of a call. Never a body, a token or a query: those may hold secrets."""

from typing import Final

from msgspec import DecodeError, Struct, json

from gateway.policy.call import Answer, Call
from gateway.policy.kinds.base import Kit, Policy
from gateway.store.audit import Entry

REFUSED: Final = 400


class Audit(Policy, tag="audit", frozen=True, kw_only=True):
    """A row for each write and each refusal, there before the answer is; reads are counted."""

    @property
    def before_caller(self) -> bool:
        """Tell that strangers are written down too."""
        return True

    async def note(self, call: Call, kit: Kit, answer: Answer) -> None:
        """Write the call down."""
        await kit.auditor.record(_entry(call, answer))


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
        method=call.scope["method"],
        path=call.path,
        status=answer.status,
        code=problem.code,
        outcome=problem.outcome if answer.status >= REFUSED else "applied",
        correlation_id=call.correlation_id,
        address=None if caller else call.address,
    )


def _problem(answer: Answer) -> _Problem:
    if answer.status < REFUSED:
        return _Problem()
    try:
        return json.decode(answer.body, type=_Problem)
    except DecodeError:
        return _Problem()
