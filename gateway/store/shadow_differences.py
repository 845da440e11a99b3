"""What a candidate would have answered otherwise: calls that were compared, and each difference with how often it came.

Every process counts in its memory and adds to the rows now and then; a row is never more than what was seen.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Self

import msgspec
from msgspec import Struct
from sqlalchemy import BigInteger, Column, Row, String, Table, func, select, tuple_
from sqlalchemy.sql import ColumnElement

from gateway.store.database import Store, metadata
from gateway.store.instant import Instant
from gateway.store.pages import Listed, Window
from gateway.store.tallies import Tallies
from gateway.store.visible import matching

WORDS: Final = 300
"""What a caller would get in words is cut there."""
tb_shadow_call = Table(
    "tb_shadow_call",
    metadata,
    Column("candidate_id", String(40), primary_key=True),
    Column("client_id", String(200), primary_key=True),
    Column("operation", String(200), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("first_seen", Instant(), nullable=False),
    Column("last_seen", Instant(), nullable=False),
)
tb_shadow_difference = Table(
    "tb_shadow_difference",
    metadata,
    Column("candidate_id", String(40), primary_key=True),
    Column("client_id", String(200), primary_key=True),
    Column("operation", String(200), primary_key=True),
    Column("live", String(WORDS), primary_key=True),
    Column("candidate", String(WORDS), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("first_seen", Instant(), nullable=False),
    Column("last_seen", Instant(), nullable=False),
    Column("correlation_id", String(128), nullable=False),
)
_PLACE: Final = ("client_id", "operation", "live", "candidate")
"""What tells apart differences that came equally often, in this order."""


class Difference(Struct, frozen=True, kw_only=True):
    """What the calls of one client to one operation would get instead, and how many of them."""

    candidate_id: str
    client_id: str
    operation: str
    live: str
    """What they get, in words: `passes`, `refused 429 rate.limited client`, `kept 10 s`."""
    candidate: str
    """What they would get."""
    count: int
    first_seen: datetime
    last_seen: datetime
    correlation_id: str
    """Of one such call."""

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the difference that a row holds."""
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


class Totals(Struct, frozen=True, kw_only=True):
    """How many calls were compared, and how many of them would be answered otherwise."""

    compared: int
    differing: int


class ShadowCounts:
    """What this process counts of candidates, in memory until it is flushed."""

    def __init__(self, store: Store) -> None:
        self._calls, self._differences = Tallies(store, tb_shadow_call), Tallies(store, tb_shadow_difference)

    def of(self, candidate_id: str) -> "CandidateCounts":
        """Return where comparisons with the candidate are counted."""
        return CandidateCounts(candidate_id, self._calls, self._differences)

    @property
    def beyond(self) -> int:
        """Return how often something was not counted, because too much was not written yet."""
        return self._calls.beyond + self._differences.beyond

    async def flush(self) -> None:
        """Return when everything counted before stands in the database; where that fails, it is counted still."""
        await self._calls.flush()
        await self._differences.flush()


class CandidateCounts:
    """What one candidate is counted in."""

    def __init__(self, candidate_id: str, calls: Tallies, differences: Tallies) -> None:
        self._candidate_id, self._calls, self._differences = candidate_id, calls, differences

    def compared(self, client_id: str, operation: str) -> None:
        """Count a call that was compared."""
        self._calls.count((self._candidate_id, client_id, operation))

    def differs(self, client_id: str, operation: str, pair: tuple[str, str], correlation_id: str) -> None:
        """Count a call that would be answered otherwise: as what it gets, and what it would get."""
        words = pair[0][:WORDS], pair[1][:WORDS]
        self._differences.count((self._candidate_id, client_id, operation, *words), (correlation_id,))


async def totals(
    store: Store, candidate_id: str, *, client_id: str | None = None, operation: str | None = None
) -> Totals:
    """Return what was counted of a candidate; of one client's calls, or one operation's, where it is named."""
    return (await totals_of(store, [candidate_id], client_id=client_id, operation=operation))[candidate_id]


async def totals_of(store: Store, candidate_ids: Sequence[str], **only: str | None) -> dict[str, Totals]:
    """Return what was counted of each candidate."""
    counted = list[dict[str, int]]()
    async with store.begin() as connection:
        for table in (tb_shadow_call, tb_shadow_difference):
            wanted = matching(table, candidate_id=list(candidate_ids), **only)
            asked = (
                select(table.c.candidate_id, func.sum(table.c["count"])).where(wanted).group_by(table.c.candidate_id)
            )
            counted.append({row[0]: int(row[1]) for row in await connection.execute(asked)})
    compared, differing = counted
    return {one: Totals(compared=compared.get(one, 0), differing=differing.get(one, 0)) for one in candidate_ids}


async def listing(
    store: Store, candidate_id: str, window: Window, *, client_id: str | None = None, operation: str | None = None
) -> Listed[Difference]:
    """Return the differences, the most frequent first; while they grow, one may stand on two pages or on none."""
    wanted = matching(tb_shadow_difference, candidate_id=candidate_id, client_id=client_id, operation=operation)
    asked = select(tb_shadow_difference).where(wanted, *_behind(window)).order_by(*_place()).limit(window.limit + 1)
    async with store.begin() as connection:
        found = [Difference.of(row) for row in await connection.execute(asked)]
    shown = found[: window.limit]
    more = len(found) > window.limit and bool(shown)
    return Listed(items=shown, after=_after(shown[-1]) if more else None)


def _place() -> list[ColumnElement[Any]]:
    return [-tb_shadow_difference.c["count"], *(tb_shadow_difference.c[name] for name in _PLACE)]


def _after(last: Difference) -> str:
    return msgspec.json.encode([last.count, *(getattr(last, name) for name in _PLACE)]).decode()


def _behind(window: Window) -> list[ColumnElement[bool]]:
    if window.after is None:
        return []
    count, *names = msgspec.json.decode(window.after, type=tuple[int, str, str, str, str])
    return [tuple_(*_place()) > (-count, *names)]
