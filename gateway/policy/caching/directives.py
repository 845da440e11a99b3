"""Cache-Control (RFC 9111 §5.2): a field as its directives, and what a request asks by them."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

DIRECTIVE: Final = re.compile(rb'[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^",; \t]*)))?[ \t]*')
MOST_S: Final = 2**31
"""What a larger number of seconds is taken for (§1.2.2)."""


@lru_cache(maxsize=1_000)
def directives_of(field: bytes) -> Mapping[bytes, bytes | None]:
    """Return each directive by its name in lower case; of two of one name the first counts (§4.2.1)."""
    found: dict[bytes, bytes | None] = {}
    position = 0
    while position < len(field):
        match = DIRECTIVE.match(field, position)
        if match:
            name, quoted, plain = match.groups()
            found.setdefault(name.lower(), plain if quoted is None else quoted)
        comma = field.find(b",", match.end() if match else position)
        position = len(field) if comma < 0 else comma + 1
    return found


def seconds_of(value: bytes | None) -> int | None:
    """Return the number of seconds that a directive gives, or None where it gives none that can be read."""
    if value is None or not value.isdigit():
        return None
    return min(int(value[:12]), MOST_S)


class Wants(Struct, frozen=True, kw_only=True):
    """What a request asks of a cache. The wish of one who may not wish is not there."""

    no_store: bool = False
    no_cache: bool = False
    only_if_cached: bool = False
    max_age_s: int | None = None
    min_fresh_s: int = 0
    max_stale_s: int | None = None
    """None: nothing that is stale."""

    @property
    def anew(self) -> bool:
        """Tell whether nothing that is kept will do."""
        return self.no_cache or self.no_store

    def suits(self, age_s: float, fresh_s: float) -> bool:
        """Tell whether an answer of this age will do, which is fresh for so long."""
        if self.anew or (self.max_age_s is not None and age_s > self.max_age_s):
            return False
        if self.max_stale_s is not None:
            return age_s < fresh_s + self.max_stale_s
        return age_s < fresh_s and fresh_s - age_s >= self.min_fresh_s


NOTHING: Final = Wants()
"""What nearly every request asks."""


@lru_cache(maxsize=1_000)
def wants_of(field: bytes | None, *, may_refresh: bool) -> Wants:
    """Return what the request's Cache-Control asks; who may not refresh does not get past what is kept."""
    if field is None:
        return NOTHING
    found = directives_of(field)
    max_age_s = seconds_of(found.get(b"max-age")) if b"max-age" in found else None
    unreadable = b"max-age" in found and max_age_s is None
    return Wants(
        no_store=may_refresh and b"no-store" in found,
        no_cache=may_refresh and (b"no-cache" in found or unreadable),
        only_if_cached=b"only-if-cached" in found,
        max_age_s=max_age_s if may_refresh else None,
        min_fresh_s=(seconds_of(found.get(b"min-fresh")) or 0) if may_refresh else 0,
        max_stale_s=_max_stale(found),
    )


def forbids_keeping(field: bytes | None) -> bool:
    """Tell whether the request's Cache-Control says that nothing of the exchange is written down (§5.2.1.5)."""
    return field is not None and b"no-store" in directives_of(field)


def _max_stale(found: Mapping[bytes, bytes | None]) -> int | None:
    if b"max-stale" not in found:
        return None
    value = found[b"max-stale"]
    return MOST_S if value is None else seconds_of(value)
