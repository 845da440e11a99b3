"""Who uses what, counted while calls pass: each call of a known consumer, and each field that is to go."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from gateway.caller import Client
from gateway.errors import Unavailable
from gateway.lifecycle.document import FieldRetirement
from gateway.store import usage
from gateway.store.database import Store
from gateway.store.tallies import Key, Tallies
from gateway.store.usage import UsedPlace, call_key, field_key, tb_usage
from gateway.telemetry.metrics import DEPRECATED_CALLS, DEPRECATED_FIELDS, USAGE_BEYOND, series
from openapi.common.types import Code

ABSENT_S: Final = 2.0
"""So long a client counts as new after a look; what other processes counted stands in the database by then."""
WITHIN_S: Final = 5.0
"""A database that says nothing for so long is away."""
REST_S: Final = 1.0
"""So long nobody waits for a database that was away."""
REMEMBERED: Final = 10_000
"""Clients of whom it is remembered when they came; then all are forgotten, and looked up anew."""
CLIENTS: Final = 200
"""So many clients have a series of their own in the metric; the others share one."""
OTHERS: Final = Client("", "other")
AWAY: Final = "Whether it may go on depends on what it called before, and just now nobody can look."


class Usage:
    """What is used through this process, and who was there before: a `Known` of the lifecycle."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._tallies = Tallies(store, tb_usage)
        self.count = self._tallies.count
        """Count a call under its `usage.call_key`."""
        self.flush = self._tallies.flush
        """Return when everything counted before stands in the database; where that fails, it is counted still."""
        self._deprecated: Counter[tuple[str, Client]] = Counter()
        self._fields: Counter[tuple[str, str, str]] = Counter()
        self._since: dict[tuple[Client, str], datetime] = {}
        self._absent: dict[tuple[Client, str, datetime], float] = {}
        self._turn = asyncio.Lock()
        self._away_until = 0.0

    def count_fields(self, client: Client, operation: str, used: Iterable[FieldRetirement]) -> None:
        """Count each field that a call used, by the operation's name; for the metric once the field is deprecated."""
        for field in used:
            self.count(field_key(client, operation, UsedPlace(field.place), field.pointer))
            if self._store.now() >= field.deprecated_at:
                self._fields[operation, field.place, field.pointer] += 1

    def count_going(self, key: Key, deprecated_at: datetime) -> None:
        """Count a call of what goes, once it is deprecated for the metric too; there, many clients become one."""
        self.count(key)
        if self._store.now() >= deprecated_at:
            self._count_deprecated(Client(*key[:2]), key[2])

    def count_lost(self, client: Client, contract: str) -> None:
        """Count a call of a version that is served no more; it has no operations to tell apart."""
        self.count(call_key(client, f"{contract}:"))
        self._count_deprecated(client, contract)

    def _count_deprecated(self, client: Client, contract: str) -> None:
        counted = contract, client
        if counted not in self._deprecated and len(self._deprecated) >= CLIENTS:
            counted = contract, OTHERS
        self._deprecated[counted] += 1

    def figures(self) -> Mapping[str, int]:
        """Return what there is to watch, by the names of metrics."""
        calls = {
            series(DEPRECATED_CALLS, contract=contract, client=client.client_id, issuer=client.issuer): count
            for (contract, client), count in self._deprecated.items()
        }
        return calls | self._fields_used() | {USAGE_BEYOND: self._tallies.beyond}

    def _fields_used(self) -> dict[str, int]:
        """Return how often each field was used: as many series as the lifecycle names, whoever calls."""
        found = {}
        for (name, place, pointer), count in self._fields.items():
            contract, _, operation = name.partition(":")
            labels = {"contract": contract, "operation": operation, "place": place, "pointer": pointer}
            found[series(DEPRECATED_FIELDS, **labels)] = count
        return found

    def known(self, client: Client, contract: str, before: datetime) -> bool | None:
        """Tell at once whether the client called the version before then; None where somebody has to `look`."""
        since = self._since.get((client, contract))
        if since is not None and since < before:
            return True
        return False if self._absent.get((client, contract, before), 0.0) > self._clock() else None

    async def look(self, client: Client, contract: str, before: datetime) -> bool:
        """Tell the same after a look into the database; raises Unavailable where nobody can look."""
        async with self._turn:  # Those who come together are answered by one look.
            found = self.known(client, contract, before)
            return await self._looked(client, contract, before) if found is None else found

    async def _looked(self, client: Client, contract: str, before: datetime) -> bool:
        if self._clock() < self._away_until:  # Somebody has just waited for it in vain.
            raise Unavailable(Code.usage_unavailable, AWAY)
        here = [seen.first for key, seen in self._tallies.unwritten().items() if key[:3] == (*client, contract)]
        try:
            async with asyncio.timeout(WITHIN_S):
                there = await usage.first_call(self._store, client, contract)
        except (SQLAlchemyError, TimeoutError) as error:
            self._away_until = self._clock() + REST_S
            raise Unavailable(Code.usage_unavailable, AWAY) from error
        seen = [*here, there] if there else here
        return self._remember((client, contract), min(seen, default=None), before)

    def _remember(self, who: tuple[Client, str], since: datetime | None, before: datetime) -> bool:
        if len(self._since) + len(self._absent) >= REMEMBERED:
            self._since.clear()
            self._absent.clear()
        if since is not None and since < before:
            self._since[who] = since
            return True
        self._absent[*who, before] = self._clock() + ABSENT_S
        return False
