"""The product's worker, as `tiebeam worker` composes it, with the vendor process as one more connector."""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from gateway import main
from gateway.composition import connections
from gateway.composition.parts import Installation
from gateway.egress.limits import Part
from gateway.settings import load
from gateway.telemetry.logs import start_logging
from gateway.writes import Writes, WriteSettings
from system_apis.connector import Connector
from tests.faults.volume_ports import CONNECTOR

SLOT_S = 3.0
"""What a dead worker holds of a slot is waited for that long."""


def run(config: Path, log: Path) -> None:
    """Work until told to end, or killed; what is said goes to the log."""
    with log.open("a") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    connectors = {**connections.CONNECTORS, CONNECTOR.name: CONNECTOR}
    connections.CONNECTORS = cast(Mapping[str, Connector], connectors)  # type: ignore[misc]  # in this process only
    settings = load(str(config))
    start_logging(settings.telemetry.log_level)
    asyncio.run(_work(main.read(settings)))


async def _work(installation: Installation) -> None:
    parts = main.parts(installation, Part.worker)
    clocks = installation.settings.processes
    quick = WriteSettings(lease_s=clocks.write_lease_s, deadline_s=clocks.write_deadline_s, slot_s=SLOT_S)
    async with contextlib.aclosing(parts):
        await main.worker(replace(parts, writes=Writes(parts.store, quick))).run()
