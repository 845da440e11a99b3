"""A transaction beside which nobody writes to a table: who decides by what all its rows say takes one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.database import Store


@asynccontextmanager
async def alone(store: Store, table: Table) -> AsyncIterator[AsyncConnection]:
    """Open it; on SQLite every transaction is one. Whoever only reads is not held up."""
    async with store.begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))
        yield connection
