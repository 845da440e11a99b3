"""The product's worker, as `tiebeam worker` composes it, that kills itself when it is told to.

In its folder, the file `kill` names a moment and a step, and is gone once that has been done; `seen` lists each moment
that a worker came through.
"""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx

from gateway import main
from gateway.correlation import current_process_id, current_step
from gateway.egress.connection import ConnectionHttp
from gateway.egress.limits import Part
from gateway.settings import load
from gateway.telemetry.logs import start_logging


class Cell(NamedTuple):
    """Where a worker dies: a moment, and the step that it is in."""

    moment: str
    step: str

    @classmethod
    def read(cls, line: str) -> Self:
        """Return what `write` wrote."""
        return cls(*line.split())

    def write(self) -> str:
        """Return it as a line."""
        return f"{self.moment} {self.step}\n"


class Killer:
    """Ends the process as a machine does that loses its power."""

    def __init__(self, folder: Path) -> None:
        self._order, self._seen = folder / "kill", folder / "seen"
        self._answers: Counter[tuple[str | None, str]] = Counter()

    async def durable(self, moment: str, step: str) -> None:
        """Strike at a moment of a step."""
        cell = Cell(moment, step)
        with self._seen.open("a") as seen:
            seen.write(cell.write())
        if self._order.exists() and Cell.read(self._order.read_text()) == cell:
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
            await self.durable(f"answered_{self._answers[current_process_id.get(), step]}", step)

    def listen(self) -> None:
        """Hear of every answer; a worker has no place of its own for that."""
        plain = ConnectionHttp.call

        async def call(self: ConnectionHttp, *args: Any, write: bool, **rest: Any) -> httpx.Response:  # noqa: ANN401
            answer = await plain(self, *args, write=write, **rest)
            if write:
                await killer.answered()
            return answer

        killer = self
        ConnectionHttp.call = call  # type: ignore[method-assign]  # in this process only


def run(config: Path, folder: Path) -> None:
    """Work until told to end, or struck; what is said goes to the folder's `log`."""
    with (folder / "log").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    settings = load(str(config))
    start_logging(settings.telemetry.log_level)
    asyncio.run(_work(main.read(settings), Killer(folder)))


async def _work(installation: main.Installation, killer: Killer) -> None:
    killer.listen()
    parts = main.parts(installation, Part.worker, write_moments=killer.guard)
    async with contextlib.aclosing(parts):
        await main.worker(parts, killer.durable).run()
