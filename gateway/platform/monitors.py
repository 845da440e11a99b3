"""What is watched and stands in the database: read when somebody looks, and never at the price of what it watches.

Each monitor is one small query. What it said is repeated for some seconds, so that many scrapers cost one reading; it
has a time to answer in; and one that fails is left out and counted, since an old figure or a zero would be a lie.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.database import Store
from gateway.telemetry.metrics import MONITOR_FAILURES, Figures, Metrics, series

FRESH_S: Final = 10.0
PATIENCE_S: Final = 2.0
"""For each; scrapers wait for ten seconds by default."""

Reader = Callable[[AsyncConnection, datetime], Awaitable[Figures]]
"""Given the instant for which it is asked: returns the series of one monitor."""

_log = logging.getLogger(__name__)


class Monitors:
    """The monitors by their names, each with what reads it."""

    def __init__(
        self,
        store: Store,
        readers: Mapping[str, Reader],
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._readers, self._metrics, self._monotonic = store, readers, metrics, monotonic
        self._failures = dict.fromkeys(readers, 0)
        self._turn = asyncio.Lock()
        self._read: Figures = {}
        self._read_at: float | None = None
        metrics.read_from(self._failed)

    async def read(self) -> Figures:
        """Return every series that could be read, not older than some seconds."""
        async with self._turn:  # Who comes meanwhile takes what the first one reads.
            if self._read_at is None or self._monotonic() - self._read_at >= FRESH_S:
                found: dict[str, int | Decimal] = {}
                for name, reader in self._readers.items():  # One after the other: each takes a connection.
                    found |= await self._of(name, reader)
                self._read, self._read_at = found, self._monotonic()
            return self._read

    async def _of(self, name: str, reader: Reader) -> Figures:
        try:
            async with asyncio.timeout(PATIENCE_S), self._store.begin() as connection:
                return await reader(connection, self._store.now())
        except Exception as error:  # noqa: BLE001 - whatever it was, the others are still shown
            self._failures[name] += 1
            _log.warning("The monitor %s could not be read: %s", name, type(error).__name__)
            return {}

    def _failed(self) -> Figures:
        return {series(MONITOR_FAILURES, monitor=name): count for name, count in self._failures.items()}
