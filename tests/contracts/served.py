"""The product as `tiebeam serve` serves it, by Granian and through the edge; strict fakes stand for the systems."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from examples.demo.stage import installation, serving
from gateway import commands, commands_tokens, main
from gateway.edge import Edge
from gateway.egress.limits import Part
from gateway.settings import load
from tests.contracts.pools_books import with_time
from tests.fakes.composed import lift_quotas, on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

BASES = {
    "system/erp/v1": "/system/books/erp/v1",
    "system/psa/v1": "/system/delivery/psa/v1",
    "process/project_onboarding/v1": "/process/project-onboarding/v1",
    "process/time_transfer/v1": "/process/time-transfer/v1",
    "process/invoice_release/v1": "/process/invoice-release/v1",
    "process/billing_holds/v1": "/process/billing-holds/v1",
    "process/billing_holds/v2": "/process/billing-holds/v2",
    "process/status/v1": "/process/status/v1",
    "platform/operations/v1": "/platform/operations/v1",
    "platform/governance/v1": "/platform/governance/v1",
}
"""Where each contract is served; a system contract once for each connection."""


class Served(NamedTuple):
    """A server process: where it listens, a token that sees everything, its database and its policies."""

    url: str
    token: str
    database: str
    policies: Path


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve an installation for the length of the block, without a worker: nothing is carried out."""
    config = installation(folder / "installation", {"base_url": "http://127.0.0.1:9", "password": "nobody asks"})
    lift_quotas(config)
    with serving(config, folder / "gateway.log", [sys.executable, "-m", "tests.contracts.served"]) as url:
        settings = load(str(config))
        token = commands_tokens.development_token(settings, commands_tokens.Claims(client="crm"), 3600)
        yield Served(url, token, settings.database_url, settings.path("policies"))


def application() -> Edge:
    """Return the web process's application, which asks fakes; what Granian calls in the process that serves."""
    settings = load()
    psa = with_time(FakePsa())
    return main.web(on_fakes(main.parts(main.read(settings), Part.web), FakeErp(), psa))


if __name__ == "__main__":
    of_file = load(sys.argv[-1])
    commands.prepare(of_file)
    commands.server(of_file, f"{__spec__.name}:application").serve()
