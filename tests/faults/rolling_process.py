"""A web process or a worker as the image starts it, with the vendor process as one more connector.

`python -m tests.faults.rolling_process web|worker CONFIG` runs until it is told to stop, as a pod is.
"""

import sys

from gateway import commands
from gateway.composition import connections
from gateway.edge.answers import App
from gateway.settings import load
from system_apis.connectors import CONNECTORS
from tests.faults.rolling_ports import CONNECTOR


def connect() -> None:
    """Know the vendor, in this process."""
    connections.__dict__["CONNECTORS"] = {**CONNECTORS, CONNECTOR.name: CONNECTOR}  # In this process only.


def application() -> App:
    """Return what is served."""
    connect()
    return commands.application()


if __name__ == "__main__":
    connect()
    part, config = sys.argv[1:]
    settings = load(config)
    commands.prepare(settings)
    if part == "worker":
        commands.work(settings)
    else:
        commands.server(settings, f"{__spec__.name}:application").serve()
