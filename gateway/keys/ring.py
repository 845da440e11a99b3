"""The keys of all issuers: each one found in the set of its own issuer, and nowhere else."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from gateway.egress.documents import Documents, Fetch
from gateway.keys.from_file import FileKeys
from gateway.keys.from_url import UrlKeys
from gateway.keys.issuer import KeySetError, KeyState, TrustedIssuer
from gateway.keys.jwk import Key
from gateway.keys.key_set import SET_BYTES
from gateway.telemetry.metrics import series

LOOK_S: Final = 1.0
"""So often it is looked whether a file has changed, or a set has become too old."""


class Tools(Struct, frozen=True, kw_only=True):
    """What tests replace: time, chance, and the way to an issuer."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    fraction: Callable[[], float] = random.SystemRandom().random
    fetch: Fetch | None = None
    """Left out, over HTTP."""


class KeyRing:
    """Finds keys. `look` before `find`; `seek` for what is not there and may have been published since."""

    def __init__(self, issuers: Sequence[TrustedIssuer], tools: Tools | None = None) -> None:
        tools = tools or Tools()
        self.issuers = tuple(issuers)
        self._clock, self._look_again_at = tools.clock, 0.0
        self._documents = Documents(SET_BYTES)
        self._sets = {one.issuer: self._source(one, tools) for one in issuers}
        self._tasks: list[asyncio.Task[None]] = []
        if len(self._sets) != len(issuers):
            raise KeySetError("Two issuers have the same name; each may stand once in `issuers`.")

    @property
    def states(self) -> list[KeyState]:
        """Return what is known of each issuer's keys."""
        return [keys.state for keys in self._sets.values()]

    def figures(self) -> Mapping[str, int]:
        """Return what there is to watch, by the names of metrics."""
        return {series("tiebeam_issuer_keys_fault", issuer=one.issuer): int(bool(one.fault)) for one in self.states}

    async def start(self) -> None:
        """Begin to fetch keys before they are due; returns at once, whether an issuer answers or not."""
        self._tasks = [
            asyncio.create_task(keys.keep_fresh()) for keys in self._sets.values() if isinstance(keys, UrlKeys)
        ]

    async def close(self) -> None:
        """End that, and hang up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for keys in self._sets.values():
            if isinstance(keys, UrlKeys):
                await keys.close()
        await self._documents.close()

    def look(self) -> None:
        """Withdraw what may no longer be trusted; costs nothing but the time of day, mostly."""
        now = self._clock()
        if now < self._look_again_at:
            return
        self._look_again_at = now + LOOK_S
        for keys in self._sets.values():
            keys.look()

    def find(self, issuer: object, kid: object) -> Key | None:
        """Return the issuer's key of that name. Both come from the token: they select, and open nothing."""
        self.look()
        if not isinstance(issuer, str) or not isinstance(kid, str) or issuer not in self._sets:
            return None
        return self._sets[issuer].find(kid)

    async def seek(self, issuer: str, kid: str) -> Key | None:
        """Return the issuer's key of that name, fetched if it has to be and may be; waits for seconds at most."""
        keys = self._sets.get(issuer)
        return await keys.seek(kid) if keys else None

    async def refresh(self) -> None:
        """Return when every issuer's keys were read again; what failed stays as it was, and is logged."""
        await asyncio.gather(*(keys.refresh() for keys in self._sets.values()))

    def _source(self, issuer: TrustedIssuer, tools: Tools) -> FileKeys | UrlKeys:
        if issuer.jwks_file is not None:
            return FileKeys(issuer, issuer.jwks_file, tools.clock)
        return UrlKeys(issuer, tools.fetch or self._documents.fetch, tools.clock, tools.sleep, tools.fraction)
