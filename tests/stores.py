"""A database with our tables, for tests of what stands above it; migrations have tests of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.store import write_intents, write_slots
from gateway.store.database import Clock, Store, create_engine, utc_now


@asynccontextmanager
async def guard_store(url: str, clock: Clock = utc_now) -> AsyncIterator[Store]:
    """Open a store that has the tables of the write guard."""
    store = Store(create_engine(url), clock)
    async with store.begin() as connection:
        await connection.run_sync(write_intents.tb_write_intent.create, checkfirst=True)
        await connection.run_sync(write_slots.tb_write_slot.create, checkfirst=True)
    try:
        yield store
    finally:
        await store.close()
