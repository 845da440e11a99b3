"""`process/invoice_release/v1` on a database with contracts and milestones; no worker carries anything out."""

from pathlib import Path
from typing import Any

import pytest
from schemathesis import Case

from process_apis.invoice_release import v1
from process_apis.ledger.contracts import SignedContract
from process_apis.ledger.mappings import load_mappings
from system_apis.landscape import Configured
from tests.contracts.harness import Harness, Prepare, schema_of
from tests.contracts.in_process import serve, trials_of
from tests.contracts.objects import Objects
from tests.contracts.pools import list_from_the_start
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import DE01, ES01
from tests.workflows.money_stage import Money

CONTRACT = "process/invoice_release/v1"
ENTITIES = {"ES01": "books", "DE01": "books"}
LANDSCAPE = Configured(
    erps={"books": FakeErp()}, psas={"delivery": FakePsa()}, erp_of=ENTITIES, psa_of=dict.fromkeys(ENTITIES, "delivery")
)
MAPPINGS = Path(__file__).parents[2] / "sample" / "mappings"
schema = schema_of(CONTRACT, "/process/invoice-release/v1")


class Releases:
    """Contracts with work that is ready, releases of it, and milestones."""

    def __init__(self, harness: Harness, made: Objects) -> None:
        self._harness, self._money = harness, Money(made.store)

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return {
            "list_releases": list_from_the_start,
            "start_release": self._name_contract,
            "get_release": self._name_release,
            "cancel_release": self._name_release,
            "list_milestones": list_from_the_start,
            "approve_milestone": self._name_milestone,
        }

    def _name_contract(self, case: Case) -> None:
        kept = {name: value for name, value in case.body.items() if name not in {"projects", "customers"}}
        case.body = kept | self._body()

    def _name_release(self, case: Case) -> None:
        case.path_parameters["release_id"] = self._harness.ask("POST", "/releases", self._body())["id"]

    def _name_milestone(self, case: Case) -> None:
        contract = self._harness.run(self._contract())
        case.path_parameters["milestone_id"] = f"{contract.id}-2-1"

    def _body(self) -> dict[str, Any]:
        return {"legal_entity": "ES01", "contracts": [self._harness.run(self._contract()).id]}

    async def _contract(self) -> SignedContract:
        contract = await self._money.contract(await self._money.project())
        await self._money.fact(contract)
        return contract


@pytest.fixture(scope="module")
def harness(opened: Harness, made: Objects) -> Harness:
    return serve(
        opened,
        CONTRACT,
        v1,
        pool=Releases(opened, made).prepare(),
        store=made.store,
        engine=made,
        landscape=LANDSCAPE,
        entities={"ES01": ES01, "DE01": DE01},
        mappings=load_mappings(MAPPINGS),
    )


test_every_answer_follows_the_contract, test_every_operation_had_valid_answers = trials_of(schema)
