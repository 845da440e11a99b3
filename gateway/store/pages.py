"""One page of a list, newest first, of what the caller may see."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct
from sqlalchemy import Row, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.caller import Caller
from gateway.store.visible import older_than, seen_by

T = TypeVar("T")


class Listed(Struct, Generic[T], frozen=True, kw_only=True):
    """One page; `after` is where the next one starts, or None. It goes into a sealed cursor, never out as it is."""

    items: list[T]
    after: str | None


class Window(Struct, frozen=True, kw_only=True):
    """Which part of a list is asked for."""

    after: str | None = None
    limit: int = 20


async def page(
    connection: AsyncConnection,
    table: Table,
    caller: Caller,
    wanted: ColumnElement[bool],
    window: Window,
    of: Callable[[Row[Any]], T],
) -> Listed[T]:
    """Return the rows of the table that the caller may see and that are wanted."""
    asked = (
        select(table)
        .where(seen_by(caller, table), wanted, older_than(table, window.after))
        .order_by(table.c.id.desc())
        .limit(window.limit + 1)  # One more than is shown tells whether there is another page.
    )
    rows = (await connection.execute(asked)).all()
    shown = rows[: window.limit]
    more = len(rows) > window.limit and bool(shown)
    return Listed(items=[of(row) for row in shown], after=str(shown[-1].id) if more else None)
