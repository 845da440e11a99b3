"""An identity provider that is away at the start, comes, and whose tokens are denied; over HTTP, as it happens."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml
from click.testing import CliRunner

from examples.demo.stage import TIEBEAM, free_port, installation, serving, token
from gateway import cli, main
from gateway.caller import INSTALLATION
from gateway.settings import Settings, load
from gateway.store import denials
from gateway.store.database import Store, create_engine
from gateway.store.denials import DenialKind, NewDenial
from tests.tokens import AUDIENCE, ISSUER, KEYS
from tests.tokens import token as signed

WITHIN_S = 90
WEB = (*TIEBEAM, "serve", "--no-worker")
"""A worker would ask systems that are away, and be waited for at the end."""
ITEMS = "/platform/operations/v1/work-items"


class Provider(BaseHTTPRequestHandler):
    """Publishes the keys."""

    def do_GET(self) -> None:
        body = json.dumps({"keys": KEYS}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def provider(port: int) -> Iterator[None]:
    """Serve the keys for the length of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Provider)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fresh(**changes: object) -> str:
    now = int(time.time())
    said = {
        "iat": now - 5,
        "exp": now + 600,
        "client_id": "developer",
        "scope": "work-items:read",
        "legal_entities": "*",
    }
    return signed(**said | changes).decode()  # type: ignore[arg-type]


def soon(holds: Callable[[], bool]) -> bool:
    """Tell whether it holds before the time is up."""
    until = time.monotonic() + WITHIN_S
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


async def deny(settings: Settings, new: NewDenial) -> None:
    """Deny it from another process than the one that serves, and say so."""
    store, counters = Store(create_engine(settings.database_url)), main.counters_of(settings)
    await denials.deny(store, INSTALLATION, new)
    await counters.move(["denials"])
    await counters.close()
    await store.close()


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, port: int) -> Path:
    """An installation that takes tokens of the development issuer and of one that nobody serves yet."""
    file = installation(
        tmp_path_factory.mktemp("issuers") / "firm", {"base_url": "http://127.0.0.1:9", "password": "hunter2-hunter2"}
    )
    document = yaml.safe_load(file.read_text())
    at = {"jwks_url": f"http://127.0.0.1:{port}/keys", "keys": {"refetch_s": 1}}
    document["issuers"].append({"issuer": ISSUER, "audience": AUDIENCE} | at)
    file.write_text(yaml.safe_dump(document))
    return file


def test_issuer_that_is_away_keeps_nobody_from_work_and_is_taken_up_when_it_comes(
    config: Path, port: int, tmp_path: Path
) -> None:
    with serving(config, tmp_path / "log", WEB) as url:

        def status(given: str) -> int:
            return httpx.get(url + ITEMS, headers={"authorization": f"Bearer {given}"}).status_code

        theirs, lost = fresh(), fresh(jti="lost")
        away = (status(token(config)), status(theirs))
        with provider(port):
            taken_up = soon(lambda: status(theirs) == 200)
            before = (status(lost), status(lost))
        asyncio.run(deny(load(str(config)), NewDenial(kind=DenialKind.token, name="lost", reason="A laptop.")))
        after = (status(lost), status(theirs))
        asyncio.run(
            deny(load(str(config)), NewDenial(kind=DenialKind.client, name="developer", issuer=ISSUER, reason="?"))
        )
        last = (status(theirs), status(fresh()), status(token(config)))

    assert away == (200, 401)
    assert taken_up
    assert (before, after) == ((200, 200), (401, 200))
    assert last == (401, 401, 200)


def test_check_says_whose_keys_cannot_be_had(config: Path, port: int) -> None:
    without = CliRunner().invoke(cli.main, ["check", "--config", str(config)])
    with provider(port):
        having = CliRunner().invoke(cli.main, ["check", "--config", str(config)])

    assert (without.exit_code, having.exit_code) == (1, 0)
    assert f"keys of {ISSUER}: The address did not answer" in without.output
    assert f"keys of {ISSUER}: http://127.0.0.1:{port}/keys has r, p, e, d, n." in having.output
