"""A transaction beside which nobody writes to a table: who decides by what all its rows say takes one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.database import Store


@asynccontextmanager
async def alone(store: Store, table: Table) -> AsyncIterator[AsyncConnection]:
    """Open it. Whoever only reads is not held up."""
    taking = {
        "postgresql": f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE",
        "sqlite": "BEGIN IMMEDIATE",  # The driver begins with the first change; until then others change what was read.
    }
    async with store.begin() as connection:
        await connection.execute(text(taking[connection.dialect.name]))
        yield connection
