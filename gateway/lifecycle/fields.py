"""Which of the fields that are to go a call uses. Pure: bodies and queries come as they were sent."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from gateway.json_pointer import unescaped

EVERY: Final = "*"
"""Stands in a pointer for every item of a list, and for every value of a map."""
REMEMBERED: Final = 64
"""Bodies of which it is remembered what they hold: the same ones are answered again and again from a cache."""
REMEMBERED_BYTES: Final = 16_384
"""No longer one is remembered."""


class Branch:
    """What pointers have in common from here on: the one that ends here, and the names that follow."""

    __slots__ = ("below", "pointer")

    def __init__(self) -> None:
        self.pointer: str | None = None
        self.below: dict[str, Branch] = {}

    def grow(self, pointer: str) -> None:
        """Take a pointer in."""
        branch = self
        for token in tokens_of(pointer):
            branch = branch.below.setdefault(token, Branch())
        branch.pointer = pointer

    def walk(self, node: object, found: set[str]) -> None:
        """Add the pointers that end below the node."""
        for token, branch in self.below.items():
            for value in _at(token, node):
                if branch.pointer is not None:
                    found.add(branch.pointer)
                branch.walk(value, found)


class Fields:
    """The fields of one body that are to go, by their pointers: `/lines/*/note`. A null counts, an absent one not."""

    def __init__(self, pointers: Iterable[str]) -> None:
        self.pointers = frozenset(pointers)
        self._root = Branch()
        for pointer in self.pointers:
            self._root.grow(pointer)
        self._remembered = lru_cache(REMEMBERED)(self._read)

    def inside(self, document: object) -> frozenset[str]:
        """Return the pointers of those that are in the document, whatever their value."""
        found: set[str] = set()
        self._root.walk(document, found)
        return frozenset(found)

    def inside_text(self, text: bytes) -> frozenset[str]:
        """Return the pointers of those that are in the JSON text; in what is no JSON, there are none."""
        if not text or not self.pointers:
            return frozenset()
        return self._remembered(text) if len(text) <= REMEMBERED_BYTES else self._read(text)

    def _read(self, text: bytes) -> frozenset[str]:
        try:
            return self.inside(msgspec.json.decode(text))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # Whoever takes the body tells its sender.
            return frozenset()


@lru_cache(maxsize=256)
def fields_of(pointers: frozenset[str]) -> Fields:
    """Return the same for the same pointers, since it remembers: many clients ask for those of one operation."""
    return Fields(pointers)


def parameters_in(query: bytes, names: frozenset[str]) -> frozenset[str]:
    """Return those of the names that the query has, also without a value."""
    if not query:
        return frozenset()
    return names.intersection(name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def tokens_of(pointer: str) -> list[str]:
    """Return the names in a JSON Pointer (RFC 6901), `*` among them; raises ValueError for what is none."""
    if not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is no JSON Pointer to a field: begin with a slash.")
    return [unescaped(token) for token in pointer[1:].split("/")]


def _at(token: str, node: object) -> Iterable[object]:
    """Return the values that a name means in the node: one, all of them, or none."""
    if isinstance(node, dict):
        if token == EVERY:
            return node.values()
        return (node[token],) if token in node else ()
    return node if isinstance(node, list) and token == EVERY else ()
