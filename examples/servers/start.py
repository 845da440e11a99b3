"""Start the real servers of demos and tests, each in an environment of its own, from caches outside the repository."""

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

Backend = Literal["sqlite", "postgresql"]
Progress = Callable[[str], None]

HERE = Path(__file__).parent
REQUIREMENTS: Mapping[Backend, str] = {
    "sqlite": "tryton-requirements.txt",
    "postgresql": "tryton-postgresql-requirements.txt",
}
DATABASES = ("--database", "erp:erp", "--database", "psa:psa")
UP_WITHIN_S = 300.0  # Where databases have to be built first; from the cache it is three seconds.
STOPPED_WITHIN_S = 20.0


def silent(_text: str) -> None:
    """Show nothing of what takes a moment."""


class Server(NamedTuple):
    """A running server: `ready` is what it said of itself when it answered."""

    ready: dict[str, Any]
    process: subprocess.Popen[str]

    def stop(self) -> None:
        """Let calls in progress finish, then end it."""
        end(self.process, STOPPED_WITHIN_S)
        if self.process.stdout:
            self.process.stdout.close()


def end(process: subprocess.Popen[Any], within_s: float) -> None:
    """Ask a process to end; kill it where it has not ended in time."""
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cache_dir() -> Path:
    """Return the folder of environments and finished databases; it outlives checkouts."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(home, "tiebeam")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Hold the cache's lock with the name: whoever comes second waits, and finds the work done."""
    with (cache_dir() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def environment(requirements: Path, progress: Progress = silent) -> Path:
    """Return the Python of the environment that has the requirements; it is made where there is none."""
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = cache_dir() / f"{requirements.stem}-{digest}"
    python, complete = home / "bin/python", home / "complete"
    with alone(home.name):
        if not complete.exists():
            progress(f"Setting up an environment of {requirements.name} …")
            subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)  # noqa: S603 - our own
            pip: list[str | Path] = [
                python,
                "-m",
                "pip",
                "install",
                "-qq",
                "--disable-pip-version-check",
                "--require-hashes",
            ]
            subprocess.run([*pip, "-r", requirements], check=True)  # noqa: S603 - our own
            complete.touch()
    return python


def start_tryton(
    data_dir: Path,
    *,
    backend: Backend = "sqlite",
    port: int = 0,
    options: Sequence[str] = (),
    progress: Progress = silent,
) -> Server:
    """Return Tryton with the databases `erp` and `psa`, fresh from the cache where `data_dir` has none yet.

    `ready` holds `base_url`, `user`, `password`, `admin_user`, `admin_password` and, by database, `databases`.
    """
    python = environment(HERE / REQUIREMENTS[backend], progress)
    data_dir.mkdir(parents=True, exist_ok=True)
    store = "embedded" if backend == "postgresql" else "sqlite"
    command: list[str | Path] = [
        python,
        HERE / "tryton_up.py",
        data_dir,
        "--port",
        str(port),
        "--db",
        store,
        "--end-with-parent",
    ]
    cache: list[str | Path] = ["--cache", cache_dir() / "tryton", *DATABASES]
    progress("Starting Tryton with the databases erp and psa …")
    with alone(f"tryton-{backend}"), (data_dir / "messages").open("w") as messages:
        process = subprocess.Popen(  # noqa: S603 - our own
            [*command, *cache, *options], stdout=subprocess.PIPE, stderr=messages, text=True, start_new_session=True
        )
        return Server(ready=ready_of(process, data_dir, "Tryton"), process=process)


def ready_of(process: subprocess.Popen[str], data_dir: Path, name: str) -> dict[str, Any]:
    """Return the line that the server prints once it answers."""
    watchdog = threading.Timer(UP_WITHIN_S, process.kill)
    watchdog.start()
    line = process.stdout.readline() if process.stdout else ""
    watchdog.cancel()
    if line:
        ready: dict[str, Any] = json.loads(line)
        return ready
    process.wait()
    messages = (data_dir / "messages").read_text().strip()
    raise RuntimeError(f"{name} did not start; its messages:\n{messages[-2000:]}")


@contextlib.contextmanager
def tryton(data_dir: Path, *, backend: Backend = "sqlite", options: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Run Tryton for the length of a `with` block, on a free port; yield what `start_tryton` calls `ready`."""
    server = start_tryton(data_dir, backend=backend, options=options)
    try:
        yield server.ready
    finally:
        server.stop()
