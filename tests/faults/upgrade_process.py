"""`tiebeam` of whichever release it is started in, which knows the vendor process, and whose steps can be held.

`python -m tests.faults.upgrade_process FOLDER ARGUMENTS` is `tiebeam ARGUMENTS`. The folder's file `hold` lists moments
of steps: whoever comes there stays there while it is listed, and says so in `reached`. The last release runs this file,
too: it names nothing that is younger.
"""

import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import Final

from gateway import cli, commands, main
from gateway.composition import connections
from gateway.correlation import current_process_id, current_step
from gateway.edge.answers import App
from system_apis.connectors import CONNECTORS
from tests.faults.rolling_ports import CONNECTOR

LOOK_EVERY_S: Final = 0.05


class Hold:
    """Keeps processes of ours where they are."""

    def __init__(self, folder: Path) -> None:
        self._orders, self._reached = folder / "hold", folder / "reached"

    async def durable(self, moment: str, step: str) -> None:
        """Return at once, or when the moment of the step is held no longer."""
        place = f"{moment} {step}"
        if not self._is_held(place):
            return
        with self._reached.open("a") as reached:
            reached.write(f"{os.getpid()} {current_process_id.get()} {place}\n")
        while self._is_held(place):  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(LOOK_EVERY_S)

    async def guard(self, moment: str, operation: str, _key: str) -> None:
        """Do the same inside a write, which belongs to the step that is being carried out."""
        await self.durable(moment, current_step.get() or operation)

    def _is_held(self, place: str) -> bool:
        return self._orders.exists() and place in self._orders.read_text().splitlines()


def connect() -> None:
    """Know the vendor, in this process."""
    connections.__dict__["CONNECTORS"] = {**CONNECTORS, CONNECTOR.name: CONNECTOR}


def application() -> App:
    """Return what is served, in the process that the server starts for it."""
    connect()
    return commands.application()


def prepare(hold: Hold) -> None:
    """Let what `tiebeam` composes in this process be ours where it has to be."""
    connect()
    serve, worker, parts = commands.server, main.worker, main.parts
    commands.__dict__["server"] = lambda settings, _: serve(settings, f"{__spec__.name}:application")
    main.__dict__["worker"] = lambda built: worker(built, hold.durable)
    main.__dict__["parts"] = partial(parts, write_moments=hold.guard)


if __name__ == "__main__":
    folder, *arguments = sys.argv[1:]
    prepare(Hold(Path(folder)))
    cli.main(arguments, prog_name="tiebeam")
