"""The product as it is served, with a proxy on the way to its ERP, and the thread of money played through it by REST.

What a caller sees is polled all the while; what became of it is read in Tryton's own ledger.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import yaml

from examples.demo import orders
from examples.demo.books import Tryton
from examples.demo.people import TrytonDesks, Work
from examples.demo.stage import installation, serving, token
from examples.servers.tcp_proxy import TcpProxy
from tests.e2e.conftest import quick
from tests.e2e.test_story import signed
from tests.servers_tryton import tryton_server

TRANSFER: Final = "/process/time-transfer/v1"
RELEASE: Final = "/process/invoice-release/v1"
ONBOARDING: Final = "/process/project-onboarding/v1/onboardings"
HOLDS: Final = "/process/billing-holds/v1/holds"
ITEMS: Final = "/platform/operations/v1/work-items"

DEADLINE_S: Final = 3.0
"""How long a call to the ERP may take: the product's policy, shortened."""
SETTLE_S: Final = 0.4
A_DAY: Final = 86_400.0
CLOCKS: Final = {
    "retry_attempts": 2,
    "retry_interval_s": 0.05,
    "probes_s": [0.3, 0.4],
    "poll_interval_s": 0.05,
    "unavailable_resume_s": 0.3,
    "write_deadline_s": 15.0,
}
BY_HAND: Final = {
    "transfer": {"poll_s": A_DAY, "sweep_s": A_DAY, "retry_rejected_s": A_DAY},
    "holds": {"push_every_s": A_DAY, "settle_every_s": A_DAY, "observe_every_s": A_DAY},
}
"""Nothing is done at set intervals: a fault meets what a test asks for."""
RESTS_WITHIN_S: Final = 120.0
LOOK_EVERY_S: Final = 0.03

Document = dict[str, Any]


class Seen(NamedTuple):
    """What a caller has read of a process until it rested: the last of it, and each pair of state and outcome."""

    last: Document
    states: set[tuple[str, str]]

    @property
    def in_doubt(self) -> bool:
        """Tell whether the caller was told that nobody knows yet."""
        return any(outcome == "uncertain" for _, outcome in self.states)

    @property
    def in_doubt_now(self) -> bool:
        """Tell whether that was the last that the caller was told."""
        return any(one["outcome"] == "uncertain" for one in (self.last, *self.last.get("requests", ())))


def ended(document: Document) -> bool:
    """Tell whether nothing more comes."""
    return document["state"] in {"active", "completed", "cancelled"}


class Ledger:
    """Tryton's own books."""

    def __init__(self, erp: Tryton) -> None:
        self._erp = erp

    def moves(self, key: str) -> list[str]:
        """Return the states of the moves that carry the key."""
        return [move["state"] for move in self._erp.find("account.move", [["description", "=", key]], "state")]

    def invoices(self, key: str) -> list[str]:
        """Return the states of the invoices that carry the key."""
        return [one["state"] for one in self._erp.find("account.invoice", [["reference", "=", key]], "state")]


class MoneyStage:
    """A running installation: its callers, people in the PSA, the line to the ERP, and the ERP's books."""

    def __init__(self, url: str, bearer: str, proxy: TcpProxy, ready: Document) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {bearer}"}, timeout=60)
        self.proxy, self._days = proxy, cycle(range(28))  # A day has 24 hours, whichever project they are for.
        self.erp = Tryton(f"{ready['base_url']}/erp/rpc/", ready["admin_user"], ready["admin_password"])
        self.desks = TrytonDesks(f"{ready['base_url']}/psa/rpc/", ready["admin_password"])
        self.ledger = Ledger(self.erp)

    def close(self) -> None:
        """Hang up."""
        self.http.close()
        self.erp.close()
        self.desks.close()

    def onboard(self) -> Document:
        """Return a project of a new customer's, open for time and postings."""
        accepted = self.ask(ONBOARDING, signed())
        project: Document = self.watch(accepted).last["project"]
        return project

    def work(self, project: Document) -> list[str]:
        """Return two entries of time, booked and approved in the PSA."""
        day = orders.last_month()[0] + timedelta(days=next(self._days))
        entries = [
            self.desks.book(project["code"], Work("Ana Ruiz", "Build", day, 60, "Interface of the loader")),
            self.desks.book(project["code"], Work("Ben Okafor", "Build", day, 20, "Call about the cut-over")),
        ]
        self.desks.approve(entries)
        return entries

    def transfer(self) -> str:
        """Ask for a run over what has changed; return where it is."""
        return self.ask(f"{TRANSFER}/runs", {"connection": "delivery"})

    def release(self, project: Document) -> str:
        """Ask for last month's work on the project to be invoiced; return where the release is."""
        wanted = {"legal_entity": "ES01", "projects": [project["id"]], "through": str(orders.last_month()[1])}
        return self.ask(f"{RELEASE}/releases", wanted)

    def ask(self, path: str, body: Document) -> str:
        """Return where that which was accepted can be followed."""
        answer = self.http.post(path, json=body, headers={"Idempotency-Key": f'"{uuid.uuid4()}"'})
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return str(answer.headers["Location"])

    def get(self, path: str) -> Document:
        """Return what is read."""
        document: Document = self.http.get(path).raise_for_status().json()
        return document

    def watch(
        self, location: str, until: Callable[[Document], bool] = ended, each: Callable[[Seen], object] = bool
    ) -> Seen:
        """Return all that a caller sees who asks again and again until it fits; `each` hears of it meanwhile."""
        states: set[tuple[str, str]] = set()
        for document in self.polled(location):
            states |= {(one["state"], one["outcome"]) for one in (document, *document.get("requests", ()))}
            seen = Seen(last=document, states=states)
            each(seen)
            if until(document):
                return seen
        raise AssertionError(f"{location} does not come to rest: {document}")

    def polled(self, location: str) -> Iterator[Document]:
        """Yield what is there, again and again."""
        until = time.monotonic() + RESTS_WITHIN_S
        while time.monotonic() < until:
            yield self.get(location)
            time.sleep(LOOK_EVERY_S)

    def facts(self, project: Document) -> list[Document]:
        """Return the facts of the project's time."""
        entries = self.get(f"{TRANSFER}/entries?project={project['id']}")["items"]
        return [fact for entry in entries for fact in entry["facts"]]


@contextmanager
def money_stage(folder: Path) -> Iterator[MoneyStage]:
    """Serve the product on SQLite for the length of the block, its ERP behind a proxy."""
    with ExitStack() as stack:
        ready = stack.enter_context(tryton_server())
        proxy = stack.enter_context(TcpProxy(ready["base_url"]))
        config = installation(folder / "installation", ready)
        impatient(config, proxy.url)
        url = stack.enter_context(serving(config, folder / "gateway.log"))
        stage = MoneyStage(url, token(config), proxy, ready)
        stack.callback(stage.close)
        yield stage


def impatient(config: Path, erp: str) -> None:
    """Let the ledger be reached through the proxy, and everything wait less."""
    quick(config, **BY_HAND)
    settings = yaml.safe_load(config.read_text())
    settings["processes"] |= CLOCKS
    settings["connections"]["books"]["settings"] |= {"base_url": erp, "settle_s": SETTLE_S}
    config.write_text(yaml.safe_dump(settings, sort_keys=False))
    row = {
        "kind": "upstream",
        "match": {"connections": ["books"]},
        "quota": {
            "rate": 200,
            "burst": 200,
            "concurrency": 8,
            "interactive_share": 0.5,
            "when_unavailable": "count_alone",
        },
        "patience": {"deadline_s": DEADLINE_S, "connect_s": 1, "read_retries": 1},
        "circuit": {"failures": 1000, "open_s": 1},
        "cache_s": 0,
    }
    # Somebody looks all the while, to see each state: that is more than the product allows a client.
    looks = {"kind": "rate_limit", "per": "client", "limit": 1_000_000, "window_s": 60, "when_unavailable": "allow"}
    (config.parent / "policies" / "90-tests.yaml").write_text(yaml.safe_dump({"policies": [row, looks]}))
