"""Why a call goes on or does not, row by row. Pure: the rows are asked by the very functions that decide calls."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, structs

from gateway.caller import Caller, Claim
from gateway.errors import Refused
from gateway.identity import Identity
from gateway.policy.consumers import Consumers, KnownConsumer
from gateway.policy.document import Row
from gateway.policy.kinds.audit import Audit
from gateway.policy.kinds.authenticate import Authenticate
from gateway.policy.kinds.authorize import Authorize
from gateway.policy.kinds.base import Policy
from gateway.policy.kinds.cache import Cache
from gateway.policy.kinds.concurrency import Concurrency
from gateway.policy.kinds.consumer import Consumer
from gateway.policy.kinds.counted import Counted
from gateway.policy.kinds.idempotency import Idempotency
from gateway.policy.kinds.rate_limit import RateLimit
from gateway.policy.plan import Plan

BEFORE: Final = "The call is refused before."
STRANGERS: Final = "address"
LIFECYCLE: Final = "lifecycle"
"""Stands where a kind would, for what the life of a version decides."""


class Decides(StrEnum):
    """What a row does to a call."""

    admits = "admits"
    refuses = "refuses"
    counts = "counts"
    keeps = "keeps"
    passes = "passes"
    not_reached = "not_reached"
    overridden = "overridden"


class Decision(Struct, frozen=True, kw_only=True):
    """One row's."""

    kind: str
    row: Row | None
    """None where no row is for the call."""
    file: str | None = None
    """Where it is written, if that is no row: the life of a version."""
    decides: Decides
    why: str
    left: int | None = None
    """Of a limit, what is left before the call."""
    full_in_s: int | None = None


class Case(Struct, frozen=True, kw_only=True):
    """A known caller at an operation, and what was decided for both."""

    identity: Identity
    caller: Caller
    """As the consumer's row has narrowed it."""
    consumer: KnownConsumer | None
    refusal: Refused | None
    counted: Sequence[Policy]
    """The rows that count the call, whether or not it is refused."""
    plan: Plan
    consumers: Consumers
    life: Decision | None = None
    """What the life of the version decides, where something goes."""

    @property
    def tier(self) -> str:
        """Return the caller's tier, empty for a client that nobody knows."""
        return self.consumer.policy.tier if self.consumer else ""


def decided(case: Case) -> list[Decision]:
    """Return what each row decides, in the order in which they meet the call; what a row overrides follows it."""
    found, refused, life = list[Decision](), False, case.life
    for row, overridden in _steps(case):
        if life and row and _effect(row.policy) is Decides.keeps:  # Before anything that was kept is given out.
            found.append(not_reached(life) if refused else life)
            refused, life = refused or life.decides is Decides.refuses, None
        decision = _after_refusal(case, row) if refused else _of(case, row)
        refused = refused or decision.decides is Decides.refuses
        found += [decision, *(_overridden(one, by=row) for one in overridden)]
    if life:
        found.append(not_reached(life) if refused else life)
    return found


def not_reached(decision: Decision) -> Decision:
    """Return what stands for a decision that a refusal came before."""
    return structs.replace(decision, decides=Decides.not_reached, why=BEFORE)


def decided_for_stranger(plan: Plan, why: str) -> list[Decision]:
    """Return what each row decides on a token that is not accepted, of which only `authenticate` can say why."""
    return [_of_stranger(row, why) for row in plan.chosen()]


def narrowed_by(consumer: Consumer, caller: Caller) -> str:
    """Return in words what the row takes away from a caller's token; empty where it is nothing."""
    kept = consumer.narrowed(caller)
    parts = [f"without the scopes {_listed(caller.scopes - kept.scopes)}"] if caller.scopes != kept.scopes else []
    if caller.legal_entities != kept.legal_entities:
        parts.append(f"limited to the legal entities {_listed(kept.legal_entities)}")
    return "; ".join(parts)


def _steps(case: Case) -> Iterator[tuple[Row | None, Sequence[Row]]]:
    """Yield the rows that hold, each with those that it overrides; the consumer's stands behind `authenticate`."""
    client_id, tier = case.caller.client_id, case.tier
    lost = case.plan.overridden(client_id, tier)
    before = True
    for row in case.plan.chosen(client_id, tier):
        if before and not row.policy.before_caller:
            yield _consumer(case)
            before = False
        yield row, [one for one, by in lost if by is row]
    if before:
        yield _consumer(case)


def _consumer(case: Case) -> tuple[Row | None, Sequence[Row]]:
    own = case.consumer.row if case.consumer else None
    matching = case.consumers.matching(case.identity.caller.client_id, case.identity.issuer)
    return own, [one.row for one in matching if one.row is not own]


def _of(case: Case, row: Row | None) -> Decision:
    if row is None:
        return Decision(
            kind="consumer", row=None, decides=Decides.refuses, why=case.refusal.detail if case.refusal else ""
        )
    policy = row.policy
    refused = policy.accepts(case.identity) if isinstance(policy, Authenticate) else None
    refused = refused or policy.judge(case.caller, case.plan.operation)
    if refused:
        return _decision(row, Decides.refuses, refused.detail)
    return _decision(row, _effect(policy), _words(policy, case))


def _after_refusal(case: Case, row: Row | None) -> Decision:
    if row and isinstance(row.policy, Counted) and row.policy.per == STRANGERS:
        return _of(case, row)  # It was asked when the token was, before all others.
    if row and any(row.policy is one for one in case.counted):
        return _decision(row, Decides.counts, f"{_words(row.policy, case)} A call that is refused is counted too.")
    return Decision(kind=row.policy.kind if row else "consumer", row=row, decides=Decides.not_reached, why=BEFORE)


def _of_stranger(row: Row, why: str) -> Decision:
    policy = row.policy
    if isinstance(policy, Authenticate):
        return _decision(row, Decides.refuses, why)
    if isinstance(policy, Counted) and policy.per == STRANGERS:
        return _decision(row, Decides.counts, "Each such try counts for the network address that it comes from.")
    if isinstance(policy, Audit):
        return _decision(row, Decides.passes, WORDS[Audit](policy, None))
    return _decision(row, Decides.not_reached, BEFORE)


def _overridden(row: Row, *, by: Row | None) -> Decision:
    return _decision(row, Decides.overridden, f"{by.where} is more specific, or comes later." if by else BEFORE)


def _decision(row: Row, decides: Decides, why: str) -> Decision:
    return Decision(kind=row.policy.kind, row=row, decides=decides, why=why)


def _effect(policy: Policy) -> Decides:
    if isinstance(policy, Counted):
        return Decides.passes if policy.per == STRANGERS else Decides.counts
    if policy.finds() or policy.stands_around():
        return Decides.keeps
    judges = isinstance(policy, Authenticate) or type(policy).judge is not Policy.judge
    return Decides.admits if judges else Decides.passes


def _words(policy: Policy, case: Case) -> str:
    """Return what the row does, in words; a kind without any says what its documentation begins with."""
    if isinstance(policy, Counted) and policy.per == STRANGERS:
        return "It counts tries without a token that is accepted; this one is."
    words = WORDS.get(type(policy))
    return words(policy, case) if words else (type(policy).__doc__ or "").partition("\n")[0]


def _of_consumer(policy: Any, case: Case) -> str:  # noqa: ANN401 — a Consumer
    less = narrowed_by(policy, case.identity.caller)
    known = f"{case.caller.client_id} is known: tier {policy.tier}, {policy.owner} answers for it."
    return f"{known} The token counts {less}." if less else known


def _of_rate_limit(policy: Any, case: Case) -> str:  # noqa: ANN401 — a RateLimit
    operation = case.plan.operation
    whose, cost = policy.whose(case.caller, case.tier, operation), policy.cost(operation)
    return f"{policy.limit} calls in {policy.window_s} s for {policy.per} {whose}; this one counts {cost}."


def _of_concurrency(policy: Any, case: Case) -> str:  # noqa: ANN401 — a Concurrency
    whose = policy.whose(case.caller, case.tier, case.plan.operation)
    return f"At most {policy.most} calls under way for {policy.per} {whose}."


def _listed(claim: Claim) -> str:
    return "*" if claim == "*" else ", ".join(sorted(claim)) or "none"


WORDS: Final[Mapping[type[Policy], Callable[[Any, Any], str]]] = {
    Audit: lambda _policy, _case: "Writes and refusals are written down; reads are counted.",
    Authenticate: lambda policy, _case: f"The token is for {policy.audience}, of an issuer that the row names.",
    Authorize: lambda _policy, case: (
        f"The token carries what the contract asks for: {_listed(case.plan.operation.scopes)}."
    ),
    Consumer: _of_consumer,
    RateLimit: _of_rate_limit,
    Concurrency: _of_concurrency,
    Idempotency: lambda policy, _case: f"The first answer to an Idempotency-Key is kept for {policy.keep_days} days.",
    Cache: lambda policy, _case: f"An answer may be repeated for {policy.fresh_s} s.",
}
