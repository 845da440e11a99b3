"""Start the real Redmine of Debian's packages; `install_redmine.sh` brings them in."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from examples.servers.start import HERE, Progress, Server, alone, cache_dir, ready_of, silent

PROGRAM = Path("/usr/share/redmine/app")


def is_installed() -> bool:
    """Tell whether the packages are there."""
    return PROGRAM.is_dir()


def install_redmine(progress: Progress = silent) -> None:
    """Install the packages, where they are not there yet. Needs root, and half a minute."""
    if is_installed():
        return
    progress("Installing Debian's Redmine …")
    script = HERE / "install_redmine.sh"
    subprocess.run([script], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own


def start_redmine(data_dir: Path, *, port: int = 0, progress: Progress = silent) -> Server:
    """Return Redmine with its sample data, fresh from the cache where `data_dir` has none yet.

    `ready` holds `base_url`, `api_key` (of `gateway`, an administrator), `user_api_keys` by login, and `database`, the
    path of its SQLite file: its own books.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    options: list[str | Path] = ["--port", str(port), "--cache", cache_dir() / "redmine"]
    progress("Starting Redmine …")
    with alone("redmine"), (data_dir / "messages").open("w") as messages:
        process = subprocess.Popen(  # noqa: S603 - our own
            [HERE / "redmine_up.sh", data_dir, *options],
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
            start_new_session=True,
        )
        return Server(ready=ready_of(process, data_dir, "Redmine"), process=process)


@contextlib.contextmanager
def redmine(data_dir: Path) -> Iterator[dict[str, Any]]:
    """Run Redmine for the length of a `with` block, on a free port; yield what `start_redmine` calls `ready`."""
    server = start_redmine(data_dir)
    try:
        yield server.ready
    finally:
        server.stop()
