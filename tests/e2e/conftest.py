"""Whole installations: the product's own processes, on real systems, called over HTTP as others call it.

Both pairs of databases are here: *embedded* (our SQLite, Tryton on SQLite) and *service* (our PostgreSQL and Valkey,
Tryton on PostgreSQL).
"""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import yaml

from examples.demo.books import Tryton
from examples.demo.crm import Crm
from examples.demo.stage import TIEBEAM, Ready, installation, serving, token
from tests.servers_postgres import postgres
from tests.servers_redmine import RedmineBooks, redmine_server
from tests.servers_tryton import tryton_server
from tests.servers_valkey import valkey

SETTLE_S = 0.5
QUICK = {"retry_interval_s": 0.05, "probes_s": [0.2, 0.5, 1.0], "poll_interval_s": 0.05, "unavailable_resume_s": 1.0}


class Live:
    """A running installation, the systems behind it, and their own books."""

    def __init__(self, url: str, config: Path, ready: Ready, redmine: Ready | None = None) -> None:
        self.url, self.config, self.ready, self.redmine = url, config, ready, redmine
        self.delivery = "redmine" if redmine else "delivery"
        self.crm = Crm(url, token(config))
        self.erp, self.psa = self.books("erp"), self.books("psa")

    def close(self) -> None:
        """Hang up everywhere."""
        for one in (self.crm, self.erp, self.psa):
            one.close()

    def books(self, database: str) -> Tryton:
        """Return a database of Tryton as its administrator sees it."""
        ready = self.ready
        return Tryton(f"{ready['base_url']}/{database}/rpc/", ready["admin_user"], ready["admin_password"])

    def projects_in_delivery(self, business_key: str) -> int:
        """Return how many projects of the PSA carry the key, by its own books."""
        if self.redmine:
            return asyncio.run(RedmineBooks(self.redmine).count_projects(business_key))
        marked = [["comment", "like", f"%key: {business_key}%"], ["type", "=", "project"]]
        return len(self.psa.find("project.work", marked))

    def client(self, *limits: str) -> httpx.Client:
        """Return a client with a token of these limits, as `tiebeam token` takes them."""
        headers = {"Authorization": f"Bearer {token(self.config, *limits)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)


def quick(config: Path, **changed: object) -> Path:
    """Return the settings file, with clocks for tests and what else was changed."""
    settings = yaml.safe_load(config.read_text())
    settings["processes"] |= QUICK
    for connection in settings["connections"].values():
        connection["settings"]["settle_s"] = SETTLE_S
    config.write_text(yaml.safe_dump(settings | changed, sort_keys=False))
    return config


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("embedded", marks=pytest.mark.live),
        pytest.param("service", marks=pytest.mark.live),
        pytest.param("redmine", marks=pytest.mark.redmine),
    ],
)
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Each pair of databases, and the embedded one with Redmine as PSA, with everything running."""
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        redmine = stack.enter_context(redmine_server()) if request.param == "redmine" else None
        ready = stack.enter_context(tryton_server("postgresql" if request.param == "service" else "sqlite"))
        config = installation(folder / "installation", ready, redmine)
        config = in_service(stack, config) if request.param == "service" else quick(config)
        url = stack.enter_context(serving(config, folder / "gateway.log"))
        everything = Live(url, config, ready, redmine)
        yield everything
        everything.close()


def in_service(stack: ExitStack, config: Path) -> Path:
    """Return the settings of the service profile, its database migrated by hand as an operator would."""
    secrets = {
        "database-url": stack.enter_context(postgres()).database(),
        "redis-url": stack.enter_context(valkey()).url.reveal(),
    }
    for name, text in secrets.items():
        (config.parent / name).write_text(text)
    url = {name.removesuffix("-url"): {"url": {"file": name}} for name in secrets}
    quick(config, **url)
    subprocess.run([*TIEBEAM, "migrate", "--config", config], check=True, capture_output=True)  # noqa: S603 - our own
    return config
