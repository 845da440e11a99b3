"""The one database: SQLite by default, PostgreSQL by URL. Our tables begin with `tb_`; the engine's are its own."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import MetaData, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.store.turns import BUSY_S, OrderedConnection
from gateway.telemetry.metrics import Metrics

IDLE_S = 30
"""How long PostgreSQL waits for a process that fell silent in a transaction, before it frees what that one locked."""
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_S * 1000:.0f}", "foreign_keys=ON")

metadata = MetaData()
"""Every table of ours is declared on it, so that one Alembic history covers them."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present moment; whoever needs another one is given another clock."""
    return datetime.now(UTC)


class Store:
    """The database as the product's code gets it: transactions, and the clock that dates what is written."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock = utc_now,
        event_types: frozenset[str] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.engine, self.now = engine, clock
        self.metrics = metrics or Metrics()
        """What is counted of what is written, such as failures."""
        self._once_committed: dict[AsyncConnection, list[Callable[[], None]]] = {}
        self.event_types = event_types
        """What business events may be of; None: of any type."""
        self.writer = uuid4().hex
        """Names this process in hash chains: each process writes one of its own."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction: committed at the end, rolled back by an exception. On SQLite it writes alone."""
        async with self.engine.begin() as connection:
            acts = self._once_committed[connection] = list[Callable[[], None]]()
            try:
                yield connection
            finally:
                del self._once_committed[connection]
        for act in acts:
            act()

    def once_committed(self, connection: AsyncConnection, act: Callable[[], None]) -> None:
        """Do something small in memory once the transaction, one of `begin`, has been committed; else never."""
        self._once_committed[connection].append(act)

    async def close(self) -> None:
        """Give the connections back."""
        await self.engine.dispose()


def passes(error: SQLAlchemyError) -> bool:
    """Tell whether the database may take the same in a moment: it was away, or others were at it for too long.

    Whether the transaction was committed nobody knows then.
    """
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost or isinstance(error, (OperationalError, InterfaceError, NoConnection))


def is_sqlite(url: str) -> bool:
    """Tell whether the URL is of the embedded profile."""
    return make_url(url).get_backend_name() == "sqlite"


def create_engine(url: str) -> AsyncEngine:
    """Return the engine of `sqlite:///path` or `postgresql://…`, set up the way that durable work needs it."""
    backend = make_url(url).get_backend_name()
    driver = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}[backend]
    # What is written is the firms' own: an error that is logged names the statement, never its values.
    engine = create_async_engine(
        make_url(url).set(drivername=driver),
        connect_args=CONNECTS[backend],
        pool_size=8,
        max_overflow=8,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", SET_UPS[backend])
    return engine


CONNECTS: Final[Mapping[str, dict[str, Any]]] = {"sqlite": {"factory": OrderedConnection}, "postgresql": {}}
"""What each driver is told beside the URL."""


def set_up_sqlite(raw: Any, _record: object) -> None:  # noqa: ANN401 - the driver's connection
    """Set a fresh connection up."""
    raw.isolation_level = "IMMEDIATE"  # A transaction that begins as a reader could not become a writer.
    cursor = raw.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def set_up_postgresql(raw: Any, _record: object) -> None:  # noqa: ANN401 - the driver's connection
    """Set a fresh connection up: who freezes in a transaction does not stop everybody else for good."""
    cursor = raw.cursor()
    cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_S}s'")
    cursor.close()
    raw.commit()


SET_UPS: Final[Mapping[str, Callable[[Any, object], None]]] = {
    "sqlite": set_up_sqlite,
    "postgresql": set_up_postgresql,
}
