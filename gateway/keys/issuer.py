"""Whose tokens are accepted, and for how long their keys are trusted without being looked at again."""

from pathlib import Path
from typing import NamedTuple

from msgspec import Struct


class KeySetError(Exception):
    """An issuer's keys cannot be used; the text says where they lie and what to do."""


class KeyTimes(Struct, frozen=True, kw_only=True):
    """When keys that are fetched are fetched again."""

    fresh_at_least_s: float = 300.0
    fresh_at_most_s: float = 900.0
    """`Cache-Control: max-age` is honoured between the two; without one the keys are fresh for the shorter time."""
    stale_s: float = 3600.0
    """How long after that they are still used while the issuer cannot be asked; then its tokens are refused."""
    refetch_s: float = 30.0
    """At most once in so many seconds a key that is not there is a reason to fetch."""


class TrustedIssuer(Struct, frozen=True, kw_only=True):
    """The exact `iss`, the audience that names us, and where the keys lie: a file or an address, one of them."""

    issuer: str
    audience: str
    jwks_file: Path | None = None
    jwks_url: str | None = None
    times: KeyTimes = KeyTimes()

    @property
    def place(self) -> str:
        """Return where the keys lie, for people."""
        return str(self.jwks_file or self.jwks_url)


class KeyState(NamedTuple):
    """What is known of one issuer's keys just now."""

    issuer: str
    place: str
    kids: tuple[str, ...]
    age_s: float | None
    """Since they were read; None where they never were."""
    fault: str | None
    """Why the last try failed, in words."""
