"""Lines `name: value` in a free text: where Tryton carries what it has no field for.

The lines begin with `key:` and end at a blank line; what people write above and below them stays theirs.
"""

from collections.abc import Mapping
from typing import Final

from system_apis.connectors.tryton.wire import Domain, escaped

KEY: Final = "key"


def written(**marks: str | None) -> str:
    """Return the lines; a mark without a value has none. A name that breaks lines does not make another mark."""
    return "\n".join(f"{name}: {' '.join(value.split())}" for name, value in marks.items() if value is not None)


def read(text: str | None) -> Mapping[str, str]:
    """Return the marks of a text, none where it has no `key:` line; the first of a name is the one that counts."""
    lines = (text or "").replace("\r", "").split("\n")
    start = next((place for place, line in enumerate(lines) if line.startswith(f"{KEY}: ")), len(lines))
    marks: dict[str, str] = {}
    for line in lines[start:]:
        name, colon, value = line.partition(": ")
        if not line.strip():
            break
        if colon:
            marks.setdefault(name, value)
    return marks


def key_of(text: str | None) -> str | None:
    """Return the business key that the text carries, or None."""
    return read(text).get(KEY)


def clause(field: str, business_key: str) -> Domain:
    """Return what finds the key in a text; it may find more, so that `key_of` has the last word."""
    return [field, "like", f"%{KEY}: {escaped(business_key)}%"]
