"""Processes that ask as often as they are let: they share one limit, and each reports what it got."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeVar

from msgspec import Struct, json, structs

T = TypeVar("T")

PULSE_S: Final = 0.01
"""A process that is late by more than this was not let run; what a limit gave meanwhile, nobody was there to take."""


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
    held_up_s: float
    """For so long of its time the machine did not let it run."""


class Reports(NamedTuple):
    """What all of them report."""

    began: float
    """On the clock that all processes of a machine have in common."""
    each: list[Report]
    held_up_s: float
    """The worst of them, and the process that started them."""

    @property
    def asked(self) -> int:
        """Return how often all of them asked."""
        return sum(one.asked for one in self.each)

    @property
    def taken(self) -> int:
        """Return what all of them got."""
        return sum(one.taken for one in self.each)


class Caller:
    """Counts what it asks and gets."""

    def __init__(self, task: Task) -> None:
        self.task, self.asked, self.taken = task, 0, 0

    async def run(self, ask: Callable[[], Awaitable[bool]]) -> Report:
        """Ask with all callers until it is over."""
        await asyncio.sleep(self.task.begins - time.monotonic())
        late_s = time.monotonic() - self.task.begins
        asking = asyncio.gather(*[self._ask_on(ask) for _ in range(self.task.callers)])
        held_up_s = late_s + await _held_up_s(asking)
        return Report(asked=self.asked, taken=self.taken, held_up_s=held_up_s)

    async def _ask_on(self, ask: Callable[[], Awaitable[bool]]) -> None:
        while time.monotonic() < self.task.begins + self.task.lasts_s:
            self.asked += 1
            taken = await ask()  # On a line of its own: others count meanwhile.
            self.taken += taken


async def _held_up_s(work: asyncio.Future[list[T]]) -> float:
    """Return, once the work is done, for how long of its time this process did not run."""
    held_up_s = 0.0
    while not work.done():
        due = time.monotonic() + PULSE_S
        await asyncio.sleep(PULSE_S)
        late_s = time.monotonic() - due
        held_up_s += late_s if late_s > PULSE_S else 0.0
    await work
    return held_up_s


async def reports(program: str, tasks: list[Task]) -> Reports:
    """Return what each of the processes reports, all of them running at once."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", f"tests.faults.{program}"]
    started = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in tasks]
    await asyncio.gather(*[process.stdout.readline() for process in started if process.stdout])
    begins = time.monotonic() + 0.2
    given = [json.encode(structs.replace(task, begins=begins)) for task in tasks]
    told = asyncio.gather(*[process.communicate(each) for process, each in zip(started, given, strict=True)])
    held_up_s = await _held_up_s(told)
    each = [json.decode(output, type=Report) for output, _ in told.result()]
    return Reports(begins, each, held_up_s + max(one.held_up_s for one in each))


def report(run: Callable[[Task], Awaitable[Report]]) -> None:
    """Be one of the processes: say that everything is imported, take the task, and report."""
    sys.stdout.write("Ready.\n")
    sys.stdout.flush()
    task = json.decode(sys.stdin.buffer.read(), type=Task)

    async def running() -> Report:
        return await run(task)

    sys.stdout.buffer.write(json.encode(asyncio.run(running())))
