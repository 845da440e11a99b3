"""Media types, as requests name them in `Content-Type` and `Accept`."""

import re
from collections.abc import Iterable

from litestar.types import HTTPScope

JSON = "application/json"

_JSON_BODY = re.compile(r'application/json\s*(;\s*charset="?utf-8"?\s*)?', re.IGNORECASE)
_RANGES = ("*/*", "application/*", JSON)
"""What takes JSON in, the least specific first: the most specific range that was sent decides (RFC 9110 §12.5.1)."""


def header_values(scope: HTTPScope, name: bytes) -> list[str]:
    """Return the values of a header field, one for each time that it came."""
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key == name]


def is_json(content_type: str) -> bool:
    """Tell whether a body of the type is JSON in UTF-8."""
    return _JSON_BODY.fullmatch(content_type.strip()) is not None


def accepts_json(values: Iterable[str]) -> bool:
    """Tell whether `Accept` lets us answer JSON; without the field, or with an empty one, everything may come."""
    text = ",".join(values).strip()
    if not text or text in _RANGES:
        return True
    qualities = dict(_range(part) for part in text.lower().split(",") if part.strip())
    return next((qualities[name] > 0 for name in reversed(_RANGES) if name in qualities), False)


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.split(";"))
    quality = next((value for key, _, value in (each.partition("=") for each in parameters) if key.strip() == "q"), "1")
    try:
        return name, float(quality)
    except ValueError:
        return name, 0.0  # What cannot be read does not ask for anything.
