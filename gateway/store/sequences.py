"""Numbers that count up: each is given out once. A number whose transaction is rolled back is given out again."""

from sqlalchemy import Column, Integer, String, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into

tb_sequence = Table(
    "tb_sequence",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("last", Integer, nullable=False),
)


async def take_next(connection: AsyncConnection, name: str) -> int:
    """Return the next number, beginning with 1. One statement, so that any number of processes get different ones."""
    first = insert_into(connection, tb_sequence).values(name=name, last=1)
    counting = first.on_conflict_do_update(index_elements=["name"], set_={"last": tb_sequence.c.last + 1})
    return int((await connection.execute(counting.returning(tb_sequence.c.last))).scalar_one())


async def next_number(store: Store, name: str) -> int:
    """Return the next number, in a transaction of its own."""
    async with store.begin() as connection:
        return await take_next(connection, name)


async def peek(store: Store, name: str) -> int:
    """Return the number that is next just now, and give none out."""
    asked = select(tb_sequence.c.last).where(tb_sequence.c.name == name)
    async with store.begin() as connection:
        return int((await connection.execute(asked)).scalar_one_or_none() or 0) + 1
