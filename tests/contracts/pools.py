"""Objects that exist, for calls that need one: made through the API itself, so that any installation can be asked.

What only a worker brings about, a process that is parked for one, is written into the database.
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from schemathesis import Case

from tests.contracts.harness import Harness, Prepare
from tests.contracts.objects import Objects
from tests.fakes.statement_of_work import document

ADDRESS = {"street": "1 Market Street", "city": "Valencia", "country": "ES"}
LIKE_NOBODY = {
    "customer__name": "Wren & Otter Shipping",
    "customer__legal_name": "Wren & Otter Shipping S.L.",
    "customer__tax_id": None,
    "customer__no_tax_id_reason": "applied_for",
}
"""No customer of the contracts' examples, for which it would be taken."""


def list_from_the_start(case: Case) -> None:
    """Ask for a page, not for the one that a made-up cursor would show."""
    case.query = {"limit": 1}


def new_key() -> dict[str, str]:
    """Return the header with an idempotency key that nobody has used."""
    return {"Idempotency-Key": f'"{uuid4()}"'}


def give_new_key(case: Case) -> None:
    """Through the edge, which wants a key, let it be one that nobody has used; a made-up one may have been."""
    if "Idempotency-Key" in case.headers:
        case.headers.update(new_key())


class Customers:
    """Customers and accounting projects of one ERP."""

    def __init__(self, harness: Harness) -> None:
        self._harness, self._numbers = harness, iter(range(10_000))
        self._customer: dict[str, Any] = {}

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return {
            "list_legal_entities": list_from_the_start,
            "search_customers": self._search_customer,
            "create_customer": self._new_customer,
            "get_customer": self._name_customer,
            "update_customer": self._change,
            "search_accounting_projects": self._search_project,
            "create_accounting_project": self._new_project,
            "get_accounting_project": self._name_project,
            "activate_accounting_project": self._name_project,
            "deactivate_accounting_project": self._name_project,
        }

    def _search_customer(self, case: Case) -> None:
        case.query = {"name": "Ledger", "limit": 2}

    def _search_project(self, case: Case) -> None:
        case.query = {"code": "P-1"}

    def _new_customer(self, case: Case) -> None:
        kept = {name: value for name, value in case.body.items() if name != "tax_id"}  # Most are not valid anywhere.
        case.body = self._served(kept) | {"country": "ES", "payment_terms": "net_30"}

    def _new_project(self, case: Case) -> None:
        code, customer_id = f"Q-{next(self._numbers)}", self._some_customer()["id"]
        case.body = self._served(case.body) | {"code": code, "customer_id": customer_id, "dimensions": []}

    def _name_customer(self, case: Case) -> None:
        case.path_parameters["customer_id"] = self._some_customer()["id"]

    def _name_project(self, case: Case) -> None:
        number, customer_id = next(self._numbers), self._some_customer()["id"]
        new = {"code": f"P-{number}", "name": "Data", "customer_id": customer_id, "dimensions": []}
        case.path_parameters["project_id"] = self._harness.ask("POST", "/accounting-projects", self._served(new))["id"]

    def _change(self, case: Case) -> None:
        customer_id = self._some_customer()["id"]
        version = self._harness.ask("GET", f"/customers/{customer_id}")["version"]
        case.path_parameters["customer_id"] = customer_id
        case.headers["If-Match"] = f'"{version}"'
        case.body = {"name": f"Ledger {next(self._numbers)}"}

    def _some_customer(self) -> dict[str, Any]:
        if not self._customer:
            new = {"name": "Ledger", "country": "ES", "billing_address": ADDRESS}
            self._customer = self._harness.ask("POST", "/customers", self._served(new))
        return self._customer

    def _served(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {**body, "business_key": f"key_{next(self._numbers)}", "legal_entity": "ES01"}


class Projects:
    """Projects of one PSA."""

    def __init__(self, harness: Harness) -> None:
        self._harness, self._numbers = harness, iter(range(10_000))

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return {
            "list_resources": list_from_the_start,
            "search_projects": self._search,
            "create_project": self._new_project,
            "get_project": self._name_one,
            "open_project": self._name_one,
            "close_project": self._name_one,
            "cancel_project": self._name_one,
            "list_tasks": self._list_of_one,
            "create_task": self._new_part,
            "list_milestones": self._list_of_one,
            "create_milestone": self._new_part,
        }

    def _name_one(self, case: Case) -> None:
        new = {"name": "Data", "customer": {"business_key": "cus_1", "name": "Alder"}, "start": "2026-12-01"}
        case.path_parameters["project_id"] = self._harness.ask("POST", "/projects", self._served(new))["id"]

    def _list_of_one(self, case: Case) -> None:
        self._name_one(case)
        list_from_the_start(case)

    def _search(self, case: Case) -> None:
        case.query = {"code": "P-1"}

    def _new_project(self, case: Case) -> None:
        case.body = self._served(_without(case.body, "native_template", "end")) | {"manager": "ana.ruiz@example.com"}

    def _new_part(self, case: Case) -> None:
        self._name_one(case)
        case.body = _without(case.body, "parent_id") | {"business_key": f"key_{next(self._numbers)}"}

    def _served(self, body: Mapping[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        return {**body, "business_key": f"key_{number}", "legal_entity": "ES01", "code": f"P-{number}"}


class Onboardings:
    """Onboardings that were accepted, or are parked, and statements of work that break no rule."""

    def __init__(self, harness: Harness, made: Objects) -> None:
        self._harness, self._made, self._numbers = harness, made, iter(range(10_000))

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return {
            "list_onboardings": list_from_the_start,
            "start_onboarding": self._new,
            "get_onboarding": self._name_accepted,
            "resume_onboarding": self._name_parked,
            "cancel_onboarding": self._name_accepted,
        }

    def _new(self, case: Case) -> None:
        case.body = self._signed()
        give_new_key(case)

    def _name_accepted(self, case: Case) -> None:
        accepted = self._harness.ask("POST", "/onboardings", self._signed(), new_key())
        case.path_parameters["onboarding_id"] = accepted["id"]

    def _name_parked(self, case: Case) -> None:
        self._name_accepted(case)
        self._harness.run(self._made.park(case.path_parameters["onboarding_id"]))

    def _signed(self) -> dict[str, Any]:
        number = next(self._numbers)
        return document(opportunity__id=f"0065-{number}", customer__account=f"4711-{number}", **LIKE_NOBODY)


class Statuses:
    """Projects that systems know."""

    def __init__(self, harness: Harness, made: Objects) -> None:
        self._harness, self._made = harness, made

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return {
            "list_project_statuses": list_from_the_start,
            "get_project_status": self._name_project,
            "list_billing_statuses": self._ask_for_project,
        }

    def _ask_for_project(self, case: Case) -> None:
        case.query = {"project": self._harness.run(self._made.project())}

    def _name_project(self, case: Case) -> None:
        case.path_parameters["project_id"] = self._harness.run(self._made.project())


class Waiting:
    """Processes, and work items of some that are parked."""

    def __init__(self, harness: Harness, made: Objects) -> None:
        self._harness, self._made = harness, made

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return {
            "list_process_instances": list_from_the_start,
            "get_process_instance": self._name_process,
            "list_work_items": list_from_the_start,
            "get_work_item": self._name_item,
            "assign_work_item": self._name_item,
            "resume_work_item": self._decide,
        }

    def _name_process(self, case: Case) -> None:
        case.path_parameters["process_id"] = self._harness.run(self._made.process()).id

    def _name_item(self, case: Case) -> None:
        case.path_parameters["work_item_id"] = self._harness.run(self._made.work_item())

    def _decide(self, case: Case) -> None:
        self._name_item(case)
        case.body = {"decision": {}}


def _without(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}
