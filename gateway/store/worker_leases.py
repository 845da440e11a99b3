"""Who may carry out durable work: one worker at a time, by the database's clock, so that machines' clocks do not count.

On SQLite a lock on the file beside does it better: it is free the moment its holder dies. These run in a plain thread:
a busy event loop must not cost the lease.
"""

from typing import Final

from sqlalchemy import Column, Connection, Float, String, Table, cast, delete, extract, func, select
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.database import metadata
from gateway.store.inserts import insert_into

tb_worker_lease = Table(
    "tb_worker_lease",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("until_s", Float, nullable=False),
)
_NAME: Final = "worker"


def take(connection: Connection, holder: str, lease_s: float, instead_of: str | None = None) -> bool:
    """Tell whether the holder has the lease now: taken, taken over after it ran out, or renewed. One statement.

    `instead_of` names a holder that is known to be dead, so that nobody waits for its lease to run out.
    """
    now = _now(connection)
    row = {"name": _NAME, "holder": holder, "until_s": now + lease_s}
    columns = tb_worker_lease.c
    mine_or_over = columns.holder.in_([holder, instead_of or holder]) | (columns.until_s < now)
    taking = insert_into(connection, tb_worker_lease).values(row)
    met = taking.on_conflict_do_update(index_elements=["name"], set_=row, where=mine_or_over)
    return connection.execute(met.returning(columns.name)).one_or_none() is not None


def holder_of(connection: Connection) -> str | None:
    """Return who had the lease last, or None."""
    return connection.execute(select(tb_worker_lease.c.holder)).scalar_one_or_none()


def give_back(connection: Connection, holder: str) -> None:
    """Let the next one take it at once."""
    connection.execute(delete(tb_worker_lease).where(tb_worker_lease.c.holder == holder))


def _now(connection: Connection) -> ColumnElement[float]:
    if connection.dialect.name == "sqlite":
        return (func.julianday("now") - 2440587.5) * 86400.0
    return cast(extract("epoch", func.clock_timestamp()), Float)
