"""What a typed JSON decoder lets pass and we do not: duplicate keys, NUL characters, depth. Cheap when all is well."""

import json
import re

import msgspec

MAX_DEPTH = 64

# An escape of NUL: the backslash before `u` is not itself escaped.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# A text that does not end reaches to the end: to look for its end from each of its quotes would take minutes.
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_SQUARE = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_OPENS = ord("[")


def too_deep(body: bytes) -> bool:
    """Tell whether the document nests more than MAX_DEPTH levels; whether its brackets match is not asked."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _TEXT.sub(b"", body).translate(_SQUARE, _NOT_BRACKETS):
        depth = depth + 1 if bracket == _OPENS else max(depth - 1, 0)
        if depth > MAX_DEPTH:
            return True
    return False


def has_nul(body: bytes) -> bool:
    """Tell whether a text holds an escaped U+0000, which databases refuse; a raw one is not JSON."""
    return b"\\u0000" in body and _NUL.search(body) is not None


def may_repeat(body: bytes, decoded: object) -> bool:
    """Tell whether an object may name a key twice: then fewer quotes come out of the type than went in.

    That goes for types that fill in no defaults; fields unknown to the type make it say "may" as well.
    """
    return _quotes(msgspec.json.encode(decoded)) != _quotes(body)


def repeated_key(body: bytes) -> str | None:
    """Return a key that an object names twice, or None; reads the whole text again."""
    try:
        json.loads(body, object_pairs_hook=_unique)
    except _Repeated as repeated:
        return repeated.name
    return None


def _quotes(text: bytes) -> int:
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    return text.count(b'"')


class _Repeated(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise _Repeated(name)
        found[name] = value
    return found
