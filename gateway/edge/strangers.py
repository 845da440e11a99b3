"""What strangers may try: tokens that are not accepted cost the network address that they come from.

Callers who are known never get here: whatever others do behind the same address, it does not touch them.
"""

import math
import time
from collections.abc import Callable
from typing import Final

from gateway.counters import CountersAway, Limit, Question
from gateway.edge.standing import TOPICS, Standing
from gateway.errors import Refused, Unavailable
from gateway.identity import Identity
from gateway.policy.call import Call
from gateway.policy.kinds.authenticate import bearer_token
from gateway.policy.kinds.base import Kit
from gateway.policy.kinds.rate_limit import RateLimit
from gateway.telemetry.metrics import COUNTERS_AWAY
from openapi.common.types import Code

REMEMBERED: Final = 10_000
"""Addresses that are shut out; then all are forgotten, and the counters asked anew."""
AWAY_S: Final = 5
MOVED: Final = Question(topics=TOPICS)


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
        self._shut_out: dict[str, float] = {}

    async def identity(self, call: Call, row: RateLimit | None) -> Identity:
        """Return whose token it is; raises Refused, and charges the network address for it where a row says so.

        While an address is shut out, no signature is checked for it, and nothing makes the wait longer.
        """
        limit = row.limit_for(self._address_of(call)) if row else None
        try:
            token = bearer_token(call)
            known = self._kit.verifier.remembered(token)
            if known:
                return known
            self._check(row, limit)
            return await self._kit.verifier.verify(token, self._look)
        except Refused:
            self._check(row, limit)
            if row and limit:
                await self._charge(row, limit)
            raise

    async def _look(self) -> None:
        """Return when a denial that was lifted is known to be; raises Unavailable where that cannot be read."""
        counters = self._kit.counters
        try:
            told = counters.ask_now(MOVED) or await counters.ask(MOVED)
        except CountersAway:
            self._kit.metrics.count(COUNTERS_AWAY)
            await self._standing.look()
        else:
            if not self._standing.holds(told.generations):
                await self._standing.follow(told.generations)

    def _check(self, row: RateLimit | None, limit: Limit | None) -> None:
        """Return where the address is not shut out; raises Refused."""
        left_s = self._shut_out.get(limit.bucket, 0.0) - self._clock() if limit else 0.0
        if row and left_s > 0:
            raise _wait(left_s, row)

    async def _charge(self, row: RateLimit, limit: Limit) -> None:
        """Return where the address may try again; raises Refused where it has tried too often."""
        question = Question(limits=(limit,))
        try:
            told = self._kit.counters.ask_now(question) or await self._kit.counters.ask(question)
        except CountersAway as error:
            self._kit.metrics.count(COUNTERS_AWAY)
            if row.when_unavailable == "allow":
                return
            if row.when_unavailable == "refuse":
                raise nobody_counts() from error
            told = self._kit.alone.ask_now(question)
        if told.refused_by is not None:
            if len(self._shut_out) >= REMEMBERED:
                self._shut_out.clear()
            self._shut_out[limit.bucket] = self._clock() + told.wait_s
            raise _wait(told.wait_s, row)


def nobody_counts() -> Unavailable:
    """Return what is answered where a row wants nothing to go on uncounted."""
    return Unavailable(Code.limits_unavailable, "Nobody can count just now.", retry_after_s=AWAY_S)


def _wait(wait_s: float, row: RateLimit) -> Refused:
    seconds = max(1, math.ceil(wait_s))
    return Refused(
        Code.rate_limited,
        f"Too many tries without a token that is accepted. Try again in {seconds} s.",
        retry_after_s=seconds,
        violated_policies=(row.label,),
    )
