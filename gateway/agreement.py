"""Whether what was found is what was wanted: field by field, and told so that a person can look."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import UNSET, Struct

from openapi.common.types import Code, Violation


class Difference(Struct, frozen=True, kw_only=True):
    """One field in which the other system's document is not what was wanted."""

    field: str
    expected: str
    actual: str

    def violation(self, system: str) -> Violation:
        """Return it as a problem names it."""
        return Violation(
            code=Code.upstream_conflict_stale,
            pointer=f"#/{self.field}",
            detail="The other system has another value.",
            expected=self.expected,
            actual=self.actual,
            system=system,
        )


def agreeing(wanted: Struct, *fields: str) -> Callable[[object], list[Difference]]:
    """Return the comparison of a document with `wanted` in the fields named; what `wanted` leaves out is not asked."""

    def differences(found: object) -> list[Difference]:
        pairs = ((field, getattr(wanted, field), getattr(found, field)) for field in fields)
        return [
            Difference(field=field, expected=_text(expected), actual=_text(actual))
            for field, expected, actual in pairs
            if expected is not UNSET and _plain(field, expected) != _plain(field, actual)
        ]

    return differences


def _plain(field: str, value: object) -> object:
    """Return the value as it is compared; a field without a row in PLAIN is compared as it is."""
    return PLAIN[field](value) if isinstance(value, str) and field in PLAIN else value


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _compact(text: str) -> str:
    return "".join(filter(str.isalnum, text)).upper()


PLAIN: Final[Mapping[str, Callable[[str], str]]] = {
    "name": _folded,  # Some vendors trim, some write capitals.
    "code": _folded,
    "tax_id": _compact,  # A contract's tax id may have blanks, dots and hyphens; they do not count.
}


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
