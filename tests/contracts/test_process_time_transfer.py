"""`process/time_transfer/v1` on a database with entries and their facts; no worker carries anything out."""

import itertools
from datetime import UTC, date, datetime

import pytest
from schemathesis import Case

from gateway.store.database import Store
from process_apis.ledger.entries import Approval, TimeEntry, Transfer, entry_id, write_entries
from process_apis.ledger.facts import Kind
from process_apis.time_transfer import v1
from process_apis.time_transfer.order import TransferSettings
from system_apis.landscape import Configured
from tests.contracts.harness import Harness, Prepare, schema_of
from tests.contracts.in_process import serve, trials_of
from tests.contracts.objects import Objects
from tests.contracts.pools import list_from_the_start
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.workflows.money_stage import Money

CONTRACT = "process/time_transfer/v1"
LANDSCAPE = Configured(
    erps={"books": FakeErp()}, psas={"delivery": FakePsa()}, erp_of={"ES01": "books"}, psa_of={"ES01": "delivery"}
)
schema = schema_of(CONTRACT, "/process/time-transfer/v1")


class Transfers:
    """Runs, and entries with facts to take back."""

    def __init__(self, harness: Harness, made: Objects) -> None:
        self._harness, self._store, self._money = harness, made.store, Money(made.store)
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

    def _name_run(self, case: Case) -> None:
        case.path_parameters["run_id"] = self._harness.ask("POST", "/runs", {"connection": "delivery"})["id"]

    def _list_entries(self, case: Case) -> None:
        self._harness.run(self._entry())
        list_from_the_start(case)

    def _name_entry(self, case: Case) -> None:
        case.body = {**case.body, "connection": "delivery", "entry_id": self._harness.run(self._entry())}

    def _name_recall(self, case: Case) -> None:
        body = {"connection": "delivery", "entry_id": self._harness.run(self._entry()), "reason": "Wrong task."}
        case.path_parameters["recall_id"] = self._harness.ask("POST", "/recalls", body)["id"]

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


@pytest.fixture(scope="module")
def harness(opened: Harness, made: Objects) -> Harness:
    return serve(
        opened,
        CONTRACT,
        v1,
        pool=Transfers(opened, made).prepare(),
        store=made.store,
        engine=made,
        landscape=LANDSCAPE,
        transfer_settings=TransferSettings(),
    )


test_every_answer_follows_the_contract, test_every_operation_had_valid_answers = trials_of(schema)
