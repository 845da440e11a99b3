"""The insert that meets a conflict, on either database. Both have the same methods, and no type in common."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

INSERTS: Final[Mapping[str, Callable[[Table], Any]]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert_into(connection: AsyncConnection | Connection, table: Table) -> Any:  # noqa: ANN401 - the dialects share no type
    """Return an insert with `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return INSERTS[connection.dialect.name](table)
