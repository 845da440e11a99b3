"""The product as `tiebeam serve` serves it, by Granian and through the edge; strict fakes stand for the systems."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import yaml

from examples.demo.stage import installation, serving
from gateway import commands, main
from gateway.edge import Edge
from gateway.egress.limits import Part
from gateway.settings import load
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

UNHINDERED = [
    {"kind": "rate_limit", "per": "client", "limit": 1_000_000, "window_s": 60, "when_unavailable": "refuse"}
    | ({"match": {"operations": [of]}} if of else {})
    for of in (None, "system/*")
]
"""Quotas that no test meets, so that every answer is the operation's own."""


class Served(NamedTuple):
    """A server process: where it listens, a token that sees everything, and its database."""

    url: str
    token: str
    database: str


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve an installation for the length of the block, without a worker: nothing is carried out."""
    config = installation(folder / "installation", {"base_url": "http://127.0.0.1:9", "password": "nobody asks"})
    (config.parent / "policies" / "90-tests.yaml").write_text(yaml.safe_dump({"policies": UNHINDERED}))
    with serving(config, folder / "gateway.log", [sys.executable, "-m", "tests.contracts.served"]) as url:
        settings = load(str(config))
        token = commands.development_token(settings, commands.Claims(client="crm"), 3600)
        yield Served(url, token, settings.database_url)


def application() -> Edge:
    """Return the web process's application, which asks fakes; what Granian calls in the process that serves."""
    settings = load()
    built = main.parts(main.read(settings), Part.web)
    erps, psas = {"books": FakeErp()}, {"delivery": FakePsa()}
    landscape = main.landscape_of(settings, erps, psas)
    return main.web(replace(built, erps=erps, psas=psas, landscape=landscape))


if __name__ == "__main__":
    of_file = load(sys.argv[-1])
    commands.prepare(of_file)
    commands.server(of_file, f"{__spec__.name}:application").serve()
