"""Where things break: the stage with a proxy on the way to the ERP, and a worker that can be killed."""

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from examples.demo import orders
from examples.demo.books import Tryton
from examples.demo.crm import Crm
from examples.demo.money import RELEASE, TRANSFER
from examples.demo.people import TrytonDesks, Work
from examples.demo.stage import HOME, installation, serving, token
from examples.demo.telling import progress
from examples.servers.start import start_tryton
from examples.servers.tcp_proxy import TcpProxy

CLOCKS: Final = {"probes_s": [1.0, 1.0, 2.0], "write_lease_s": 4.0, "retry_attempts": 2, "unavailable_resume_s": 1.0}
"""Shorter than in service, so that nobody has to watch for minutes."""
SETTLE_S: Final = 0.8
ENDED: Final = frozenset({"active", "completed", "cancelled"})
PATIENCE_S: Final = 90.0
LOOK_EVERY_S: Final = 0.5  # Eight at once stay within what a client may ask.

Document = dict[str, Any]


class Hazards(NamedTuple):
    """Who plays: the gateway's caller, people in the PSA, the ERP's own books, the line to it, and the worker."""

    caller: Crm
    desks: TrytonDesks
    erp: Tryton
    line: TcpProxy
    config: Path
    """The installation's settings."""

    @property
    def worker(self) -> int:
        """Return the id of the process that carries out what was accepted."""
        return int((self.config.parent / "data" / "tiebeam.sqlite.worker.lock").read_text())

    def look_until(self, path: str, states: frozenset[str] = ENDED, *, of: str = "state") -> Document:
        """Return what is there once it is in one of the states; nothing is shown meanwhile. `of` names the field."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found: Document = self.caller.get(path).json()
            if found[of] in states:
                return found
            time.sleep(LOOK_EVERY_S)
        raise TimeoutError(f"{path} is still {found[of]} after {PATIENCE_S:.0f} s.")


@contextlib.contextmanager
def hazards(*, verbose: bool) -> Iterator[Hazards]:
    """Start everything, afresh, with the proxy between the gateway and its ledger; stop it at the end."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    with contextlib.ExitStack() as stack:
        tryton = start_tryton(HOME / "tryton", progress=progress)
        stack.callback(tryton.stop)
        ready = tryton.ready
        line = stack.enter_context(TcpProxy(ready["base_url"]))
        config = _through(line.url, installation(HOME / "installation", ready))
        progress("Starting the gateway and its worker …")
        url = stack.enter_context(serving(config, None if verbose else HOME / "gateway.log"))
        caller = Crm(url, token(config))
        erp = Tryton(f"{ready['base_url']}/erp/rpc/", ready["admin_user"], ready["admin_password"])
        desks = TrytonDesks(f"{ready['base_url']}/psa/rpc/", ready["admin_password"])
        for one in (caller, erp, desks):
            stack.callback(one.close)
        yield Hazards(caller, desks, erp, line, config)


def _through(line: str, config: Path) -> Path:
    settings = yaml.safe_load(config.read_text())
    settings["processes"] |= CLOCKS
    settings["connections"]["books"]["settings"] |= {"base_url": line, "settle_s": SETTLE_S}
    config.write_text(yaml.safe_dump(settings, sort_keys=False))
    return config


def ready_to_invoice(stage: Hazards, count: int) -> list[Document]:
    """Return so many projects of as many customers, each with an hour that is approved and in the books."""
    progress(f"Onboarding {count} projects …")
    with ThreadPoolExecutor(count) as customers:
        projects = list(customers.map(lambda number: _onboarded(stage, number), range(count)))
    progress("Booking, approving and transferring an hour on each …")
    day = orders.last_month()[0]
    hours = [
        stage.desks.book(project["code"], Work("Ana Ruiz", "Build", day, 60, "Interface of the loader"))
        for project in projects
    ]
    stage.desks.approve(hours)
    stage.look_until(_asked(stage, f"{TRANSFER}/runs", {"connection": "delivery"}))
    return projects


def _onboarded(stage: Hazards, number: int) -> Document:
    account = {"account": f"A-{number}", "name": f"Firm {number}", "legal_name": f"Firm {number} S.L."}
    customer = {**orders.HARBOUR, **account, "no_tax_id_reason": "applied_for", "confirmed_new": True}
    del customer["tax_id"]
    body = orders.statement_of_work(f"01{number:02}", customer, f"Project {number}", "CONS")
    project: Document = stage.look_until(_asked(stage, "/process/project-onboarding/v1/onboardings", body))["project"]
    return project


def _asked(stage: Hazards, path: str, body: Document) -> str:
    answer = stage.caller.create_quietly(path, body)
    answer.raise_for_status()
    return str(answer.headers["Location"])


def release(stage: Hazards, project: Document) -> str:
    """Ask for the project's work to be invoiced; return where the release is."""
    wanted = {"legal_entity": "ES01", "projects": [project["id"]], "through": str(orders.last_month()[1])}
    answer = stage.caller.create(f"{RELEASE}/releases", wanted)
    answer.raise_for_status()
    return str(answer.headers["Location"])


def invoices(stage: Hazards, keys: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return Tryton's invoices that carry one of the keys: key, state and number."""
    found = stage.erp.find("account.invoice", [["reference", "in", list(keys)]], "reference", "state", "number")
    return [(one["reference"], one["state"], one["number"] or "") for one in found]
