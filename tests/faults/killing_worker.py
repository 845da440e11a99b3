"""The product's worker, as `tiebeam worker` composes it, that kills itself when it is told to.

In its folder, the file `kill` names a moment and a step, and is gone once that has been done; `seen` lists each moment
that a worker came through. The file `lose` names an answer that is lost on its way back, in the same manner.
"""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple, Self

from gateway import main
from gateway.composition.parts import Installation
from gateway.correlation import current_process_id, current_step
from gateway.egress.connection import ConnectionHttp
from gateway.egress.limits import Part
from gateway.egress.response import Response
from gateway.errors import Uncertain
from gateway.settings import load
from gateway.telemetry.logs import start_logging
from openapi.common.types import Code


class Cell(NamedTuple):
    """Where a worker dies: a moment, the step that it is in, and the how-many-eth time that is so."""

    moment: str
    step: str
    time: int = 1

    @classmethod
    def read(cls, line: str) -> Self:
        """Return what `write` wrote."""
        moment, step, *time = line.split()
        return cls(moment, step, *map(int, time))

    def write(self) -> str:
        """Return it as a line."""
        return f"{self.moment} {self.step} {self.time}\n"


def counted(lines: list[str]) -> list[Cell]:
    """Return each moment that was written down, with how often it had been there."""
    times: Counter[str] = Counter()
    cells = []
    for line in lines:
        times[line] += 1
        cells.append(Cell.read(line)._replace(time=times[line]))
    return cells


class Killer:
    """Ends the process as a machine does that loses its power."""

    def __init__(self, folder: Path) -> None:
        self._order, self._seen, self._loss = folder / "kill", folder / "seen", folder / "lose"
        self._answers: Counter[tuple[str | None, str]] = Counter()

    async def durable(self, moment: str, step: str) -> None:
        """Strike at a moment of a step."""
        with self._seen.open("a") as seen:
            seen.write(Cell(moment, step).write())
        if not self._order.exists():
            return
        *_, cell = counted(self._seen.read_text().splitlines())
        if cell == Cell.read(self._order.read_text()):
            self._order.unlink()  # Raises where another has done it.
            os.kill(os.getpid(), signal.SIGKILL)

    async def guard(self, moment: str, operation: str, _key: str) -> None:
        """Strike at a moment inside a write; it belongs to the step that is being carried out."""
        await self.durable(moment, current_step.get() or operation)

    async def answered(self) -> None:
        """Strike once a system has answered a call that writes: some writes of ours are several calls."""
        step = current_step.get()
        if step is not None:
            self._answers[current_process_id.get(), step] += 1
            moment = f"answered_{self._answers[current_process_id.get(), step]}"
            await self.durable(moment, step)
            self._lose(Cell(moment, step))

    def _lose(self, answer: Cell) -> None:
        if self._loss.exists() and Cell.read(self._loss.read_text()) == answer:
            self._loss.unlink()
            raise Uncertain(Code.upstream_timeout_uncertain, "The answer got lost.")

    def listen(self) -> None:
        """Hear of every answer; a worker has no place of its own for that."""
        plain = ConnectionHttp.call

        async def call(self: ConnectionHttp, *args: Any, write: bool, **rest: Any) -> Response:  # noqa: ANN401
            answer = await plain(self, *args, write=write, **rest)
            if write:
                await killer.answered()
            return answer

        killer = self
        ConnectionHttp.call = call  # type: ignore[method-assign]  # in this process only


def run(config: Path, folder: Path, schedules: bool) -> None:  # noqa: FBT001 - the target of a process
    """Work until told to end, or struck; what is said goes to the folder's `log`.

    Without schedules nothing runs that the story has not asked for: it would be struck in the story's place.
    """
    if not schedules:
        main.schedules_of = lambda _built: []
    with (folder / "log").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    settings = load(str(config))
    start_logging(settings.telemetry.log_level)
    asyncio.run(_work(main.read(settings), Killer(folder)))


async def _work(installation: Installation, killer: Killer) -> None:
    killer.listen()
    parts = main.parts(installation, Part.worker, write_moments=killer.guard)
    async with contextlib.aclosing(parts):
        await main.worker(parts, killer.durable).run()
