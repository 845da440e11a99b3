"""A project of its own on a live installation: who books, approves and releases on it, and what the ledger shows."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any

import httpx

from examples.demo import orders
from examples.demo.books import Tryton
from examples.demo.people import Desks, RedmineDesks, TrytonDesks, Work
from tests.e2e.conftest import Live

Document = dict[str, Any]

TRANSFER, HOLDS = "/process/time-transfer/v1", "/process/billing-holds/v1/holds"
RELEASE, STATUS = "/process/invoice-release/v1", "/process/status/v1"
ACCRUED, REVENUE, COST, OWED = "1.4.2", "4.2.2", "5.1.3", "2.2.4"
FIRST, LAST = orders.last_month()
TOLD_WITHIN_S = 120.0
MANY_RUNS = 6
"""The installation's own schedule takes time over as well: an entry may be in a run that was met too late."""


class Office:
    """One project, seen from every desk."""

    def __init__(self, live: Live, statement_of_work: Document) -> None:
        self.live, self.crm, self.desks = live, live.crm, desks_of(live)
        self.account = statement_of_work["customer"]["account"]
        onboarding = live.crm.follow(live.crm.onboard(statement_of_work).headers["Location"])
        self.customer, self.project = onboarding["customer"]["id"], onboarding["project"]["id"]
        self.code = onboarding["project"]["code"]

    def book(self, person: str, minutes: int, text: str, day: int = 3) -> str:
        """Return the entry that the person has booked, and somebody else approved."""
        entry = self.desks.book(self.code, Work(person, "Build", FIRST.replace(day=day), minutes, text))
        self.desks.approve([entry])
        return entry

    def correct(self, entry: str, minutes: int) -> None:
        """Let the project's manager change how long it took."""
        if self.live.redmine is None:
            duration = {"duration": {"__class__": "timedelta", "seconds": minutes * 60.0}}
            url, password = f"{self.live.ready['base_url']}/psa/rpc/", self.live.ready["admin_password"]
            with closing(Tryton(url, "chloe", password)) as manager:
                manager.model("timesheet.line", "write", [int(entry)], duration)
            return
        headers = {"X-Redmine-API-Key": self.live.redmine["user_api_keys"]["admin"]}
        hours = {"time_entry": {"hours": f"{minutes // 60}:{minutes % 60:02}"}}
        url = f"{self.live.redmine['base_url']}/time_entries/{entry}.json"
        httpx.put(url, json=hours, headers=headers, timeout=30).raise_for_status()

    def carry_over(self, *entries: str, until: str = "posted") -> list[Document]:
        """Return the newest revisions of the entries, once runs have brought each of them there."""
        for _ in range(MANY_RUNS):
            answer = self.crm.create(f"{TRANSFER}/runs", {"connection": self.live.delivery})
            self.crm.follow(answer.raise_for_status().headers["Location"])
            shown = [self.entry(entry) for entry in entries]
            if all(one["transfer"] == until for one in shown):
                return shown
        raise AssertionError(f"Not {until}: {[(one['transfer'], one['detail']) for one in shown]}")

    def entry(self, entry: str) -> Document:
        """Return the newest revision of the entry; one that was not taken over yet says so."""
        query = f"connection={self.live.delivery}&external_id={entry}"
        items = self.crm.get(f"{TRANSFER}/entries?{query}").json()["items"]
        return dict(items[0]) if items else {"transfer": None, "detail": "It was not taken over."}

    def item(self, item: str) -> Document:
        """Return a work item."""
        found: Document = self.crm.get(f"/platform/operations/v1/work-items/{item}").json()
        return found

    def hold(self, reference: str) -> Document:
        """Return the hold that the CRM places on the project."""
        scope = {"type": "project", "id": self.project}
        body = {"scope": scope, "reason_code": "dispute", "note": "Asks about an hour.", "reference": reference}
        placed: Document = self.crm.create(HOLDS, body).raise_for_status().json()
        return placed

    def lift(self, hold: Document) -> None:
        """Lift the hold."""
        self.crm.create(f"{HOLDS}/{hold['id']}/lift", {"reason": "Answered."}).raise_for_status()

    def flagged(self, *, shown: bool) -> bool:
        """Return whether the PSA shows the project as held; it is told of a hold, and of its end, within moments."""
        until = time.monotonic() + TOLD_WITHIN_S
        while self.desks.held(self.code) is not shown and time.monotonic() < until:
            time.sleep(0.2)
        return self.desks.held(self.code)

    def approve_milestone(self, name: str) -> None:
        """Say that the milestone is achieved."""
        milestones = self.crm.get(f"{RELEASE}/milestones?project={self.project}").json()["items"]
        (found,) = (one["id"] for one in milestones if one["name"] == name)
        said = {"achieved_on": str(LAST), "evidence": "Protocol of acceptance"}
        self.crm.create(f"{RELEASE}/milestones/{found}/approve", said).raise_for_status()

    def ask_release(self) -> httpx.Response:
        """Return the answer to asking for what was done on the project last month."""
        return self.crm.create(f"{RELEASE}/releases", self.wanted).raise_for_status()

    def released(self) -> list[Document]:
        """Return what became of each request of such a release, once it rests."""
        requests: list[Document] = self.crm.follow(self.ask_release().headers["Location"])["requests"]
        return requests

    def previewed(self) -> list[Document]:
        """Return what such a release would invoice."""
        answer = self.crm.create(f"{RELEASE}/releases?dry_run=true", self.wanted).raise_for_status()
        requests: list[Document] = answer.json()["requests"]
        return requests

    @property
    def wanted(self) -> Document:
        """Return the body of such a release."""
        return {"legal_entity": "ES01", "projects": [self.project], "through": str(LAST)}

    def status(self) -> Document:
        """Return the project's status."""
        found: Document = self.crm.get(f"{STATUS}/project-statuses/{self.project}").json()
        return found

    def made_of(self, invoice: str) -> list[Document]:
        """Return what the invoice with the number is made of."""
        found: list[Document] = self.crm.get(f"{STATUS}/billing-statuses?invoice={invoice}").json()["items"]
        return found

    def postings(self, *keys: str) -> dict[str, dict[str, str]]:
        """Return what stands under each of the keys in Tryton: the accounts, debit less credit."""
        lines = self.live.erp.find(
            "account.move.line",
            [["move.description", "in", list(keys)], ["move.state", "=", "posted"]],
            *("move.description", "account.code", "debit", "credit"),
        )
        found: dict[str, dict[str, str]] = {}
        for line in lines:
            account = found.setdefault(line["move."]["description"], {})
            assert line["account."]["code"] not in account, "A move has one line on an account."
            account[line["account."]["code"]] = f"{_net(line):f}"
        return found

    def balance(self, account: str) -> str:
        """Return the account's debit less its credit, of what carries the project in Tryton."""
        of_project = [["account.code", "=", self.code], ["move_line.account.code", "=", account]]
        lines = self.live.erp.find("analytic_account.line", of_project, "debit", "credit")
        return f"{sum((_net(line) for line in lines), Decimal('0.00')):f}"

    def invoices(self, *keys: str) -> list[tuple[str, ...]]:
        """Return state, net, VAT and total of each invoice in Tryton that bears one of the keys."""
        fields = ("untaxed_amount", "tax_amount", "total_amount")
        found = self.live.erp.find("account.invoice", [["reference", "in", list(keys)]], "state", *fields)
        return [(one["state"], *(f"{Decimal(one[name]['decimal']):.2f}" for name in fields)) for one in found]


def _net(line: Document) -> Decimal:
    return Decimal(line["debit"]["decimal"]) - Decimal(line["credit"]["decimal"])


@contextmanager
def office(live: Live, statement_of_work: Document) -> Iterator[Office]:
    """Onboard the project, and open the desks for the length of the block."""
    opened = Office(live, statement_of_work)
    with closing(opened.desks):
        yield opened


def desks_of(live: Live) -> Desks:
    """Return the desks of whoever books and approves time, in the PSA of the installation."""
    if live.redmine is None:
        return TrytonDesks(f"{live.ready['base_url']}/psa/rpc/", live.ready["admin_password"])
    return RedmineDesks(live.redmine["base_url"], live.redmine["user_api_keys"]["admin"])
