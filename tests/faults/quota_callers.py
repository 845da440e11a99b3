"""Processes that ask as often as they are let: they share one limit, and each reports what it got."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct, json, structs


class Task(Struct, frozen=True, kw_only=True):
    """What a process does, with so many calls at once, and for how long."""

    where: str
    """The shared counters: a URL, or a file."""
    lasts_s: float
    callers: int
    rate: float
    burst: float
    part: str = "web"
    vendor: str = ""
    """Whom to call, where there is somebody."""
    begins: float = 0.0
    """On the clock that all processes of a machine have in common; set when all of them are there."""


class Report(Struct, frozen=True, kw_only=True):
    """What became of it."""

    asked: int
    taken: int


class Caller:
    """Counts what it asks and gets."""

    def __init__(self, task: Task) -> None:
        self.task, self.asked, self.taken = task, 0, 0

    async def run(self, ask: Callable[[], Awaitable[bool]]) -> Report:
        """Ask with all callers until it is over."""
        await asyncio.sleep(self.task.begins - time.monotonic())
        await asyncio.gather(*[self._ask_on(ask) for _ in range(self.task.callers)])
        return Report(asked=self.asked, taken=self.taken)

    async def _ask_on(self, ask: Callable[[], Awaitable[bool]]) -> None:
        while time.monotonic() < self.task.begins + self.task.lasts_s:
            self.asked += 1
            taken = await ask()  # On a line of its own: others count meanwhile.
            self.taken += taken


async def reports(program: str, tasks: list[Task]) -> tuple[float, list[Report]]:
    """Return when they began, and what each of the processes reports, all of them running at once."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", f"tests.faults.{program}"]
    started = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in tasks]
    await asyncio.gather(*[process.stdout.readline() for process in started if process.stdout])
    begins = time.monotonic() + 0.2
    given = [json.encode(structs.replace(task, begins=begins)) for task in tasks]
    told = await asyncio.gather(*[process.communicate(each) for process, each in zip(started, given, strict=True)])
    return begins, [json.decode(output, type=Report) for output, _ in told]


def report(run: Callable[[Task], Awaitable[Report]]) -> None:
    """Be one of the processes: say that everything is imported, take the task, and report."""
    sys.stdout.write("Ready.\n")
    sys.stdout.flush()
    task = json.decode(sys.stdin.buffer.read(), type=Task)

    async def running() -> Report:
        return await run(task)

    sys.stdout.buffer.write(json.encode(asyncio.run(running())))
