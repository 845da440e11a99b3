"""Keys at an address: fetched before they are due, once more for one that is missing, and trusted for a bounded time.

Nobody who sends tokens decides how often an issuer is asked: that is bounded for each issuer, whatever the names of
keys in them, and all who wait share one fetch.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.egress.documents import DocumentError, Fetch
from gateway.keys.held import Held
from gateway.keys.issuer import KeySetError, KeyState, TrustedIssuer
from gateway.keys.jwk import Key
from gateway.keys.key_set import keys_in

log = logging.getLogger(__name__)

EARLY: Final = 0.8
"""The part of their time after which keys are fetched again; a tenth more by chance, so that processes differ."""
SPREAD: Final = 0.1
MISSING: Final = 1000
"""Names of keys that were not there, remembered for two refetches."""


class UrlKeys:
    """The keys of an issuer with a `jwks_url`. One that cannot be asked does not stop the start."""

    def __init__(
        self,
        issuer: TrustedIssuer,
        fetch: Fetch,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        fraction: Callable[[], float],
    ) -> None:
        self._issuer, self._times, self._url = issuer, issuer.times, str(issuer.jwks_url)
        self._fetch, self._clock, self._sleep, self._fraction = fetch, clock, sleep, fraction
        self._held = Held()
        self._fault: str | None = "They were never fetched."
        self._read_at: float | None = None
        self._fresh_until = self._good_until = self._seek_again_at = clock()
        self._missing: dict[str, float] = {}
        self._fetching: asyncio.Task[None] | None = None
        self._due_soon = asyncio.Event()
        """A flush has failed: somebody may have withdrawn a key that is still trusted here."""

    @property
    def state(self) -> KeyState:
        """Return what is known of the keys."""
        age_s = None if self._read_at is None else self._clock() - self._read_at
        return KeyState(self._issuer.issuer, self._issuer.place, self._held.kids, age_s, self._fault)

    def find(self, kid: str) -> Key | None:
        """Return the key of that name."""
        return self._held.find(kid)

    def look(self) -> None:
        """Withdraw all keys where nobody could confirm them for too long: the issuer may have withdrawn one."""
        if self._held.kids and self._clock() >= self._good_until:
            log.error("The tokens of %s are refused: its keys cannot be fetched. %s", self._issuer.issuer, self._fault)
            self._held.replace({})

    async def seek(self, kid: str) -> Key | None:
        """Return the key that `find` did not find, if it can be fetched: once in `refetch_s` the issuer is asked."""
        now = self._clock()
        if self._missing.get(kid, now) > now:
            return None
        if self._fetching is None and now < self._seek_again_at:
            return None
        await self._sought(now)
        if (found := self._held.find(kid)) is None and self._fault is None:
            self._note_missing(kid)
        return found

    async def _sought(self, now: float) -> None:
        """Fetch, and note when it may be done again; the very first fetch looks for no key in particular."""
        if self._fetching is not None:
            await self._fetched()
            return
        first, self._seek_again_at = self._read_at is None, now + self._times.refetch_s
        await self._fetched()
        if first and self._fault is None:
            self._seek_again_at = now

    async def refresh(self) -> None:
        """Return when the keys were fetched by somebody who began after this call."""
        if self._fetching:
            await asyncio.shield(self._fetching)
        self._missing.clear()
        await self._fetched()
        if self._fault:
            self._due_soon.set()

    async def keep_fresh(self) -> None:
        """Fetch the keys before they are due, for ever; where a flush has failed, soon."""
        failed = 0
        while True:
            await self._fetched()
            failed = failed + 1 if self._fault else 0
            self._due_soon.clear()
            if await self._is_due_soon_within(self._pause_s(failed)):
                await self._sleep(self._pause_s(1))

    async def _is_due_soon_within(self, seconds: float) -> bool:
        """Tell whether a flush fails before the time is over; returns as soon as either is so."""
        waiting = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._due_soon.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        return self._due_soon.is_set()

    async def close(self) -> None:
        """End what is under way."""
        if self._fetching:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _pause_s(self, failed: int) -> float:
        """Return how long to wait before the next fetch: longer after each that failed, as far as that helps."""
        if not failed:
            return (self._fresh_until - self._clock()) * (EARLY + SPREAD * self._fraction())
        longest = min(self._times.refetch_s * 2.0 ** min(failed - 1, 10), self._times.fresh_at_least_s)
        return longest * (0.5 + 0.5 * self._fraction())

    async def _fetched(self) -> None:
        """Return when the fetch that is under way has ended; who stops waiting does not stop it for the others."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch_or_keep())
            self._fetching.add_done_callback(self._ended)
        await asyncio.shield(self._fetching)

    def _ended(self, _task: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch_or_keep(self) -> None:
        try:
            document = await self._fetch(self._url)
            keys = keys_in(self._issuer, document.body)
        except (DocumentError, KeySetError) as error:
            self._fault = f"The address {error}." if isinstance(error, DocumentError) else str(error)
            log.warning("The keys of %s stay as they were. %s", self._issuer.issuer, self._fault)
            return
        times, now = self._times, self._clock()
        told_s = times.fresh_at_least_s if document.fresh_s is None else document.fresh_s
        fresh_s = max(times.fresh_at_least_s, min(told_s, times.fresh_at_most_s))
        self._read_at, self._fault = now, None
        self._fresh_until, self._good_until = now + fresh_s, now + fresh_s + times.stale_s
        self._held.replace(keys)
        if not keys:
            log.warning("The issuer %s publishes no key that can be used: its tokens are refused.", self._issuer.issuer)

    def _note_missing(self, kid: str) -> None:
        if len(self._missing) >= MISSING:
            del self._missing[next(iter(self._missing))]
        self._missing[kid] = self._clock() + 2 * self._times.refetch_s
