"""Who may carry out durable work: one worker at a time, by the database's clock, so that machines' clocks do not count.

On SQLite a lock on the file beside does it better: it is free the moment its holder dies.
"""

from typing import Final

from sqlalchemy import Column, Float, String, Table, cast, delete, extract, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into

tb_worker_lease = Table(
    "tb_worker_lease",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("until_s", Float, nullable=False),
)
_NAME: Final = "worker"


async def take(store: Store, holder: str, lease_s: float) -> bool:
    """Tell whether the holder has the lease now: taken, taken over after it ran out, or renewed. One statement."""
    async with store.begin() as connection:
        now = _database_now(connection)
        row = {"name": _NAME, "holder": holder, "until_s": now + lease_s}
        mine_or_over = (tb_worker_lease.c.holder == holder) | (tb_worker_lease.c.until_s < now)
        taking = insert_into(connection, tb_worker_lease).values(row)
        met = taking.on_conflict_do_update(index_elements=["name"], set_=row, where=mine_or_over)
        return (await connection.execute(met.returning(tb_worker_lease.c.name))).one_or_none() is not None


async def holder_of(store: Store) -> str | None:
    """Return who had the lease last, or None."""
    async with store.begin() as connection:
        return (await connection.execute(select(tb_worker_lease.c.holder))).scalar_one_or_none()


async def give_back(store: Store, holder: str) -> None:
    """Let the next one take it at once."""
    async with store.begin() as connection:
        await connection.execute(delete(tb_worker_lease).where(tb_worker_lease.c.holder == holder))


def _database_now(connection: AsyncConnection) -> ColumnElement[float]:
    if connection.dialect.name == "sqlite":
        return (func.julianday("now") - 2440587.5) * 86400.0
    return cast(extract("epoch", func.clock_timestamp()), Float)
