"""`process/invoice_release/v1` on a database with contracts and milestones; no worker carries anything out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from schemathesis import Case

from gateway.contract import Mount, bind
from gateway.cursors import Cursors
from gateway.secret import Secret
from process_apis.invoice_release import v1
from process_apis.ledger.contracts import SignedContract
from process_apis.ledger.mappings import load_mappings
from system_apis.landscape import Configured
from tests.contracts.harness import THOROUGHLY, Harness, Prepare, schema_of
from tests.contracts.objects import Objects, objects
from tests.contracts.pools import list_from_the_start
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import DE01, ES01
from tests.sample_api import client
from tests.workflows.money_stage import Money

CONTRACT, BASE = "process/invoice_release/v1", "/process/invoice-release/v1"
ENTITIES = {"ES01": "books", "DE01": "books"}
LANDSCAPE = Configured(
    erps={"books": FakeErp()}, psas={"delivery": FakePsa()}, erp_of=ENTITIES, psa_of=dict.fromkeys(ENTITIES, "delivery")
)
MAPPINGS = Path(__file__).parents[2] / "sample" / "mappings"
schema = schema_of(CONTRACT, BASE)


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
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    it = Harness()
    made = it.open(objects(f"sqlite:///{tmp_path_factory.mktemp('releases')}/tiebeam.sqlite"))
    it.pool = Releases(it, made).prepare()
    provided = {
        "store": made.store,
        "engine": made,
        "landscape": LANDSCAPE,
        "entities": {"ES01": ES01, "DE01": DE01},
        "mappings": load_mappings(MAPPINGS),
        "cursors": Cursors(Secret("key")),
    }
    it.call_as(client(bind([Mount(contract=CONTRACT, module=v1, provided=provided)])[0]), BASE)
    yield it
    it.close()


@schema.parametrize()
@THOROUGHLY
def test_every_answer_follows_the_contract(case: Case, harness: Harness) -> None:
    harness.try_out(case)


def test_every_operation_had_valid_answers(harness: Harness) -> None:
    assert harness.lacking(schema) == {}
