"""The kind `cache`: how fresh a read must be (RFC 9111), and how a write makes what was kept useless.

An answer is kept for the identity that asked, never for another one: the key holds the caller's partition. It is used
only under the generations that were present when it was begun, so that a read which overtook a write is not kept for
others to find.
"""

import hashlib
import logging
from collections.abc import Hashable
from typing import Annotated, Final

from msgspec import Meta

from gateway.counters import CountersAway
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.kinds.base import Kit, Policy
from gateway.policy.operation import Operation
from gateway.policy.responses import Stored

log = logging.getLogger(__name__)

OK: Final = 200
NOT_KEPT: Final = frozenset(
    {b"connection", b"date", b"keep-alive", b"ratelimit", b"ratelimit-policy", b"set-cookie", b"transfer-encoding"}
    | {b"cache-control", b"content-length", b"x-correlation-id"}
)
"""Fields of one answer, or of one hop."""


class Cache(Policy, tag="cache", frozen=True, kw_only=True):
    """A GET's answer may be repeated for `fresh_s` seconds to the same identity; a write through the edge ends that."""

    fresh_s: Annotated[int, Meta(ge=1, le=3600)]
    changed_by: tuple[str, ...] = ()
    """Names of operations of other APIs after which the answer is no longer fresh; those of the same API always are."""

    def concerns(self, operation: Operation) -> bool:
        """Tell whether the operation is a GET."""
        return operation.method == "GET"

    def unknown_names(self, operations: frozenset[str], issuers: frozenset[str]) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the operations that do not exist."""
        return [("changed_by", name) for name in self.changed_by if name not in operations]

    def topics(self, operation: Operation) -> tuple[str, ...]:
        """Return what an answer tells of: its own API, and what the row names."""
        return (operation.api, *self.changed_by)

    def find(self, call: Call, kit: Kit, proceed: Proceed) -> Answer | None:  # noqa: ARG002
        """Return the kept answer while it is fresh; as 304 where the caller has it already."""
        asked = call.header(b"cache-control")
        if call.generations is None or (asked and (b"no-cache" in asked.lower() or b"no-store" in asked.lower())):
            return None
        stored = kit.responses.find(key_of(call), call.generations)
        return _conditional(call, _revived(stored, kit.responses.clock())) if stored else None

    async def apply(self, call: Call, kit: Kit, proceed: Proceed) -> Answer:
        """Return the framework's answer, kept where it may be."""
        answer = await proceed(call)
        if call.generations is None:
            return _marked(answer, b"fwd=bypass")  # Nobody can tell whether it will still be true.
        asked = (call.header(b"cache-control") or b"").lower()
        if answer.status != OK or not _is_json(answer) or b"no-store" in asked or answer.header(b"vary"):
            return _marked(answer, b"fwd=uri-miss")
        return _conditional(call, self._kept(key_of(call), answer, call.generations, kit))

    def _kept(self, key: Hashable, answer: Answer, generations: tuple[int, ...], kit: Kit) -> Answer:
        if answer.header(b"etag") is None:
            answer.add(b"etag", b'"%s"' % hashlib.sha256(answer.body).hexdigest()[:32].encode())
        now = kit.responses.clock()
        headers = tuple(field for field in answer.headers if field[0] not in NOT_KEPT)
        kit.responses.keep(key, Stored(headers, answer.body, now, now + self.fresh_s, generations))
        return _marked(answer, b"fwd=uri-miss; stored")


async def note_write(call: Call, kit: Kit, status: int) -> None:
    """Make useless what was kept of the things that a write may have changed; one that was refused changed nothing."""
    if 400 <= status < 500:  # noqa: PLR2004
        return
    try:
        await kit.counters.move((call.operation.api, call.operation.name))
    except CountersAway:
        log.warning("A write could not be told to the caches; they forget by themselves after their `fresh_s`.")


def key_of(call: Call) -> Hashable:
    """Return what tells this answer from every other: a tuple, so that no two spellings can run together."""
    return call.operation.place, call.path, call.query, call.partition, call.header(b"accept")


def _revived(stored: Stored, now: float) -> Answer:
    answer = Answer(OK, stored.headers, stored.body)
    answer.add(b"age", b"%d" % int(now - stored.stored_at))
    return _marked(answer, b"hit; ttl=%d" % int(stored.fresh_until - now))


def _marked(answer: Answer, what: bytes) -> Answer:
    """Return the answer with `Cache-Status` (RFC 9211); others may keep it, but must ask each time."""
    answer.add(b"cache-status", b'"tiebeam"; ' + what)
    if answer.header(b"cache-control") is None:
        answer.add(b"cache-control", b"private, no-cache" if answer.status == OK else b"no-store")
    return answer


def _conditional(call: Call, answer: Answer) -> Answer:
    """Return the answer, or 304 where `If-None-Match` names it (RFC 9110 §13.1.2)."""
    asked, etag = call.header(b"if-none-match"), answer.header(b"etag")
    if asked is None or etag is None:
        return answer
    names = [name.strip().removeprefix(b"W/") for name in asked.split(b",")]
    if names != [b"*"] and etag.removeprefix(b"W/") not in names:
        return answer
    kept = [field for field in answer.headers if field[0] not in (b"content-type", b"content-length")]
    return Answer(304, kept, b"")


def _is_json(answer: Answer) -> bool:
    return (answer.header(b"content-type") or b"").split(b";")[0] == b"application/json"
