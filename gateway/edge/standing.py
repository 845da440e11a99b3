"""What every call asks about besides its own quotas: whether something that stands for all calls has moved."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.identity import Verifier
from gateway.identity.denials import UNKNOWN

log = logging.getLogger(__name__)

DENIALS, KEYS, POLICIES = "denials", "keys", "policies"
TOPICS: Final = (DENIALS, KEYS, POLICIES)
"""Who is denied; the issuers' keys; which set of policies is live. First in every question, in this order."""

AGAIN_S: Final = 1.0
"""So long after a try to follow the live set that failed another one may begin."""


class Standing:
    """Follows the topics in this process."""

    def __init__(
        self,
        verifier: Verifier,
        reload: Callable[[], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._verifier, self._reload, self._sleep = verifier, reload, sleep
        self._seen: tuple[int, ...] | None = None
        self._policies: int | None = None
        self._tasks: set[asyncio.Future[object]] = set()

    def holds(self, generations: tuple[int, ...]) -> bool:
        """Tell whether nothing has moved since the last look."""
        return generations == self._seen

    async def follow(self, generations: tuple[int, ...]) -> None:
        """Return when this call may go on: after the denials were read, while the rest is under way.

        Raises Unavailable where they cannot be read.
        """
        denials, keys, policies = generations
        if self._verifier.denials_moved(denials):
            await self._verifier.reload_denials(denials)
        self._seen = generations
        if self._verifier.keys_moved(keys):
            self._begin(_logged(self._verifier.flush_keys(keys)))
        if policies != self._policies:
            self._policies = policies
            self._begin(self._reloaded())

    async def look(self) -> None:
        """Return when the denials are as fresh as they can be while nobody can tell what moved; raises Unavailable."""
        if self._verifier.denials_moved(UNKNOWN):
            await self._verifier.reload_denials(UNKNOWN)

    async def _reloaded(self) -> None:
        """Put the live set to work. Where it cannot be read just now, a later call begins this once more."""
        if not await _logged(self._reload()):
            await self._sleep(AGAIN_S)
            self._seen = self._policies = None

    def _begin(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _logged(work: Awaitable[None]) -> bool:
    """Tell whether the work ended well."""
    try:
        await work
    except Exception:
        log.exception("What moved could not be followed; it stays as it was for now.")
        return False
    return True
