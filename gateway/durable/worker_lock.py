"""One worker at a time: a lock on a file beside the SQLite database, or a lease in PostgreSQL by its clock."""

import fcntl
import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from gateway.durable.engine import sync_engine
from gateway.durable.settings import DurableSettings
from gateway.store import worker_leases
from gateway.store.database import is_sqlite

_log = logging.getLogger(__name__)


class AnotherWorker(Exception):
    """There is a worker already; the text names it. The command ends with 1."""


class WorkerLock(Protocol):
    """What keeps a second worker out."""

    def take(self) -> None:
        """Return with the lock; raises AnotherWorker."""

    def release(self) -> None:
        """Let the next one in."""


def worker_lock(url: str, settings: DurableSettings, lost: Callable[[], None]) -> WorkerLock:
    """Return the lock that fits the database; `lost` is called, from a thread, where it is lost while it is held."""
    return FileLock(url) if is_sqlite(url) else Lease(url, settings, lost)


class FileLock:
    """Free the moment its holder dies, however it dies."""

    def __init__(self, url: str) -> None:
        self._path = Path(f"{make_url(url).database}.worker.lock")
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Return with the lock; raises AnotherWorker, with its process id."""
        file = self._path.open("a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise AnotherWorker(f"Another worker ({holder}) runs on {self._path}. Stop it first.") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let the next one in. The file stays: to remove it would let two in."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Lease:
    """A row that is renewed from a thread of its own: a busy event loop does not lose it."""

    def __init__(self, url: str, settings: DurableSettings, lost: Callable[[], None]) -> None:
        self._database = sync_engine(url, pool_size=1)
        self._settings, self._lost = settings, lost
        self._host = socket.gethostname()
        self._holder = f"{self._host}/{os.getpid()}/{secrets.token_hex(4)}"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="worker-lease", daemon=True)

    def take(self) -> None:
        """Return with the lease; raises AnotherWorker, with its host and process id."""
        if not self._taken():
            with self._database.begin() as connection:
                holder = worker_leases.holder_of(connection) or "unknown"
            if not (self._is_dead(holder) and self._taken(instead_of=holder)):
                self._database.dispose()
                host, _, process = holder.rpartition("/")[0].partition("/")
                raise AnotherWorker(f"Another worker ({process} on {host}) has the lease. Stop it first.")
        self._thread.start()

    def release(self) -> None:
        """Let the next one in at once."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
        with self._database.begin() as connection:
            worker_leases.give_back(connection, self._holder)
        self._database.dispose()

    def _taken(self, instead_of: str | None = None) -> bool:
        with self._database.begin() as connection:
            return worker_leases.take(connection, self._holder, self._settings.lease_s, instead_of)

    def _is_dead(self, holder: str) -> bool:
        """Tell whether the holder was a process of this machine that is gone: nobody waits for such a lease to end."""
        host, process, *_ = [*holder.split("/"), "", ""]
        if host != self._host or not process.isdigit():
            return False
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def _renew(self) -> None:
        failures_s = 0.0
        while not self._stopping.wait(self._settings.lease_renewal_s):
            try:
                held, failures_s = self._taken(), 0.0
            except SQLAlchemyError:
                _log.warning("The worker's lease could not be renewed.", exc_info=True)
                failures_s += self._settings.lease_renewal_s
                held = failures_s < self._settings.lease_s
            if not held:
                _log.error("The worker's lease is lost. Another worker may run; this one stops.")
                self._lost()
                return
