"""One worker at a time, and who is told so: the file's lock, and the lease by the database's clock."""

import asyncio
import os
import socket
import subprocess
import sys
import threading

import pytest
from msgspec.structs import replace
from sqlalchemy.exc import OperationalError

from gateway.durable import AnotherWorker
from gateway.durable.engine import sync_engine
from gateway.durable.worker_lock import Lease, worker_lock
from gateway.store import worker_leases
from tests.workflows.toy import QUICK


def never() -> None:
    """Be told of a loss that does not happen."""
    raise AssertionError


def test_a_second_one_is_refused_until_the_first_lets_go(url: str) -> None:
    first, second, third = (worker_lock(url, QUICK, never) for _ in range(3))
    first.take()

    with pytest.raises(AnotherWorker, match=str(os.getpid())):
        second.take()
    first.release()
    third.take()
    third.release()


def hold(url: str, holder: str) -> None:
    """Let somebody have the lease."""
    database = sync_engine(url, pool_size=1)
    with database.begin() as connection:
        assert worker_leases.take(connection, holder, 0.5)
    database.dispose()


@pytest.mark.parametrize("holder", ["elsewhere/1/aa", f"{socket.gethostname()}/{os.getppid()}/aa", "nonsense"])
def test_a_lease_is_waited_for_until_it_runs_out(url: str, holder: str) -> None:
    hold(url, holder)
    over = threading.Event()

    with pytest.raises(AnotherWorker, match="has the lease"):
        Lease(url, QUICK, never).take()
    over.wait(0.7)
    lease = Lease(url, QUICK, never)
    lease.take()
    lease.release()


def test_a_lease_of_a_dead_process_of_this_machine_is_taken_over_at_once(url: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    hold(url, f"{socket.gethostname()}/{child.pid}/aa")

    lease = Lease(url, QUICK, never)
    lease.take()
    lease.release()


async def test_a_lease_is_renewed_and_its_loss_is_told(url: str) -> None:
    lost = asyncio.Event()
    loop = asyncio.get_running_loop()
    quick = replace(QUICK, lease_s=0.4, lease_renewal_s=0.1)
    lease = Lease(url, quick, lambda: loop.call_soon_threadsafe(lost.set) and None)
    lease.take()
    await asyncio.sleep(0.6)  # Longer than the lease: only its renewal keeps it.
    with pytest.raises(AnotherWorker):
        await asyncio.to_thread(Lease(url, quick, never).take)
    kept = not lost.is_set()
    database = sync_engine(url, pool_size=1)
    with database.begin() as connection:
        connection.execute(worker_leases.tb_worker_lease.update().values(holder="another/1/aa"))
    database.dispose()
    await asyncio.wait_for(lost.wait(), 5)
    await asyncio.to_thread(lease.release)

    assert kept


async def test_a_database_that_stays_away_costs_the_lease(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = asyncio.Event()
    loop = asyncio.get_running_loop()
    quick = replace(QUICK, lease_s=0.3, lease_renewal_s=0.1)
    lease = Lease(url, quick, lambda: loop.call_soon_threadsafe(lost.set) and None)
    lease.take()
    with monkeypatch.context() as patched:
        patched.setattr(worker_leases, "take", away)
        await asyncio.wait_for(lost.wait(), 5)
    await asyncio.to_thread(lease.release)

    assert lost.is_set()


def away(*_args: object) -> bool:
    """Answer nothing, like a database that is away."""
    raise OperationalError("", {}, ConnectionResetError())
