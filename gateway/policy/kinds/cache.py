"""The kind `cache`: how fresh a read must be (RFC 9111, 5861, 9211), and how a write makes what was kept useless.

An answer is kept for the identity that asked, or for its visibility class where the row says so: the key holds one of
the two. It is used only under the generations that were present when it was begun, so that a read which overtook a
write is not kept for others to find. What is decided here and why: `docs/decisions/0019-kept-answers.md`.
"""

from functools import partial
from typing import Annotated, Final, Literal
from urllib.parse import parse_qsl

from msgspec import Meta

from gateway.errors import Refused
from gateway.policy.caching import serving
from gateway.policy.caching.directives import NOTHING, wants_of
from gateway.policy.caching.keeping import OK
from gateway.policy.caching.reading import Reading, Rules
from gateway.policy.caching.serving import OF_THE_CALLER
from gateway.policy.caching.stored import HIT, Stored, values_of
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.kinds.base import Kit, Policy
from gateway.policy.operation import Operation
from gateway.policy.responses import Key
from openapi.common.types import Code

WITHOUT_EFFECT: Final = frozenset({503})
"""With every 4xx: the answers to a write that say that nothing happened."""

Window = Annotated[int, Meta(ge=0, le=604_800)]


class Cache(Policy, tag="cache", frozen=True, kw_only=True):
    """A GET's answer may be repeated for `fresh_s` seconds to the same identity; a write through the edge ends that."""

    fresh_s: Annotated[int, Meta(ge=1, le=3600)]
    when_unavailable: Literal["bypass", "serve_fresh"]
    """While the counters are away nobody can tell what others have changed: ask each time, or trust `fresh_s`."""
    stale_while_revalidate_s: Window = 0
    """So much longer an older answer is given at once, while a newer one is fetched (RFC 5861)."""
    stale_if_error_s: Window = 0
    """So much longer an older answer is given where none can be had: 502, 503 or 504 (RFC 5861)."""
    shared_by: Literal["visibility"] | None = None
    """Left out: an answer is for one identity. `visibility`: for all of equal scopes, entities, customers, projects."""
    refresh_by: Literal["all", "nobody"] = "all"
    """Whether a caller's `no-cache`, `no-store`, `max-age` and `min-fresh` get past what is kept."""
    vary: tuple[Annotated[str, Meta(pattern="^[a-z0-9-]+$")], ...] = ()
    """Request fields, beside Accept, that tell answers apart, whether or not the answer's own `Vary` says so."""
    anew: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    """Items of a query, as in `fresh=true`, by which a contract promises that the systems are asked: never kept."""
    changed_by: tuple[str, ...] = ()
    """Names of operations of other APIs after which the answer is no longer fresh; those of the same API always are."""

    def concerns(self, operation: Operation) -> bool:
        """Tell whether the operation is a GET."""
        return operation.method == "GET"

    def unknown_names(self, operations: frozenset[str], issuers: frozenset[str]) -> list[tuple[str, str]]:
        """Return the operations that do not exist."""
        return [("changed_by", name) for name in self.changed_by if name not in operations]

    def topics(self, operation: Operation) -> tuple[str, ...]:
        """Return what an answer tells of: its own API, and what the row names."""
        return (operation.api, *self.changed_by)

    def find(self, call: Call, kit: Kit, proceed: Proceed) -> Answer | None:
        """Return the kept answer where it will do; as 304 where the caller has it already."""
        responses = kit.responses
        key = self.key_of(call)
        stored = responses.find(key, call)
        call.looked = key, stored
        if stored is None:
            return None
        age_s = responses.clock() - stored.begun_at
        if (
            age_s >= stored.fresh_s
            or call.generations is None
            or call.generations != stored.generations
            or (self.anew and call.query)
            or not call.fields.keys().isdisjoint(OF_THE_CALLER)
        ):
            return self._found(call, kit, proceed, stored)
        responses.hits += 1
        age, status = (b"age", b"%d" % age_s), (b"cache-status", HIT % (stored.fresh_s - age_s))
        return Answer(OK, [*stored.fields, age, status], stored.body)

    async def apply(self, call: Call, kit: Kit, proceed: Proceed) -> Answer:
        """Return the framework's answer, kept where it may be, or another's that came of the same question."""
        wants = wants_of(call.header(b"cache-control"), may_refresh=self.refresh_by == "all")
        if wants.only_if_cached:
            raise Refused(Code.cache_only_if_cached, "Send it without `only-if-cached` to have the answer fetched.")
        if self._passes(call):
            view = call.visibility if self.shared_by else call.partition
            return serving.passed(call, await proceed(call), b"fwd=bypass", view)
        kit.responses.misses += 1
        return await self._reading(call, kit, proceed).answer(wants)

    def key_of(self, call: Call) -> Key:
        """Return what tells this answer from every other: a tuple, so that no two spellings can run together."""
        operation = call.operation
        return (
            operation.name,
            operation.connection,
            call.path,
            call.scope["query_string"],
            call.visibility if self.shared_by else call.partition,
            call.fields.get(b"accept"),
            (self.vary, values_of(call, [name.encode() for name in self.vary])) if self.vary else None,
            self.fresh_s,  # Another set of policies may say something else, and generations be of other topics.
            self.changed_by,
        )

    def _found(self, call: Call, kit: Kit, proceed: Proceed, stored: Stored) -> Answer | None:
        """Return the kept answer where it will do, though something about the call or the answer is out of line."""
        wants = wants_of(call.header(b"cache-control"), may_refresh=self.refresh_by == "all")
        responses = kit.responses
        if wants.anew or self._passes(call) or not self._rules(call.operation).hold(call, stored, responses):
            return None
        age_s, fresh_s = responses.clock() - stored.begun_at, stored.fresh_s
        if age_s < fresh_s:
            if not wants.suits(age_s, fresh_s):
                return None
            responses.hits += 1
            return serving.found(call, stored, age_s, fresh_s)
        if call.generations is None or not stored.may_be_stale:
            return None
        if not wants.suits(age_s, fresh_s):
            if wants != NOTHING or age_s >= fresh_s + self.stale_while_revalidate_s:
                return None
            reading = self._reading(call, kit, proceed)
            responses.flights.refresh(reading.flight_key, partial(proceed, serving.detached(call)))
        responses.stale_hits += 1
        return serving.found(call, stored, age_s, fresh_s)

    def _passes(self, call: Call) -> bool:
        """Tell whether nothing is kept of the call, and nothing that is kept will do."""
        if call.generations is None and self.when_unavailable == "bypass":
            return True
        if not (self.anew and call.query):
            return False
        items = parse_qsl(call.query.decode("latin-1"), keep_blank_values=True)
        return any(f"{name}={value}" in self.anew for name, value in items)

    def _reading(self, call: Call, kit: Kit, proceed: Proceed) -> Reading:
        return Reading(call, kit.responses, proceed, call.looked, self._rules(call.operation))

    def _rules(self, operation: Operation) -> Rules:
        return Rules(
            fresh_s=self.fresh_s,
            stale_if_error_s=self.stale_if_error_s,
            shared=self.shared_by is not None,
            trusting=self.when_unavailable == "serve_fresh",
            topics=self.topics(operation),
        )


async def note_write(call: Call, kit: Kit, status: int) -> None:
    """Make useless what was kept of the things that a write may have changed; one that was refused changed nothing."""
    if status in WITHOUT_EFFECT or 400 <= status < 500:  # noqa: PLR2004 - a class of statuses
        return
    topics = (call.operation.api, call.operation.name)
    kit.responses.note_write(topics)
    if not await kit.tell(*topics):
        kit.responses.forget()  # When the counters are back they may not have moved yet.
