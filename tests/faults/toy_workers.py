"""Workers of the toy process, each in a process of its own, and how they are doing."""

import asyncio
import sys
from asyncio.subprocess import Process as Child
from collections.abc import Callable
from pathlib import Path

from gateway.store import worker_leases
from gateway.store.worker_leases import Leases
from tests.workflows.stage import Stage

ENDS_WITHIN_S = 60
LOOK_EVERY_S = 0.05


async def started(stage: Stage, *where: str) -> Child:
    """Start a worker; see `toy_worker` for where it is struck, and how."""
    module = "tests.faults.toy_worker"
    return await asyncio.create_subprocess_exec(sys.executable, "-m", module, stage.url, stage.desk.folder, *where)


async def ended(child: Child) -> int:
    """Return with what it ended."""
    return await asyncio.wait_for(child.wait(), ENDS_WITHIN_S)


async def stopped(child: Child) -> int:
    """Tell it to end, and return with what it did."""
    child.terminate()
    return await ended(child)


async def frozen(child: Child) -> None:
    """Return once it is."""

    def sleeps() -> bool:
        state = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "T"

    await until(sleeps)


async def until(holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(ENDS_WITHIN_S):
        while not holds():  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(LOOK_EVERY_S)


async def leases(stage: Stage) -> Leases:
    """Return who is alive, and whose lease has run out."""
    async with stage.store.begin() as connection:
        return await connection.run_sync(worker_leases.list_all)


async def living(stage: Stage, number: int) -> None:
    """Return once so many are alive."""
    async with asyncio.timeout(ENDS_WITHIN_S):
        while len((await leases(stage)).living) < number:  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(LOOK_EVERY_S)


def pid_of(executor: str) -> int:
    """Return the process of the worker of that name."""
    return int(executor.split("/")[1])


def seen(stage: Stage) -> list[list[str]]:
    """Return process, moment and step of everything that workers came through."""
    return [line.split() for line in (stage.desk.folder / "seen").read_text().splitlines()]
