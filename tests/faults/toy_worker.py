"""A worker of the toy process that kills itself, once, at one moment of one step.

`python -m tests.faults.toy_worker DATABASE_URL FOLDER MOMENT STEP`; without the last two it lives until told to end.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from msgspec.structs import replace

from gateway.durable import Worker
from gateway.store.database import Store, create_engine
from gateway.writes import Writes, WriteSettings
from tests.workflows.toy import QUICK, Desk, sell, sell_or_not

LEASE_S = 2.0  # A busy machine stalls a write for a moment; a dead holder's lease is waited for.


class Killer:
    """Ends the process as a machine does that loses its power; the marker file says that it has been done."""

    def __init__(self, folder: Path, moment: str, step: str) -> None:
        self._marker, self._moment, self._step = folder / "killed", moment, step

    async def durable(self, moment: str, step: str) -> None:
        """Strike at a moment of a step."""
        if (moment, step) == (self._moment, self._step) and not self._marker.exists():
            self._marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    async def guard(self, moment: str, operation: str, _key: str) -> None:
        """Strike at a moment inside a write."""
        await self.durable(moment, operation)


async def work(url: str, folder: Path, moment: str, step: str) -> None:
    """Work until told to end, or struck."""
    killer, store, desk = Killer(folder, moment, step), Store(create_engine(url)), Desk(folder)
    writes = Writes(store, WriteSettings(lease_s=LEASE_S), killer.guard)
    worker = Worker(
        url=url,
        store=store,
        writes=writes,
        workflows=[sell, sell_or_not],
        resources={"desk": desk},
        settings=replace(QUICK, write_deadline_s=60.0, unavailable_tries=100),
        moments=killer.durable,
    )
    await worker.run()
    await store.close()


if __name__ == "__main__":
    database_url, path, *where = sys.argv[1:]
    at_moment, at_step = where or ("never", "never")
    asyncio.run(work(database_url, Path(path), at_moment, at_step))
