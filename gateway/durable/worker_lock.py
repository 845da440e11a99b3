"""What lets a worker work: on SQLite it is the only one, by a lock on a file; on PostgreSQL one of many, by a lease."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.durable.run import unfenced
from gateway.durable.settings import EXECUTOR, DurableSettings
from gateway.durable.worker_lease import Lease
from gateway.store.database import is_sqlite


class AnotherWorker(Exception):
    """There is a worker already, and the database takes one; the text names it. The command ends with 1."""


class WorkerLock(Protocol):
    """A worker's right to work."""

    @property
    def executor(self) -> str:
        """The name under which the engine knows the worker."""

    def take(self) -> None:
        """Return with the right; raises AnotherWorker where there may be one only."""

    async def fence(self, connection: AsyncConnection) -> None:
        """Return while the worker has the right; raises Fenced once it has lost it."""

    def release(self, *, undone: bool) -> None:
        """Give it back. What is left `undone` somebody else takes up at once."""


def worker_lock(url: str, settings: DurableSettings, lost: Callable[[], None]) -> WorkerLock:
    """Return what fits the database; `lost` is called, from a thread, where the right is lost while it is held."""
    return FileLock(url) if is_sqlite(url) else Lease(url, settings, lost)


class FileLock:
    """Free the moment its holder dies, however it dies; so whoever is next has the same name, and all of its work."""

    executor = EXECUTOR

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

    async def fence(self, connection: AsyncConnection) -> None:
        """Return: nobody loses a lock of the operating system, not even while frozen."""
        await unfenced(connection)

    def release(self, *, undone: bool) -> None:  # noqa: ARG002 - the next one has the same name
        """Let the next one in. The file stays: to remove it would let two in."""
        if self._file is not None:
            self._file.close()
            self._file = None
