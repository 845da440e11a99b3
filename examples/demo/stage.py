"""Sets the stage: the real systems, an installation of the gateway beside them, and the tokens to call it with."""

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml

from examples.demo.telling import progress
from examples.servers.start import end, free_port, start_tryton

HOME = Path(".demo")
READY_WITHIN_S = 300.0
LIFETIME_MIN = "720"  # Who reads the story today tries the token today.
STOPPED_WITHIN_S = 30.0
SETTLE_S = 2.0  # This Tryton answers within milliseconds; a real one is given half a minute.
TIEBEAM = (sys.executable, "-m", "gateway.cli")

Ready = dict[str, Any]


class Scene(NamedTuple):
    """What the story plays on."""

    url: str
    token: str
    config: Path
    tryton: Ready
    redmine: Ready | None


@contextlib.contextmanager
def scene(psa: str, *, verbose: bool) -> Iterator[Scene]:
    """Start everything, afresh, and stop it at the end."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    with contextlib.ExitStack() as stack:
        tryton = start_tryton(HOME / "tryton", progress=progress)
        stack.callback(tryton.stop)
        redmine = stack.enter_context(_redmine()) if psa == "redmine" else None
        config = installation(HOME / "installation", tryton.ready, redmine)
        progress("Starting the gateway and its worker …")
        address = stack.enter_context(serving(config, None if verbose else HOME / "gateway.log"))
        yield Scene(address, token(config), config, tryton.ready, redmine)


@contextlib.contextmanager
def serving(config: Path, log: Path | None, serve: Sequence[str] = (*TIEBEAM, "serve")) -> Iterator[str]:
    """Run `tiebeam serve`, or what stands for it, for the length of the block; yield its address once it is ready."""
    http = yaml.safe_load(config.read_text())["http"]
    address = f"http://{http['host']}:{http['port']}"
    with contextlib.ExitStack() as stack:
        into = stack.enter_context(log.open("w")) if log else None
        gateway = subprocess.Popen([*serve, "--config", config], stdout=into, stderr=subprocess.STDOUT)  # noqa: S603 - our own
        stack.callback(end, gateway, STOPPED_WITHIN_S)
        _wait_until_ready(address, gateway, log)
        yield address


def installation(folder: Path, tryton: Ready, redmine: Ready | None = None) -> Path:
    """Return the settings file of an installation as `tiebeam init` writes it, with the systems entered."""
    subprocess.run([*TIEBEAM, "init", folder], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    config = folder / "tiebeam.yaml"
    settings = yaml.safe_load(config.read_text())
    (folder / "tryton-password").write_text(tryton["password"])
    for name in ("books", "delivery"):
        own = settings["connections"][name]["settings"]
        own |= {"base_url": tryton["base_url"], "password": {"file": "tryton-password"}}
        own["settle_s"] = SETTLE_S
    if redmine:
        settings["connections"]["redmine"] = _redmine_connection(folder, redmine)
        settings["entities"]["ES01"]["psa"] = "redmine"  # The one line that exchanges the PSA.
        promise(folder / "ownership.yaml", "redmine")
    settings["http"]["port"] = free_port()
    config.write_text(yaml.safe_dump(settings, sort_keys=False))
    return config


def _redmine_connection(folder: Path, redmine: Ready) -> dict[str, Any]:
    (folder / "redmine-key").write_text(redmine["api_key"])
    return {
        "vendor": "redmine",
        "family": "psa",
        "environment": "sandbox",
        "owner": "project-operations",
        "legal_entities": ["ES01"],
        "settings": {"base_url": redmine["base_url"], "api_key": {"file": "redmine-key"}},
    }


def promise(ownership: Path, connection: str) -> None:
    """Write down what is promised of a further connection: one of which nothing is stops the start."""
    document = yaml.safe_load(ownership.read_text())
    document["connections"][connection] = document["connections"]["delivery"]
    ownership.write_text(yaml.safe_dump(document, sort_keys=False))


@contextlib.contextmanager
def _redmine() -> Iterator[Ready]:
    from examples.servers.start_redmine import redmine  # noqa: PLC0415 - needed by one of the two stages only

    progress("Starting Redmine …")
    with redmine(HOME / "redmine") as ready:
        yield ready


def token(config: Path, *limits: str) -> str:
    """Return an access token of the development issuer, as `tiebeam token` prints it."""
    command = [*TIEBEAM, "token", "--config", config, "--minutes", LIFETIME_MIN, *limits]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - our own


def _wait_until_ready(url: str, gateway: subprocess.Popen[bytes], log: Path | None) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/health/ready").is_success:
                return
        if gateway.poll() is not None:
            break
        time.sleep(0.1)
    said = f" It said:\n{log.read_text()[-4000:]}" if log else ""
    raise RuntimeError(f"The gateway did not become ready.{said}")
