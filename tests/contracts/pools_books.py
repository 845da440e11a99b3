"""Postings, invoices and time that exist, for calls that need one: `pools` goes on here, for the path of money."""

from collections.abc import Mapping
from typing import Any

from schemathesis import Case

from tests.contracts.harness import Prepare
from tests.contracts.pools import Customers, Projects, list_from_the_start
from tests.fakes.psa import FakePsa

EUROS = {"amount": "60.00", "currency": "EUR"}
ON = "2026-11-20"
LINE = {"net": EUROS, "account": "4.2.2", "tax_code": "VAT 21%"}
FACT = {"net": EUROS, "date": ON, "debit_account": "1.4.2", "credit_account": "4.2.2"}


class Books(Customers):
    """The books of one ERP, with the customers and projects in them."""

    _project = ""

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return super().prepare() | {
            "list_periods": self._ask_for_a_period,
            "list_items": list_from_the_start,
            "list_tax_codes": self._ask_for_an_entity,
            "post_billable_transactions": self._new_facts,
            "create_invoice": self._new_invoice,
            "get_invoice": self._name_invoice,
            "post_invoice": self._name_invoice_and_version,
            "cancel_invoice": self._name_invoice,
            "list_payments": self._list_payments,
        }

    def _ask_for_an_entity(self, case: Case) -> None:
        case.query = {"legal_entity": "ES01", "limit": 2}

    def _ask_for_a_period(self, case: Case) -> None:
        case.query = {"legal_entity": "ES01", "on": ON}

    def _new_facts(self, case: Case) -> None:
        facts = [fact | FACT | {"project_id": self._active_project()} for fact in case.body["transactions"]]
        case.body = {"transactions": [self._served(fact) for fact in facts]}

    def _new_invoice(self, case: Case) -> None:
        case.body = self._invoiced(case.body["lines"][:3]) | {"payment_terms": "net_30"}

    def _name_invoice(self, case: Case) -> None:
        case.path_parameters["invoice_id"] = self._some_invoice()["id"]

    def _name_invoice_and_version(self, case: Case) -> None:
        invoice = self._some_invoice()
        case.path_parameters["invoice_id"] = invoice["id"]
        case.headers["If-Match"] = f'"{invoice["version"]}"'

    def _list_payments(self, case: Case) -> None:
        self._name_invoice(case)
        list_from_the_start(case)

    def _some_invoice(self) -> dict[str, Any]:
        body = self._invoiced([{"business_key": "line_1", "description": "Consultant"}])
        found: dict[str, Any] = self._harness.ask("POST", "/invoices", body)
        return found

    def _invoiced(self, lines: list[Mapping[str, Any]]) -> dict[str, Any]:
        project_id, customer_id = self._active_project(), self._some_customer()["id"]
        valid = [{**line, **LINE, "project_id": project_id} for line in lines]
        new = {"customer_id": customer_id, "currency": "EUR", "accounting_date": ON, "lines": valid}
        return self._served(new)

    def _active_project(self) -> str:
        if not self._project:
            new = {"code": "B-1", "name": "Data", "customer_id": self._some_customer()["id"], "dimensions": []}
            project = self._harness.ask("POST", "/accounting-projects", self._served(new))
            self._project = self._harness.ask("POST", f"/accounting-projects/{project['id']}/activate")["id"]
        return self._project


class Delivery(Projects):
    """The time and the billing of one PSA, with the projects in it; the time is what `with_time` has booked."""

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return super().prepare() | {
            "list_time_entries": self._list_time,
            "get_time_entry": self._name_entry,
            "list_time_totals": self._count_a_month,
            "find_time_feedback": self._ask_for_an_entry,
            "write_time_feedback": self._tell_one,
            "find_billing_notes": self._name_one,
            "write_billing_note": self._new_note,
            "get_hold_flag": self._name_one,
            "set_hold_flag": self._name_one,
        }

    def _list_time(self, case: Case) -> None:
        case.query = {"changed_since": "2020-01-01T00:00:00Z", "limit": 1}

    def _name_entry(self, case: Case) -> None:
        case.path_parameters["entry_id"] = "1"

    def _count_a_month(self, case: Case) -> None:
        case.query = {"first": "2026-11-01", "last": "2026-11-30"}

    def _ask_for_an_entry(self, case: Case) -> None:
        case.query = {"entry_id": "1"}

    def _tell_one(self, case: Case) -> None:
        case.body = {"feedback": [case.body["feedback"][0] | {"entry_id": "1"}]}

    def _new_note(self, case: Case) -> None:
        self._name_one(case)
        case.body = case.body | {"business_key": f"key_{next(self._numbers)}"}


def with_time(psa: FakePsa) -> FakePsa:
    """Return the PSA, with some time in it: only people book time, so that no API could make it."""
    project = psa.make_project("T-1")
    for minutes in (20, 90, 480):
        psa.book_time(project.id, minutes, approved=True)
    return psa
