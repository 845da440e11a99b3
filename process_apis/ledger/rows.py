"""What the ledger's tables have in common: parts that are replaced as a whole."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Table, delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection


async def replace_rows(
    connection: AsyncConnection, table: Table, owner: Mapping[str, str], rows: Iterator[Mapping[str, Any]]
) -> None:
    """Put the rows in the place of all that the owner had."""
    await connection.execute(delete(table).where(*(table.c[name] == value for name, value in owner.items())))
    values = [{**owner, **row} for row in rows]
    if values:
        await connection.execute(insert(table), values)
