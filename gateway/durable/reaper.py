"""What dead workers had under way, put back into the queue: every worker looks, again and again, at every period.

Nothing is decided once and for all here. A worker is done with when no run names it any more, however often somebody
dies, or the database is away, in the middle of that.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet

from gateway.durable.engine import Engine
from gateway.durable.settings import DurableSettings
from gateway.store import worker_leases
from gateway.store.database import Store
from gateway.store.worker_leases import Leases

_log = logging.getLogger(__name__)
Recover = Callable[[str], Awaitable[None]]


class Reaper:
    """Puts back what dead workers had under way; `recover` does that for one of them."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        recover: Recover,
        settings: DurableSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._engine, self._recover, self._settings = store, engine, recover, settings
        self._clock = clock
        self._unknown_since: dict[str, float] = {}

    async def reap(self) -> None:
        """Look once."""
        leases = await self._leases()
        working = await self._engine.executors()
        for executor in sorted(working & leases.expired):
            _log.warning("The worker %s is dead. What it had under way goes on elsewhere.", executor)
            await self._recover(executor)
        for executor in self._unknown_for_long(working - leases.living - leases.expired):
            _log.warning("Nobody knows the worker %s. What it had under way goes on elsewhere.", executor)
            await self._recover(executor)
        if leases.expired:
            await self._forget(leases.expired - await self._engine.executors())

    def _unknown_for_long(self, unknown: AbstractSet[str]) -> list[str]:
        """Return the workers that have had no lease for as long as one lasts.

        That is one that woke up and took something before it noticed that it is dead, or one of another release.
        """
        now = self._clock()
        self._unknown_since = {executor: self._unknown_since.get(executor, now) for executor in unknown}
        return sorted(one for one, since in self._unknown_since.items() if now - since >= self._settings.lease_s)

    async def _leases(self) -> Leases:
        async with self._store.begin() as connection:
            return await connection.run_sync(worker_leases.list_all)

    async def _forget(self, executors: AbstractSet[str]) -> None:
        async with self._store.begin() as connection:
            for executor in sorted(executors):
                await connection.run_sync(worker_leases.forget, executor)
