"""What of an answer may be kept, and for how long it is its maker's word (RFC 9111 §3, §4.2.1)."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from msgspec import Struct

from gateway.policy.caching.directives import directives_of, seconds_of
from gateway.policy.call import Answer

OK: Final = 200
OF_ONE_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
    | {b"proxy-authenticate", b"proxy-authentication-info", b"proxy-authorization", b"proxy-connection"}
)
OF_ONE_ANSWER: Final = frozenset(
    {b"age", b"cache-control", b"cache-status", b"content-length", b"date", b"expires", b"idempotency-replayed"}
    | {b"proxy-status", b"ratelimit", b"ratelimit-policy", b"retry-after", b"server-timing", b"set-cookie"}
    | {b"traceparent", b"tracestate", b"x-correlation-id"}
)
"""Fields that tell of one exchange; they are made anew for each."""
NEVER_KEPT: Final = OF_ONE_HOP | OF_ONE_ANSWER
BY_THE_TOKEN: Final = frozenset({b"*", b"authorization", b"cookie"})
"""What hangs on these is nobody else's, and not even the same caller's under its next token."""
FOREVER: Final = float("inf")


class Terms(Struct, frozen=True, kw_only=True):
    """What the maker of an answer says of keeping it."""

    fresh_s: float
    """For how long at most it may be repeated; infinite where it leaves that to the policy."""
    age_s: float
    """How old it was when it came."""
    may_be_stale: bool
    vary: tuple[bytes, ...]
    """Request fields whose values tell this answer from others of the same target, sorted."""
    dropped: frozenset[bytes]
    """Fields that are not kept with it."""


OF_KEEPING: Final = frozenset({b"age", b"cache-control", b"connection", b"expires", b"vary"})
"""Fields by which an answer says anything of its being kept."""
SILENT: Final = Terms(fresh_s=FOREVER, age_s=0, may_be_stale=True, vary=(), dropped=NEVER_KEPT)


def terms_of(answer: Answer, *, shared: bool) -> Terms | None:
    """Return the terms, or None where the answer may not be kept; `shared` says that several identities get it."""
    if answer.status != OK or not is_json(answer):
        return None
    if OF_KEEPING.isdisjoint([name for name, _ in answer.headers]):
        return SILENT
    said = directives_of(_joined(answer, b"cache-control"))
    if b"no-store" in said or said.get(b"no-cache", b"") is None or (shared and said.get(b"private", b"") is None):
        return None
    vary = frozenset(_names(_joined(answer, b"vary")))
    if vary & BY_THE_TOKEN:
        return None
    fresh_s = _fresh_s(answer, said)
    if fresh_s <= 0:
        return None
    named = [
        name
        for field in (said.get(b"no-cache"), said.get(b"private"), _joined(answer, b"connection"))
        if field
        for name in _names(field)
    ]
    return Terms(
        fresh_s=fresh_s,
        age_s=seconds_of(answer.header(b"age")) or 0,
        may_be_stale=not said.keys() & {b"must-revalidate", b"proxy-revalidate", b"s-maxage"},
        vary=tuple(sorted(vary)),
        dropped=NEVER_KEPT.union(named) if named else NEVER_KEPT,
    )


def is_json(answer: Answer) -> bool:
    """Tell whether the body is a document."""
    return (answer.header(b"content-type") or b"").split(b";")[0].strip().lower() == b"application/json"


def tag_of(view: str, body: bytes) -> bytes:
    """Return a strong entity tag of the body; two views never share one, whatever they are shown."""
    digest = hashlib.sha256(len(view).to_bytes(8, "big") + view.encode() + body)
    return b'"%s"' % digest.hexdigest()[:32].encode()


def _fresh_s(answer: Answer, said: Mapping[bytes, bytes | None]) -> float:
    """Return for how long the answer calls itself fresh; one whose words cannot be read is not (§4.2.1)."""
    for name in (b"s-maxage", b"max-age"):
        if name in said:
            return seconds_of(said[name]) or 0
    expires = answer.header(b"expires")
    if expires is None:
        return FOREVER
    until, since = _instant(expires), _instant(answer.header(b"date") or b"")
    return (until - since).total_seconds() if until and since else 0.0


def _instant(field: bytes) -> datetime | None:
    try:
        return parsedate_to_datetime(field.decode("latin-1"))
    except ValueError:
        return None


def _joined(answer: Answer, name: bytes) -> bytes:
    return b", ".join([value for field, value in answer.headers if field == name])


def _names(field: bytes) -> list[bytes]:
    return [name.strip().lower() for name in field.split(b",") if name.strip()]
