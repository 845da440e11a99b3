"""An answer as it is kept: everything that can be made ready beforehand is."""

from collections.abc import Sequence
from typing import Final

from gateway.policy.caching.conditions import OF_UNCHANGED
from gateway.policy.caching.keeping import OK, Terms, tag_of
from gateway.policy.caching.marking import marked_stale
from gateway.policy.call import Answer, Call

Fields = tuple[tuple[bytes, bytes], ...]
Generations = tuple[int, ...] | None

TO_CALLERS: Final = (b"cache-control", b"private, no-cache")
"""Others may keep it for themselves, and must ask each time: only here does anybody know what has changed."""
HIT: Final = b'"tiebeam"; hit; ttl=%d'


class Stored:
    """An answer, and under which generations of the things it tells of it was begun. Never changed."""

    __slots__ = (
        "begun_at",
        "body",
        "fields",
        "fresh_s",
        "generations",
        "last_modified",
        "may_be_stale",
        "size",
        "tag",
        "unchanged",
        "values",
        "vary",
        "view",
    )

    def __init__(self, fields: Fields, body: bytes, *, view: str, terms: Terms, call: Call, begun_at: float) -> None:
        own = [field for field in fields if field[0] not in terms.dropped]
        named = dict(own[::-1])  # The first of a name counts.
        tag = named.get(b"etag")
        if tag is None:
            tag = tag_of(view, body)
            own.append((b"etag", tag))
        self.fields: Fields = (*own, TO_CALLERS)
        self.unchanged: Fields = tuple(field for field in self.fields if field[0] in OF_UNCHANGED)
        self.body, self.view, self.begun_at = body, view, begun_at - terms.age_s
        self.tag, self.last_modified = tag, named.get(b"last-modified")
        self.fresh_s, self.may_be_stale = terms.fresh_s, terms.may_be_stale
        self.vary = terms.vary
        self.values = values_of(call, terms.vary)
        self.generations: Generations = call.generations
        self.size = len(body) + sum(len(name) + len(value) for name, value in self.fields)

    def marked(self, places: Sequence[str]) -> Answer:
        """Return it as an answer whose body says that it is stale, hence under another tag."""
        body = marked_stale(self.body, places)
        tag = tag_of(self.view, body)
        return Answer(OK, [(name, tag if name == b"etag" else value) for name, value in self.fields], body)


def values_of(call: Call, names: Sequence[bytes]) -> tuple[bytes | None, ...]:
    """Return what the request has in each of the fields; a field that is absent is another thing than an empty one."""
    return tuple([call.header(name) for name in names])
