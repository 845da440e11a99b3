"""Servers as processes of their own: started, waited for, ended, and the CPU time that they and their children took."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx

from examples.servers.start import end

READY_WITHIN_S: Final = 180.0
STOPPED_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.05
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
USER, SYSTEM = 11, 12
"""Where the times stand in `/proc/<pid>/stat`, behind the name (proc(5): fields 14 and 15)."""


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], *, ready: str, log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run a server for the length of the block; give its process id once it answers at `ready`, whatever it says."""
    with log.open("w") as into:
        server = subprocess.Popen(  # noqa: S603 - our own commands
            command, stdin=subprocess.DEVNULL, stdout=into, stderr=subprocess.STDOUT, env=os.environ | (environ or {})
        )
        try:
            _wait_until_ready(ready, server, log)
            yield server.pid
        finally:
            end(server, STOPPED_WITHIN_S)


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process and all below it have taken since they began."""
    return sum(_seconds(Path(f"/proc/{one}/stat")) for one in family(pid))


def family(pid: int) -> Iterator[int]:
    """Yield the process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family(int(child))


def thread_cpu_s(pid: int) -> float:
    """Return what the process's first thread has taken: in Python the one that runs the event loop."""
    return _seconds(Path(f"/proc/{pid}/task/{pid}/stat"))


def _seconds(stat: Path) -> float:
    _, _, behind_name = stat.read_text().rpartition(") ")
    fields = behind_name.split()
    return (int(fields[USER]) + int(fields[SYSTEM])) / TICKS_PER_S


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url)
            return
        time.sleep(LOOK_EVERY_S)
    raise RuntimeError(f"{server.args!r} did not become ready. It said:\n{log.read_text()[-4000:]}")
