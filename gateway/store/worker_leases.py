"""Which workers are alive, by the database's clock, so that machines' clocks do not count: one row a worker.

A lease that has run out is never renewed: whoever reads that it has may rely on it. All of it is for PostgreSQL, where
there are several workers; these run in plain threads, since a busy event loop must not cost the lease.
"""

from typing import NamedTuple

from sqlalchemy import Column, Connection, Float, String, Table, cast, delete, extract, func, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.database import metadata

tb_worker_lease = Table(
    "tb_worker_lease",
    metadata,
    Column("executor", String(200), primary_key=True),
    Column("until_s", Float, nullable=False),
)
_COLUMNS = tb_worker_lease.c


class Leases(NamedTuple):
    """The workers that have rows."""

    living: frozenset[str]
    expired: frozenset[str]


def take(connection: Connection, executor: str, lease_s: float) -> None:
    """Let a worker that has just come be alive."""
    connection.execute(insert(tb_worker_lease).values(executor=executor, until_s=_now() + lease_s))


def renew(connection: Connection, executor: str, lease_s: float) -> bool:
    """Tell whether the worker is still alive, and let it be so for longer; one whose lease ran out stays dead."""
    renewing = update(tb_worker_lease).where(_COLUMNS.executor == executor, _COLUMNS.until_s > _now())
    return connection.execute(renewing.values(until_s=_now() + lease_s)).rowcount == 1


def is_held(connection: Connection, executor: str) -> bool:
    """Tell whether the worker is alive."""
    asked = select(_COLUMNS.executor).where(_COLUMNS.executor == executor, _COLUMNS.until_s > _now())
    return connection.execute(asked).one_or_none() is not None


def list_all(connection: Connection) -> Leases:
    """Return who is alive, and whose lease has run out."""
    rows = connection.execute(select(_COLUMNS.executor, _COLUMNS.until_s > _now())).all()
    return Leases(
        living=frozenset(executor for executor, lives in rows if lives),
        expired=frozenset(executor for executor, lives in rows if not lives),
    )


def end(connection: Connection, executor: str) -> None:
    """Let the lease have run out: what the worker has left is taken up at once."""
    connection.execute(update(tb_worker_lease).where(_COLUMNS.executor == executor).values(until_s=0.0))


def forget(connection: Connection, executor: str) -> None:
    """Remove a lease of which somebody has seen that it ran out; it is looked at once more."""
    over = (_COLUMNS.executor == executor, _COLUMNS.until_s <= _now())
    connection.execute(delete(tb_worker_lease).where(*over))


def give_back(connection: Connection, executor: str) -> None:
    """Remove the lease of a worker that has left nothing."""
    connection.execute(delete(tb_worker_lease).where(_COLUMNS.executor == executor))


def _now() -> ColumnElement[float]:
    return cast(extract("epoch", func.clock_timestamp()), Float)
