"""Conditional requests (RFC 9110 §13): whether the caller has the answer already, and the 304 that says so."""

import re
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Final

from gateway.policy.call import Answer, Call

TAG: Final = re.compile(rb'[ \t]*(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,|\Z)')
OF_UNCHANGED: Final = frozenset(
    {b"age", b"cache-control", b"cache-status", b"content-location", b"etag", b"expires", b"vary"}
)
"""What a 304 carries of the fields that the 200 would have had (§15.4.5)."""
UNCHANGED: Final = 304

Fields = Sequence[tuple[bytes, bytes]]


def has_it(call: Call, etag: bytes | None, last_modified: bytes | None) -> bool:
    """Tell whether the request names what would be answered. Tags are compared weakly, and go before dates."""
    tags = call.header(b"if-none-match")
    if tags is not None:
        return etag is not None and (tags.strip(b" \t") == b"*" or etag.removeprefix(b"W/") in _tags(tags))
    since = call.header(b"if-modified-since")
    return since is not None and last_modified is not None and _not_after(last_modified, since)


def unchanged(answer: Answer) -> Answer:
    """Return the 304 in the place of the answer."""
    return Answer(UNCHANGED, [field for field in answer.headers if field[0] in OF_UNCHANGED], b"")


def conditional(call: Call, answer: Answer) -> Answer:
    """Return the answer, or the 304 where the caller has it already."""
    found = has_it(call, answer.header(b"etag"), answer.header(b"last-modified"))
    return unchanged(answer) if found else answer


def _tags(field: bytes) -> list[bytes]:
    """Return the tags of a list, each without its mark of weakness; what follows a mistake is not read."""
    tags, position = [], 0
    while match := TAG.match(field, position):
        tags.append(match[1])
        position = match.end()
    return tags


def _not_after(last_modified: bytes, since: bytes) -> bool:
    if last_modified == since:
        return True
    try:
        return parsedate_to_datetime(last_modified.decode("latin-1")) <= parsedate_to_datetime(since.decode("latin-1"))
    except (ValueError, TypeError):  # Not a date, or one without its zone.
        return False
