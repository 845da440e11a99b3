"""Who may call: the ways to authenticate, and the scopes that are asked for."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.contract.compatibility.kinds import Kind
from gateway.contract.compatibility.nodes import Spot, text_of
from gateway.contract.compatibility.notes import Notes
from gateway.contract.compatibility.served import Served
from gateway.contract.compatibility.shapes import WORDS

FURTHER: Final = "x-further-scopes"
JUDGED: Final = frozenset({FURTHER, "x-public"})
Way = Mapping[str, list[str]]
"""Schemes with their scopes, all of which are needed."""


def compare(notes: Notes, old: Served, new: Served) -> None:
    """Note down what changed for one operation."""
    before, after = _ways(old), _ways(new)
    pointer = new.spot.at("security").pointer
    if len(before) == len(after) == 1 and before[0].keys() == after[0].keys():
        _scopes(notes, old.name, pointer, before[0], after[0])
    elif not all(any(_suffices(way, other) for other in after) for way in before):
        is_closed = any(not way for way in before)
        kind = Kind.operation_closed if is_closed else Kind.operation_security_tightened
        notes.add(kind, old.name, pointer)
    elif not all(any(_suffices(way, other) for other in before) for way in after):
        is_opened = any(not way for way in after)
        notes.add(Kind.operation_opened if is_opened else Kind.operation_security_loosened, old.name, pointer)
    _further(notes, old, new)


def compare_schemes(notes: Notes, old: Spot, new: Spot) -> None:
    """Note down security schemes that are not what they were; new ones matter where an operation names them."""
    after = new.at("components", "securitySchemes")
    for name, scheme in old.at("components", "securitySchemes").items().items():
        if text_of(scheme, WORDS) != text_of(after.at(name), WORDS):
            notes.add(Kind.contract_scheme_changed, None, after.at(name).pointer, what=name)


def _ways(served: Served) -> list[Way]:
    """Return the ways of which one is enough; a public operation has the empty one."""
    ways: Any = served.spot.get("security", served.document.get("security"))
    return ways or [{}]


def _suffices(has: Way, asked: Way) -> bool:
    """Tell whether who can authenticate in one way can do so in another."""
    return all(name in has and set(scopes) <= set(has[name]) for name, scopes in asked.items())


def _scopes(notes: Notes, operation: str, pointer: str, old: Way, new: Way) -> None:
    before, after = ({scope for scopes in way.values() for scope in scopes} for way in (old, new))
    for scope in sorted(after - before):
        notes.add(Kind.operation_scope_added, operation, pointer, what=scope)
    for scope in sorted(before - after):
        notes.add(Kind.operation_scope_removed, operation, pointer, what=scope)


def _further(notes: Notes, old: Served, new: Served) -> None:
    before, after = set(old.spot.get(FURTHER, ())), set(new.spot.get(FURTHER, ()))
    pointer = new.spot.at(FURTHER).pointer
    for scope in sorted(after - before):
        notes.add(Kind.operation_further_scope_added, old.name, pointer, what=scope)
    for scope in sorted(before - after):
        notes.add(Kind.operation_further_scope_removed, old.name, pointer, what=scope)
