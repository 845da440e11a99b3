"""One read that no kept answer would do for: made, or waited for where another one makes it, and kept."""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.deadline import deadline
from gateway.errors import Unavailable
from gateway.policy.caching import serving
from gateway.policy.caching.directives import Wants, forbids_keeping
from gateway.policy.caching.flights import FAILED, Flight, Landed
from gateway.policy.caching.keeping import OK, terms_of
from gateway.policy.caching.stored import Stored, values_of
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.responses import Key, Responses

WITHIN_S: Final = 25.0
"""What a caller waits at most, for another's read and then for its own."""
AWAY: Final = frozenset({502, 503, 504})
"""Answers that say nothing of the thing that was asked for."""
Looked = tuple[Key, Stored | None]
"""Under which key somebody has looked for a kept answer, and what there was."""
GONE: Final = frozenset({OK, 404, 410})
"""Answers that say that what was kept before is over."""
UNAVAILABLE: Final = 503


class Rules(Struct, frozen=True, kw_only=True):
    """What a row says, for one operation."""

    fresh_s: int
    stale_if_error_s: int
    shared: bool
    trusting: bool
    """Whether what is fresh will do while nobody can tell what others have changed."""
    topics: tuple[str, ...]

    def hold(self, call: Call, stored: Stored, responses: Responses) -> bool:
        """Tell whether nothing that the answer tells of has changed since it was begun, as far as anybody knows."""
        if call.generations is not None:
            return call.generations == stored.generations
        return self.trusting and not responses.written_since(self.topics, stored.begun_at)


class Reading:
    """The read of one call."""

    def __init__(self, call: Call, responses: Responses, proceed: Proceed, looked: Looked, rules: Rules) -> None:
        self._call, self._responses, self._proceed = call, responses, proceed
        self._rules = rules
        self._key, self._before = looked
        self._view = call.visibility if rules.shared else call.partition

    async def answer(self, wants: Wants) -> Answer:
        """Return what is read for this call, or for one that asked the same and was first."""
        flights, key = self._responses.flights, self.flight_key
        reason = self._reason()
        if wants.anew:
            return await self._made(wants, reason, None)
        if not flights.is_under_way(key):
            return await self._made(wants, reason, flights.begin(key))
        with deadline(WITHIN_S):
            landed = await flights.joined(key)
            if landed is None:
                return await self._made(wants, reason, flights.begin(key))
            return self._shared(wants, reason, landed) or await self._made(wants, reason + b"; collapsed=?0", None)

    @property
    def flight_key(self) -> Key:
        """Return what another call must ask to wait for the same read; one after a write asks for another."""
        return self._responses.place_of(self._key, self._call), self._call.generations

    def _reason(self) -> bytes:
        """Return why something is asked for, as RFC 9211 names it."""
        if self._before is None:
            return b"fwd=vary-miss" if self._responses.has_variants(self._key) else b"fwd=uri-miss"
        holds = self._rules.hold(self._call, self._before, self._responses)
        return b"fwd=request" if holds and self._age_of(self._before) < self._before.fresh_s else b"fwd=stale"

    def _shared(self, wants: Wants, reason: bytes, landed: Stored | int) -> Answer | None:
        """Return what came of another's read where this caller may have it: an error is the other's own."""
        if isinstance(landed, int):
            return self._instead(wants, reason + b"; collapsed", landed)
        if landed.values != values_of(self._call, landed.vary):
            return None
        self._responses.collapsed += 1
        return serving.forwarded(self._call, landed, self._age_of(landed), reason + b"; collapsed", stale=False)

    async def _made(self, wants: Wants, reason: bytes, flight: Flight | None) -> Answer:
        landed: Landed = None
        begun_at = self._responses.clock()
        try:
            answer = await self._proceed(self._call)
            landed = self._stored(answer, begun_at) or answer.status
        except Unavailable:
            landed = UNAVAILABLE
            instead = self._instead(wants, reason, UNAVAILABLE)
            if instead is None:
                raise
            return instead
        except Exception:
            landed = FAILED
            raise
        finally:
            if flight:
                flight.land(landed)
        if isinstance(landed, Stored):
            return self._kept(answer, landed, reason)
        if landed in GONE:
            self._responses.drop(self._key, self._call)
        return self._instead(wants, reason, landed) or serving.passed(self._call, answer, reason, self._view)

    def _stored(self, answer: Answer, begun_at: float) -> Stored | None:
        terms = terms_of(answer, shared=self._rules.shared)
        if terms is None:
            return None
        terms = replace(terms, fresh_s=min(terms.fresh_s, self._rules.fresh_s))  # Its maker may say less, not more.
        return Stored(
            tuple(answer.headers), answer.body, view=self._view, terms=terms, call=self._call, begun_at=begun_at
        )

    def _kept(self, answer: Answer, stored: Stored, reason: bytes) -> Answer:
        if answer.header(b"etag") is None:
            answer.add(b"etag", stored.tag)
        forbidden = forbids_keeping(self._call.header(b"cache-control"))
        kept = not forbidden and self._responses.keep(self._key, stored, self._call)
        return serving.passed(self._call, answer, reason + (b"; stored" if kept else b""), self._view)

    def _instead(self, wants: Wants, reason: bytes, status: int) -> Answer | None:
        """Return an older answer in the place of one that says nothing, while the row lets it stand in."""
        stored = self._before
        if status not in AWAY or stored is None or wants.anew or self._call.generations is None:
            return None
        age_s, fresh_s = self._age_of(stored), stored.fresh_s
        lasts = fresh_s + (self._rules.stale_if_error_s if stored.may_be_stale else 0)
        if age_s >= lasts or not self._rules.hold(self._call, stored, self._responses):
            return None
        self._responses.stale_hits += 1
        what = b"%s; fwd-status=%d; ttl=%d; detail=stale-if-error" % (reason, status, (fresh_s - age_s) // 1)
        return serving.forwarded(self._call, stored, age_s, what, stale=age_s >= fresh_s)

    def _age_of(self, stored: Stored) -> float:
        return self._responses.clock() - stored.begun_at
