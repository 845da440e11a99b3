"""What a call that two sets of policies both let through, or both refuse, gets otherwise from them, in words. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, TypeVar

from msgspec import Struct

from gateway.caller import Caller, Claim
from gateway.lifecycle import Course
from gateway.lifecycle.course import said
from gateway.policy.kinds.audit import Audit
from gateway.policy.kinds.base import Policy
from gateway.policy.kinds.cache import Cache
from gateway.policy.kinds.idempotency import Idempotency
from gateway.policy.operation import Operation

P = TypeVar("P", bound=Policy)
BESIDE: Final = frozenset({"match", "fresh_s", "when_unavailable"})
"""Fields of a cache row that are said anyway, or say nothing while somebody can tell what changed."""

Pair = tuple[str, str]
"""What a call gets, and what it would get; both empty where it is the same."""


class Side(Struct, frozen=True, kw_only=True):
    """A caller as one of the sets has narrowed it, and the rows that it chose for them."""

    caller: Caller
    policies: Sequence[Policy]
    course: Course | None
    """What is told of the version's life; None where nothing of it goes."""


def passing(live: Side, candidate: Side, operation: Operation) -> Pair:
    """Return how an answer of the operation would be kept, repeated, shown, told and written down otherwise."""
    found = [*_kept(live, candidate), *_repeated(live, candidate), *_view(live, candidate, operation)]
    found += _told(live, candidate)
    if not operation.is_safe:
        found += _audited(live, candidate)
    return _joined(found)


def refused(live: Side, candidate: Side) -> Pair:
    """Return what would be otherwise about a refusal that both pronounce."""
    return _joined([*_audited(live, candidate)])


def _joined(pairs: Sequence[Pair]) -> Pair:
    return "; ".join(pair[0] for pair in pairs), "; ".join(pair[1] for pair in pairs)


def _kept(live: Side, candidate: Side) -> Iterator[Pair]:
    rows = _row(live, Cache), _row(candidate, Cache)
    named = [name for name in Cache.__struct_fields__ if name not in BESIDE and _differ(*rows, name)]
    words = _kept_words(rows[0], named), _kept_words(rows[1], named)
    if words[0] != words[1]:
        yield words


def _differ(one: Policy | None, other: Policy | None, name: str) -> bool:
    return one is not None and other is not None and getattr(one, name) != getattr(other, name)


def _kept_words(row: Cache | None, named: Sequence[str]) -> str:
    if row is None:
        return "not kept"
    return ", ".join([f"kept {row.fresh_s} s", *(f"{name} {_said(getattr(row, name))}" for name in named)])


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _repeated(live: Side, candidate: Side) -> Iterator[Pair]:
    rows = _row(live, Idempotency), _row(candidate, Idempotency)
    if _differ(*rows, "keep_days"):
        yield _days(rows[0]), _days(rows[1])


def _days(row: Idempotency | None) -> str:
    return f"Idempotency-Key for {row.keep_days} days" if row else ""


def _view(live: Side, candidate: Side, operation: Operation) -> Iterator[Pair]:
    """Yield what the caller would be shown otherwise: by scopes that are not needed, and by legal entities."""
    further = operation.further_scopes
    for name, has, would in (
        ("scopes", live.caller.scopes & further, candidate.caller.scopes & further),
        ("legal entities", live.caller.legal_entities, candidate.caller.legal_entities),
    ):
        if has != would:
            yield f"{name} {_listed(has)}", f"{name} {_listed(would)}"


def _listed(claim: Claim) -> str:
    return "*" if claim == "*" else " ".join(sorted(claim)) or "none"


def _told(live: Side, candidate: Side) -> Iterator[Pair]:
    """Yield the dates of the version's life that answers tell."""
    for name, field in (("deprecated", "deprecated_at"), ("sunset", "sunset_at")):
        at, then = (getattr(side.course, field, None) for side in (live, candidate))
        if at != then:
            yield _dated(name, at), _dated(name, then)


def _dated(name: str, moment: datetime | None) -> str:
    return f"{name} {said(moment)}" if moment else f"not {name}"


def _audited(live: Side, candidate: Side) -> Iterator[Pair]:
    rows = _row(live, Audit), _row(candidate, Audit)
    if (rows[0] is None) != (rows[1] is None):
        yield _written(rows[0]), _written(rows[1])


def _written(row: Audit | None) -> str:
    return "written down" if row else "not written down"


def _row(side: Side, kind: type[P]) -> P | None:
    return next((policy for policy in side.policies if isinstance(policy, kind)), None)
