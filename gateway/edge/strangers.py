"""What strangers may try: tokens that are not accepted, and what cannot be read, cost the address that they come from.

Callers whose token is remembered never get here. A token that is new, of an address that others have shut out, is
looked at all the same as long as that costs this process little: whoever renews theirs behind the same address goes on,
unless so much is tried from there, or from anywhere else, that nobody can look at all of it.
"""

import math
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.counters import CountersAway, Limit, Question
from gateway.counters.memory import MemoryCounters
from gateway.edge.standing import TOPICS, Standing
from gateway.errors import Refused, Unavailable
from gateway.identity import Identity
from gateway.identity.verifier import not_accepted
from gateway.policy.call import Call
from gateway.policy.kinds.authenticate import bearer_token
from gateway.policy.kinds.base import Kit
from gateway.policy.kinds.rate_limit import RateLimit
from gateway.telemetry.metrics import COUNTERS_AWAY
from openapi.common.types import Code

REMEMBERED: Final = 10_000
"""Addresses that are shut out; then all are forgotten, and the counters asked anew."""
AWAY_S: Final = 5
TRIED: Final = "Too many tries without a token that is accepted. "
MOVED: Final = Question(topics=TOPICS)
LOOKS: Final = Question(limits=(Limit("tokens of addresses that are shut out", rate=20.0, burst=20.0),))
"""So many of their tokens a second this process looks at, all addresses together: some 2 ms of signatures."""


class ShutOut(NamedTuple):
    """How long an address is shut out, and the decision of the call that found it so."""

    until: float
    decision_id: str


class Strangers:
    """Finds out whose token it is where nobody knows yet. An address is shut out of all operations of a row at once."""

    def __init__(
        self,
        kit: Kit,
        standing: Standing,
        address_of: Callable[[Call], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kit, self._standing, self._address_of, self._clock = kit, standing, address_of, clock
        self._shut_out: dict[str, ShutOut] = {}
        self._looks = MemoryCounters(clock)

    async def identity(self, call: Call, row: RateLimit | None) -> Identity:
        """Return whose token it is; raises Refused, and charges the network address for it where a row says so.

        While an address is shut out, only so many signatures are checked for it, no key is fetched, nothing makes the
        wait longer, and what is refused names the decision that stands in the audit for all of it.
        """
        call.address = self._address_of(call)
        limit = row.limit_for(call.address) if row else None
        try:
            return await self._identity(bearer_token(call), limit)
        except Refused:
            await self._try(call, row, limit)
            raise

    async def unread(self, call: Call, row: RateLimit | None) -> None:
        """Return where the address may send more that cannot be read; raises Refused and Unavailable as for a token.

        Whoever sends it is charged like a stranger: nobody looks at a token then.
        """
        call.address = self._address_of(call)
        await self._try(call, row, row.limit_for(call.address) if row else None)

    async def _try(self, call: Call, row: RateLimit | None, limit: Limit | None) -> None:
        if row and limit:
            self._check(call, row, limit)
            await self._charge(call, row, limit)

    async def _identity(self, token: bytes, limit: Limit | None) -> Identity:
        if known := self._kit.verifier.remembered(token):
            return known
        if not self._left_s(limit):
            return await self._kit.verifier.verify(token, self._look)
        if self._looks.ask_now(LOOKS).refused_by is not None:
            raise not_accepted()
        return self._kit.verifier.verify_now(token)

    async def _look(self) -> None:
        """Return when a denial that was lifted is known to be; raises Unavailable where that cannot be read."""
        try:
            told = await self._kit.counters.ask(MOVED)
        except CountersAway:
            self._kit.metrics.count(COUNTERS_AWAY)
            await self._standing.look()
        else:
            if not self._standing.holds(told.generations):
                await self._standing.follow(told.generations)

    def _left_s(self, limit: Limit | None) -> float:
        """Return how long the address is shut out yet; 0.0 where it is not."""
        found = self._shut_out.get(limit.bucket) if limit else None
        return max(0.0, found.until - self._clock()) if found else 0.0

    def _check(self, call: Call, row: RateLimit, limit: Limit) -> None:
        """Return where the address is not shut out; raises Refused."""
        if left_s := self._left_s(limit):
            call.repeat(self._shut_out[limit.bucket].decision_id)
            raise used_up(left_s, row.label, TRIED)

    async def _charge(self, call: Call, row: RateLimit, limit: Limit) -> None:
        """Return where the address may try again; raises Refused where it has tried too often."""
        question = Question(limits=(limit,))
        try:
            told = await self._kit.counters.ask(question)
        except CountersAway as error:
            self._kit.metrics.count(COUNTERS_AWAY)
            if row.when_unavailable == "allow":
                return
            if row.when_unavailable == "refuse":
                raise nobody_counts() from error
            told = self._kit.alone.ask_now(question)
        if told.refused_by is not None:
            self._check(call, row, limit)  # Others of its calls may have been told so meanwhile; one of them is enough.
            if len(self._shut_out) >= REMEMBERED:
                self._shut_out.clear()
            self._shut_out[limit.bucket] = ShutOut(self._clock() + told.wait_s, call.decision_id)
            raise used_up(told.wait_s, row.label, TRIED)


def nobody_counts() -> Unavailable:
    """Return what is answered where a row wants nothing to go on uncounted."""
    return Unavailable(Code.limits_unavailable, "Nobody can count just now.", retry_after_s=AWAY_S)


def used_up(wait_s: float, label: str, because: str = "") -> Refused:
    """Return the refusal by the limit or the places of that name."""
    seconds = max(1, math.ceil(wait_s))
    told = f"{because}Try again in {seconds} s."
    return Refused(Code.rate_limited, told, retry_after_s=seconds, violated_policies=(label,))
