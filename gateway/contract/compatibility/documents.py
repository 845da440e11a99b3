"""The whole comparison: what concerns the contract itself, then each operation, then what none of them names."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.contract.compatibility import operations, security, unnamed
from gateway.contract.compatibility.change import Change
from gateway.contract.compatibility.kinds import Kind
from gateway.contract.compatibility.nodes import Spot, root, text_of
from gateway.contract.compatibility.notes import Notes

WORDS: Final = frozenset({"openapi", "info", "tags", "externalDocs"})
"""Read by people."""
ELSEWHERE: Final = frozenset({"security", "paths", "components", "servers"})
UNTOLD: Final = frozenset({"version"})
"""Another one with each release."""
OURS: Final = "x-released-"
"""What a frozen document says of itself."""


def changes_between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return what is not as it was, in the order of the older document; both are bundled (`Document.bundled`)."""
    notes = Notes()
    _contract(notes, root(old), root(new))
    security.compare_schemes(notes, root(old), root(new))
    operations.compare(notes, root(old), root(new))
    unnamed.compare(notes, root(old), root(new))
    return notes.changes


def _contract(notes: Notes, old: Spot, new: Spot) -> None:
    """Note down what is said of the contract as a whole."""
    for key in sorted({*old.items(), *new.items()} - ELSEWHERE):
        if text_of(old.at(key), UNTOLD) != text_of(new.at(key), UNTOLD):
            is_said = key in WORDS or key.startswith(OURS)
            kind = Kind.contract_words_changed if is_said else Kind.contract_keyword_changed
            notes.add(kind, None, new.at(key).pointer, what=f"`{key}`" if is_said else key)
