"""A kept body that is served after its time says so itself, where its contract has a field for that."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

EVERY: Final = "*"
"""In a path: every item of a list."""


def marked_stale(body: bytes, places: Sequence[str]) -> bytes:
    """Return the body with `true` at each of the places, such as `stale` or `items/*/stale`."""
    document = msgspec.json.decode(body)
    for place in places:
        _mark(document, place.split("/"))
    return msgspec.json.encode(document)


def _mark(document: Any, path: list[str]) -> None:  # noqa: ANN401 - a document is anything.
    if path[0] == EVERY:
        for item in document if isinstance(document, list) else ():
            _mark(item, path[1:])
    elif isinstance(document, dict) and path[0] in document:
        if len(path) == 1:
            document[path[0]] = True
        else:
            _mark(document[path[0]], path[1:])
