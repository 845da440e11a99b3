"""A worker of the toy process that is struck at one moment of one step: it kills itself, or freezes.

`python -m tests.faults.toy_worker DATABASE_URL FOLDER MOMENT STEP HOW`; without the last three it lives until told to
end. The folder's `seen` lists what each worker came through.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from gateway.durable import Worker
from gateway.store.database import Store, create_engine
from gateway.writes import Writes, WriteSettings
from tests.workflows.toy import QUICK, Desk, sell, sell_or_not

ALWAYS = "kill_always"
SIGNALS = {"kill": signal.SIGKILL, ALWAYS: signal.SIGKILL, "freeze": signal.SIGSTOP}
"""What becomes of it: as on a machine that loses its power, once or each time, or that is put to sleep."""
AT_ONCE, MAX_RECOVERIES = 4, 3
DIES_S = 2.5
"""Its lease: a living one on a busy machine keeps it, and a dead one is waited for."""
LEASE_S = 2.0  # A busy machine stalls a write for a moment; a dead holder's lease is waited for.


class Struck:
    """Strikes at one moment; the marker file says that it has been done."""

    def __init__(self, folder: Path, moment: str, step: str, how: str) -> None:
        self._marker, self._seen = folder / "struck", folder / "seen"
        self._moment, self._step, self._how = moment, step, how

    async def durable(self, moment: str, step: str) -> None:
        """Strike at a moment of a step."""
        with self._seen.open("a") as seen:
            seen.write(f"{os.getpid()} {moment} {step}\n")
        if (moment, step) == (self._moment, self._step) and (self._how == ALWAYS or not self._marker.exists()):
            self._marker.touch()
            os.kill(os.getpid(), SIGNALS[self._how])

    async def guard(self, moment: str, operation: str, _key: str) -> None:
        """Strike at a moment inside a write."""
        await self.durable(moment, operation)


async def work(url: str, folder: Path, where: Sequence[str]) -> None:
    """Work until told to end, or struck."""
    struck, store, desk = Struck(folder, *where), Store(create_engine(url)), Desk(folder)
    writes = Writes(store, WriteSettings(lease_s=LEASE_S), struck.guard)
    worker = Worker(
        url=url,
        store=store,
        writes=writes,
        workflows=[sell, sell_or_not],
        resources={"desk": desk},
        settings=replace(
            QUICK,
            lease_s=DIES_S,
            write_deadline_s=60.0,
            unavailable_tries=100,
            at_once=AT_ONCE,
            max_recoveries=MAX_RECOVERIES,
        ),
        moments=struck.durable,
    )
    await worker.run()
    await store.close()


if __name__ == "__main__":
    database_url, path, *where = sys.argv[1:]
    asyncio.run(work(database_url, Path(path), where or ("never", "never", "kill")))
