"""Entries, releases and holds that exist, for calls that need one: what stands before them is put into the tables."""

import itertools
import uuid
from datetime import UTC, date, datetime
from typing import Any

from schemathesis import Case

from gateway.store.database import Store
from process_apis.ledger.contracts import SignedContract
from process_apis.ledger.entries import Approval, TimeEntry, Transfer, entry_id, write_entries
from process_apis.ledger.facts import Kind
from tests.contracts.harness import Harness, Prepare
from tests.contracts.objects import Objects
from tests.contracts.pools import give_new_key, list_from_the_start, new_key
from tests.workflows.held import asked_for, held_request
from tests.workflows.money_stage import Money


class Transfers:
    """Runs, and entries with facts to take back."""

    def __init__(self, harness: Harness, made: Objects) -> None:
        self._harness, self._store, self._money = harness, made.store, Money(made.store, prefix="time-")
        self._numbers = itertools.count(1000)

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return {
            "list_runs": list_from_the_start,
            "start_run": self._name_connection,
            "get_run": self._name_run,
            "list_entries": self._list_entries,
            "recall_entry": self._name_entry,
            "get_recall": self._name_recall,
        }

    def _name_connection(self, case: Case) -> None:
        case.body = {**case.body, "connection": "delivery"}
        give_new_key(case)

    def _name_run(self, case: Case) -> None:
        run = self._harness.ask("POST", "/runs", {"connection": "delivery"}, new_key())
        case.path_parameters["run_id"] = run["id"]

    def _list_entries(self, case: Case) -> None:
        self._harness.run(self._entry())
        list_from_the_start(case)

    def _name_entry(self, case: Case) -> None:
        case.body = {**case.body, "connection": "delivery", "entry_id": self._harness.run(self._entry())}
        give_new_key(case)

    def _name_recall(self, case: Case) -> None:
        body = {"connection": "delivery", "entry_id": self._harness.run(self._entry()), "reason": "Wrong task."}
        case.path_parameters["recall_id"] = self._harness.ask("POST", "/recalls", body, new_key())["id"]

    async def _entry(self) -> str:
        """Return the id of an hour that was posted, with its cost and its sale."""
        external_id = str(next(self._numbers))
        money = self._money
        project = await money.project(customer=f"account-{external_id}")
        contract = await money.contract(project)
        for kind, key in ((Kind.sale, "sale"), (Kind.cost, "cost")):
            business_key = f"tb_delivery_{external_id}_r1_{key}"
            await money.fact(contract, kind=kind, source_id=external_id, business_key=business_key)
        async with self._store.begin() as connection:
            await write_entries(
                connection, self._store, [_hour(self._store, external_id, project.customer, project.id)]
            )
        return external_id


class Releases:
    """Contracts with work that is ready, releases of it, and milestones."""

    def __init__(self, harness: Harness, made: Objects) -> None:
        self._harness, self._money = harness, Money(made.store, prefix="release-")

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return {
            "list_releases": list_from_the_start,
            "start_release": self._name_contract,
            "get_release": self._name_release,
            "cancel_release": self._name_release,
            "approve_request": self._name_request,
            "list_milestones": list_from_the_start,
            "approve_milestone": self._name_milestone,
        }

    def _name_contract(self, case: Case) -> None:
        kept = {name: value for name, value in case.body.items() if name not in {"projects", "customers"}}
        case.body = kept | self._body()
        give_new_key(case)

    def _name_release(self, case: Case) -> None:
        case.path_parameters["release_id"] = self._harness.ask("POST", "/releases", self._body(), new_key())["id"]

    def _name_request(self, case: Case) -> None:
        case.path_parameters["request_id"] = self._harness.run(self._unusual())

    def _name_milestone(self, case: Case) -> None:
        contract = self._harness.run(self._contract())
        case.path_parameters["milestone_id"] = f"{contract.id}-2-1"

    def _body(self) -> dict[str, Any]:
        return {"legal_entity": "ES01", "contracts": [self._harness.run(self._contract()).id]}

    async def _contract(self) -> SignedContract:
        contract = await self._money.contract(await self._money.project())
        await self._money.fact(contract)
        return contract

    async def _unusual(self) -> str:
        """Return the id of a request that a worker would have rejected, asked for by somebody else."""
        contract = await self._money.contract(await self._money.project())
        return (await self._money.unusual(contract, [await self._money.fact(contract)])).id


class Holds:
    """Projects to hold, and holds on them."""

    def __init__(self, harness: Harness, made: Objects) -> None:
        self._harness, self._made, self._money = harness, made, Money(made.store, prefix="hold-")

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return {
            "list_holds": list_from_the_start,
            "place_hold": self._name_project,
            "get_hold": self._name_hold,
            "lift_hold": self._name_hold,
            "override_hold": self._name_request,
            "approve_override": self._name_override,
            "withdraw_override": self._name_override,
        }

    def _name_project(self, case: Case) -> None:
        kept = {name: value for name, value in case.body.items() if name != "until"}  # Most days are over.
        case.body = kept | {"scope": self._project()}
        give_new_key(case)

    def _name_hold(self, case: Case) -> None:
        case.path_parameters["hold_id"] = self._hold(self._project())

    def _name_request(self, case: Case) -> None:
        case.path_parameters["hold_id"], key = self._stopping()
        case.body = {**case.body, "business_key": key}
        give_new_key(case)

    def _name_override(self, case: Case) -> None:
        hold_id, key = self._stopping()
        override = self._harness.run(asked_for(self._made.store, hold_id, key))
        case.path_parameters |= {"hold_id": hold_id, "override_id": override.id}

    def _stopping(self) -> tuple[str, str]:
        """Return the id of a hold, and the key of a request that it has stopped."""
        contract = self._harness.run(self._contract())
        hold_id = self._hold({"type": "project", "id": contract.project})
        return hold_id, self._harness.run(self._held(contract, hold_id))

    async def _contract(self) -> SignedContract:
        return await self._money.contract(await self._money.project())

    async def _held(self, contract: SignedContract, hold_id: str) -> str:
        fact = await self._money.fact(contract)
        return (await held_request(self._money, contract, fact, hold_id)).business_key

    def _hold(self, scope: dict[str, Any]) -> str:
        # Without a reference of its own it may be a hold that a call has placed before, in other words.
        body = {"scope": scope, "reason_code": "dispute", "reference": f"CASE-{uuid.uuid4().hex}"}
        return str(self._harness.ask("POST", "/holds", body, new_key())["id"])

    def _project(self) -> dict[str, Any]:
        return {"type": "project", "id": self._harness.run(self._made.project())}


def _hour(store: Store, external_id: str, customer: str, project: str) -> TimeEntry:
    return TimeEntry(
        id=entry_id(store),
        psa="delivery",
        external_id=external_id,
        revision=1,
        content_sha256="0" * 64,
        psa_project_id="1",
        legal_entity="ES01",
        customer=customer,
        project=project,
        resource_id="1",
        resource_email="ana.ruiz@example.com",
        resource_name="Ana Ruiz",
        task_id=None,
        task_name=None,
        work_date=date(2026, 11, 3),
        minutes=60,
        hours="1",
        billable=None,
        description="Loader",
        approved_by="chloe.martin@example.com",
        approved_at=datetime(2026, 11, 4, tzinfo=UTC),
        source_updated_at=datetime(2026, 11, 4, tzinfo=UTC),
        approval=Approval.approved,
        transfer=Transfer.posted,
        first_approved_at=datetime(2026, 11, 4, tzinfo=UTC),
    )
