"""Who may work: the one that has the file's lock on SQLite, and on PostgreSQL everybody whose lease has not run out."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from gateway.durable import AnotherWorker
from gateway.durable.engine import sync_engine
from gateway.durable.run import Fenced
from gateway.durable.settings import EXECUTOR
from gateway.durable.worker_lease import Lease
from gateway.durable.worker_lock import worker_lock
from gateway.store import worker_leases
from gateway.store.database import Store, create_engine
from gateway.store.worker_leases import Leases
from tests.workflows.toy import QUICK

BRIEF = replace(QUICK, lease_s=1.5, lease_renewal_s=0.1)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """Return the URL of a fresh PostgreSQL database with all tables."""
    url: str = request.getfixturevalue("postgres_server").database(request.getfixturevalue("migrated_database"))
    return url


def never() -> None:
    """Be told of a loss that does not happen."""
    raise AssertionError


def telling(lost: asyncio.Event) -> Callable[[], None]:
    """Return what lets the event loop know, from a thread."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        loop.call_soon_threadsafe(lost.set)

    return tell


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Open a transaction."""
    engine = sync_engine(url, pool_size=1)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def leases(url: str) -> Leases:
    """Return who is alive, and whose lease has run out."""
    with connected(url) as connection:
        return worker_leases.list_all(connection)


@asynccontextmanager
async def asked(url: str) -> AsyncIterator[Callable[[Lease], Awaitable[None]]]:
    """Give a way to ask a lease's fence."""
    store = Store(create_engine(url))

    async def ask(lease: Lease) -> None:
        async with store.begin() as connection:
            await lease.fence(connection)

    yield ask
    await store.close()


def test_a_second_one_on_a_file_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    first, second, third = (worker_lock(f"sqlite:///{tmp_path}/tiebeam.sqlite", QUICK, never) for _ in range(3))
    first.take()

    with pytest.raises(AnotherWorker, match=str(os.getpid())):
        second.take()
    first.release(undone=True)
    third.take()
    third.release(undone=False)

    assert {one.executor for one in (first, second, third)} == {EXECUTOR}


def test_each_worker_has_a_lease_until_it_has_gone(database: str) -> None:
    first, second = (worker_lock(database, QUICK, never) for _ in range(2))
    first.take()
    second.take()
    both = leases(database)
    first.release(undone=False)
    one = leases(database)
    second.release(undone=True)
    left = leases(database)

    assert both == (frozenset({first.executor, second.executor}), frozenset())
    assert one == (frozenset({second.executor}), frozenset())
    assert left == (frozenset(), frozenset({second.executor}))


async def test_a_lease_is_renewed_and_its_loss_is_told(database: str) -> None:
    lost = asyncio.Event()
    lease = Lease(database, BRIEF, telling(lost))
    lease.take()
    await asyncio.sleep(2.0)  # Longer than the lease: only its renewal keeps it.
    async with asked(database) as ask:
        await ask(lease)
        kept = not lost.is_set()
        with connected(database) as connection:
            worker_leases.end(connection, lease.executor)
        await asyncio.wait_for(lost.wait(), 60)
        with pytest.raises(Fenced):
            await ask(lease)
    await asyncio.to_thread(lease.release, undone=False)

    assert kept


def test_a_lease_that_ran_out_is_not_renewed_and_one_that_did_not_is_not_forgotten(database: str) -> None:
    with connected(database) as connection:
        worker_leases.take(connection, "a", 60.0)
        worker_leases.take(connection, "b", 60.0)
        worker_leases.end(connection, "b")
        renewed = [worker_leases.renew(connection, name, 60.0) for name in ("a", "b", "c")]
        for name in ("a", "b", "c"):
            worker_leases.forget(connection, name)

    assert renewed == [True, False, False]
    assert leases(database) == (frozenset({"a"}), frozenset())


async def test_a_database_that_stays_away_costs_the_lease(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = asyncio.Event()
    lease = Lease(database, BRIEF, telling(lost))
    lease.take()
    with monkeypatch.context() as patched:
        patched.setattr(worker_leases, "renew", away)
        patched.setattr(worker_leases, "give_back", away)
        await asyncio.wait_for(lost.wait(), 60)
        await asyncio.to_thread(lease.release, undone=False)

    assert lost.is_set()


def away(*_args: object) -> bool:
    """Answer nothing, like a database that is away."""
    raise OperationalError("", {}, ConnectionResetError())
