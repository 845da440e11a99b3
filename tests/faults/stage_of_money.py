"""The stage on which campaigns play the path of money: either pair of databases, a mortal worker, and the books."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from examples.demo.books import Tryton
from examples.demo.people import TrytonDesks
from examples.demo.stage import installation
from tests.e2e.conftest import QUICK, in_service, quick
from tests.faults.killing_money import Money
from tests.faults.money_books import MoneyBooks
from tests.faults.mortal import Mortal
from tests.faults.test_onboarding_kills import books
from tests.servers_tryton import tryton_server

A_DAY: Final = 86_400.0
BY_HAND: Final = {
    "transfer": {"poll_s": A_DAY, "sweep_s": A_DAY, "retry_rejected_s": A_DAY, "overlap_s": 60.0},
    "holds": {"push_every_s": A_DAY, "settle_every_s": A_DAY, "observe_every_s": A_DAY},
}
"""Nothing is done at set intervals: what a worker left, its successor finds by itself."""


class Clocks(NamedTuple):
    """How long what a dead worker holds is waited for; a busy Tryton answers within seven tenths of the write's."""

    write_lease_s: float
    settle_s: float
    """Longer than Tryton is at a call that nobody waits for any more: or else it is sent twice."""
    worker_lease_s: float = 3.0
    """Where workers are to be taken for dead soon; one that lives loses it where the machine stalls for so long."""

    def settings(self) -> dict[str, object]:
        """Return them as settings; a first probe comes when "not there" proves something."""
        probes = [self.settle_s + 0.3, self.settle_s]
        return {**QUICK, "probes_s": probes, "write_lease_s": self.write_lease_s, "worker_lease_s": self.worker_lease_s}


class Servers(NamedTuple):
    """The systems of a pair, and an installation beside them that nobody has started yet."""

    config: Path
    desks: TrytonDesks
    erp: Tryton
    psa: Tryton

    @property
    def books(self) -> MoneyBooks:
        """Return what money leaves in both."""
        return MoneyBooks(self.erp, self.psa)


@contextmanager
def servers_of(folder: Path, pair: str, clocks: Clocks) -> Iterator[Servers]:
    """Run the systems of the pair `embedded`, or `service`."""
    with ExitStack() as servers:
        ready = servers.enter_context(tryton_server("postgresql" if pair == "service" else "sqlite"))
        config = installation(folder / "installation", ready)
        if pair == "service":
            in_service(servers, config)
        connections = yaml.safe_load(config.read_text())["connections"]
        for connection in connections.values():
            connection["settings"]["settle_s"] = clocks.settle_s
        quick(config, processes=clocks.settings(), connections=connections, **BY_HAND)
        erp, psa = (servers.enter_context(closing(books(ready, database))) for database in ("erp", "psa"))
        desks = servers.enter_context(closing(TrytonDesks(f"{ready['base_url']}/psa/rpc/", ready["admin_password"])))
        yield Servers(config, desks, erp, psa)


@asynccontextmanager
async def stage_of_money(folder: Path, pair: str, clocks: Clocks) -> AsyncIterator[tuple[Money, MoneyBooks]]:
    """Yield everybody who moves money, and the books: of the pair `embedded`, or `service`."""
    with servers_of(folder, pair, clocks) as servers:
        async with Mortal(servers.config, folder, schedules=False) as product:
            yield Money(product, servers.desks), servers.books
