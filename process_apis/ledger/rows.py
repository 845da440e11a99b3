"""What the ledger's tables have in common: ids that sort by age, and inserts that meet what is there."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, delete, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
INSERTS: Final[Mapping[str, Callable[[Table], Any]]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def new_id(kind: str, at: datetime) -> str:
    """Return a canonical id (a ULID): never used before, and sorting by the moment it was made."""
    number = (int(at.timestamp() * 1000) << 80) | secrets.randbits(80)
    return f"{kind}_{''.join(ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))}"


def insert_new(connection: AsyncConnection, table: Table) -> Any:  # noqa: ANN401 - the two dialects share no type
    """Return an insert with `on_conflict_do_nothing`, which SQLite and PostgreSQL both have."""
    return INSERTS[connection.dialect.name](table)


async def replace_rows(
    connection: AsyncConnection, table: Table, owner: Mapping[str, str], rows: Iterator[Mapping[str, Any]]
) -> None:
    """Put the rows in the place of all that the owner had."""
    await connection.execute(delete(table).where(*(table.c[name] == value for name, value in owner.items())))
    values = [{**owner, **row} for row in rows]
    if values:
        await connection.execute(insert(table), values)
