"""What every call asks about besides its own quotas: whether something that stands for all calls has moved."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.identity import Verifier

log = logging.getLogger(__name__)

DENIALS, KEYS, POLICIES = "denials", "keys", "policies"
TOPICS: Final = (DENIALS, KEYS, POLICIES)
"""Withdrawn tokens; the issuers' keys; the set of policies that is live. First in every question, in this order."""
BLIND_S: Final = 1.0
"""While nobody can tell what moved, the list of withdrawn tokens is read so often."""


class Standing:
    """Follows the topics in this process."""

    def __init__(
        self, verifier: Verifier, reload: Callable[[], Awaitable[None]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._verifier, self._reload, self._clock = verifier, reload, clock
        self._seen: tuple[int, ...] = ()
        self._blind_until = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def holds(self, generations: tuple[int, ...]) -> bool:
        """Tell whether nothing has moved since the last look."""
        return generations == self._seen

    async def follow(self, generations: tuple[int, ...]) -> None:
        """Return when this call may go on: after the withdrawn tokens were read, while the rest is under way."""
        moved = dict(zip(TOPICS, generations, strict=True))
        seen = dict(zip(TOPICS, self._seen, strict=True)) if self._seen else {KEYS: moved[KEYS]}
        if self._verifier.denials_moved(moved[DENIALS]):
            await self._verifier.reload_denials(moved[DENIALS])
        self._seen = generations
        if moved[KEYS] != seen[KEYS]:
            self._begin(self._verifier.flush_keys())
        if moved[POLICIES] != seen.get(POLICIES):
            self._begin(self._reload())

    async def look(self) -> None:
        """Return when the withdrawn tokens are as fresh as they can be while nobody can tell what moved."""
        now = self._clock()
        if now < self._blind_until:
            return
        self._blind_until = now + BLIND_S
        await self._verifier.reload_denials(-1)

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _logged(work: Awaitable[None]) -> None:
    try:
        await work
    except Exception:
        log.exception("What moved could not be followed; it stays as it was until it moves again.")
