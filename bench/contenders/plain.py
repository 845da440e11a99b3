"""What the gateway stands on, running: `applications` in a process that is served as the gateway is."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from msgspec import json

from bench.contenders.applications import VARIABLE, Plain
from bench.contenders.gateway import PATH, Answer, Installed
from bench.processes import running
from bench.wrk import Contender
from examples.servers.start import free_port


@contextlib.contextmanager
def serving(
    name: Literal["bare", "framework"], folder: Path, installed: Installed, answer: Answer, upstream: str
) -> Iterator[Contender]:
    """Serve the application for the length of the block; it answers what the gateway answers."""
    port = free_port()
    plain = Plain(headers=answer.headers, body=answer.body, upstream=upstream, path=urlsplit(PATH).path)
    environ = {
        VARIABLE: json.encode(plain).decode(),
        "TIEBEAM_CONFIG": str(installed.config),
        "TIEBEAM__HTTP__PORT": str(port),
    }
    command = [sys.executable, "-m", "bench.contenders.applications", name]
    url = f"http://127.0.0.1:{port}{PATH}"
    with running(command, ready=url, log=folder / f"{name}.log", environ=environ) as pid:
        yield Contender(name, pid, url, installed.headers)
