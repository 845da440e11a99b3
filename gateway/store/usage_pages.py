"""Who uses what, page by page, what ends first in front: ranked in the database, so that no page reads all rows."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, case, literal, select, tuple_

from gateway.store.database import Store
from gateway.store.usage import KEY, Used, UsedPlace, tb_usage

Urgency = tuple[str, str]
"""Text that sorts what ends first in front."""
STAYS: Final = ("~", "~")
"""The urgency of what has no end."""


class Ending(Struct, frozen=True, kw_only=True):
    """Uses that end together. What is None is whatever it may be."""

    urgency: Urgency
    contract: str
    client_id: str | None = None
    issuer: str | None = None
    operation: str | None = None
    place: UsedPlace = UsedPlace.call
    pointer: str = ""


class Wanted(Struct, frozen=True, kw_only=True):
    """Which uses are listed; None asks nothing."""

    contracts: Sequence[str]
    client_id: str | None = None
    going: bool | None = None
    """Only what ends, or only what stays."""
    since: datetime | None = None
    """Only what was used since."""


class After(NamedTuple):
    """The last use that was shown."""

    urgency: Urgency
    key: tuple[str, ...]
    """Its values in the order of KEY."""


async def page(
    store: Store, endings: Sequence[Ending], wanted: Wanted, *, after: After | None, limit: int
) -> list[Used]:
    """Return the next uses, one more than `limit` where there are more; of the endings, the first that fits holds."""
    ranks = sorted({STAYS, *(each.urgency for each in endings)})
    rank = _rank(endings, ranks)
    conditions = [*_wanted(wanted, rank, ranks.index(STAYS)), *_behind(after, rank, ranks)]
    asked = select(tb_usage).where(*conditions).order_by(rank, *_key()).limit(limit + 1)
    async with store.begin() as connection:
        return [Used.of(row) for row in await connection.execute(asked)]


def _rank(endings: Sequence[Ending], ranks: Sequence[Urgency]) -> ColumnElement[int]:
    """Return the place of a row's urgency among all: numbers, for databases sort text in orders of their own."""
    stays = literal(ranks.index(STAYS))
    return case(*((_fits(each), ranks.index(each.urgency)) for each in endings), else_=stays) if endings else stays


def _fits(ending: Ending) -> ColumnElement[bool]:
    asked = {"contract": ending.contract, "place": ending.place.value, "pointer": ending.pointer}
    asked |= {
        name: value for name in ("client_id", "issuer", "operation") if (value := getattr(ending, name)) is not None
    }
    return and_(*(tb_usage.c[name] == value for name, value in asked.items()))


def _wanted(wanted: Wanted, rank: ColumnElement[int], stays: int) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [tb_usage.c.contract.in_(wanted.contracts)]
    if wanted.client_id is not None:
        conditions.append(tb_usage.c.client_id == wanted.client_id)
    if wanted.going is not None:
        conditions.append(rank != stays if wanted.going else rank == stays)
    if wanted.since is not None:
        conditions.append(tb_usage.c.last_seen >= wanted.since)
    return conditions


def _behind(after: After | None, rank: ColumnElement[int], ranks: Sequence[Urgency]) -> list[ColumnElement[bool]]:
    if after is None:
        return []
    place = bisect_left(ranks, after.urgency)
    if place == len(ranks) or ranks[place] != after.urgency:  # The dates have changed between the pages.
        return [rank >= place]
    return [tuple_(rank, *_key()) > (place, *after.key)]


def _key() -> list[ColumnElement[Any]]:
    return [tb_usage.c[name] for name in KEY]
