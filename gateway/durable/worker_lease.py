"""The lease of a worker that is one of many: a row that says that it is alive, by the database's clock."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.durable.engine import sync_engine
from gateway.durable.run import Fenced
from gateway.durable.settings import DurableSettings
from gateway.store import worker_leases

_log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """The worker was taken for dead, and others have its work. The command ends with 1, to be started again."""


class Lease:
    """Renewed from a thread of its own: a busy event loop does not lose it.

    Once it has run out it is lost for good, whether or not somebody has noticed: then a worker that was frozen, and
    woke up, is one that has never been.
    """

    def __init__(self, url: str, settings: DurableSettings, lost: Callable[[], None]) -> None:
        self._database = sync_engine(url, pool_size=1)
        self._settings, self._lost = settings, lost
        self.executor = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="worker-lease", daemon=True)

    def take(self) -> None:
        """Return with the lease."""
        with self._database.begin() as connection:
            worker_leases.take(connection, self.executor, self._settings.lease_s)
        self._thread.start()

    async def fence(self, connection: AsyncConnection) -> None:
        """Return while the lease is held; raises Fenced.

        Asked under a lock on the process's row, it is certain: whoever takes the run up waits for that lock.
        """
        if not await connection.run_sync(worker_leases.is_held, self.executor):
            raise Fenced

    def release(self, *, undone: bool) -> None:
        """Be gone, last of all; with something undone, be dead, so that others take it up at once."""
        self._stopping.set()
        self._thread.join()
        leave = worker_leases.end if undone else worker_leases.give_back
        try:
            with self._database.begin() as connection:
                leave(connection, self.executor)
        except SQLAlchemyError:
            _log.warning("The worker's lease could not be given back; it runs out.", exc_info=True)
        self._database.dispose()

    def _keep(self) -> None:
        renewed_at = time.monotonic()
        while not self._stopping.wait(self._settings.lease_renewal_s):
            asked_at = time.monotonic()
            try:
                held = self._renewed()
            except SQLAlchemyError:
                _log.warning("The worker's lease could not be renewed.", exc_info=True)
                held = time.monotonic() - renewed_at < self._settings.lease_s
            else:
                renewed_at = asked_at
            if not held:
                _log.error("The worker's lease is lost. Others have its work; this one stops.")
                self._lost()
                return

    def _renewed(self) -> bool:
        with self._database.begin() as connection:
            return worker_leases.renew(connection, self.executor, self._settings.lease_s)
