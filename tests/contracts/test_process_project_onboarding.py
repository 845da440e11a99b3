"""`process/project_onboarding/v1` on a database and strict fakes of ERP and PSA; no worker carries anything out."""

from collections.abc import Iterator

import pytest
from schemathesis import Case

from gateway.caller import INSTALLATION
from gateway.contract import Mount, bind
from gateway.cursors import Cursors
from gateway.durable import State
from gateway.secret import Secret
from gateway.store import processes
from openapi.process.project_onboarding.v1 import Onboarding
from process_apis.project_onboarding import v1
from system_apis.landscape import Configured
from tests.contracts.harness import THOROUGHLY, Harness, schema_of
from tests.contracts.objects import Objects, objects
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import DE01, ES01, TEMPLATE, document, signed

CONTRACT, BASE = "process/project_onboarding/v1", "/process/project-onboarding/v1"
ENTITIES = {"ES01": "books", "DE01": "books"}
LANDSCAPE = Configured(
    erps={"books": FakeErp()}, psas={"delivery": FakePsa()}, erp_of=ENTITIES, psa_of=dict.fromkeys(ENTITIES, "delivery")
)
schema = schema_of(CONTRACT, BASE)


class Pool:
    """Names onboardings that exist, and statements of work that break no rule."""

    def __init__(self, harness: Harness, made: Objects) -> None:
        self._harness, self._made, self._numbers = harness, made, iter(range(10_000))
        self.provided = {
            "store": made.store,
            "engine": made,
            "landscape": LANDSCAPE,
            "entities": {"ES01": ES01, "DE01": DE01},
            "templates": {TEMPLATE.code: TEMPLATE},
            "cursors": Cursors(Secret("key")),
        }

    def list_from_the_start(self, case: Case) -> None:
        case.query = {"limit": 1}

    def new(self, case: Case) -> None:
        case.body = document(**self._identity())

    def name_accepted(self, case: Case) -> None:
        case.path_parameters["onboarding_id"] = self._harness.run(self._accepted()).id

    def name_parked(self, case: Case) -> None:
        self.name_accepted(case)
        self._harness.run(self._park(case.path_parameters["onboarding_id"]))

    def _identity(self) -> dict[str, str]:
        number = next(self._numbers)
        return {"opportunity__id": f"0065-{number}", "customer__account": f"4711-{number}"}

    async def _accepted(self) -> Onboarding:
        resources = {name: value for name, value in self.provided.items() if name != "cursors"}
        onboarding = await v1.start_onboarding(
            **resources,  # type: ignore[arg-type]
            caller=INSTALLATION,
            correlation_id="cor_1",
            body=signed(**self._identity()),
            dry_run=False,
            wait_s=None,
        )
        assert isinstance(onboarding, Onboarding)
        return onboarding

    async def _park(self, onboarding_id: str) -> None:
        process = await processes.get(self._made.store, INSTALLATION, onboarding_id)
        async with self._made.store.begin() as connection:
            parked = {"parked_at": self._made.store.now(), "parked_step": 3, "resume_step": 3}
            await processes.change(connection, self._made.store, process, state=State.parked, **parked)


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    it = Harness()
    made = it.open(objects(f"sqlite:///{tmp_path_factory.mktemp('onboarding')}/tiebeam.sqlite"))
    pool = Pool(it, made)
    it.pool = {
        "list_onboardings": pool.list_from_the_start,
        "start_onboarding": pool.new,
        "get_onboarding": pool.name_accepted,
        "resume_onboarding": pool.name_parked,
        "cancel_onboarding": pool.name_accepted,
    }
    it.serve(bind([Mount(contract=CONTRACT, module=v1, provided=pool.provided)])[0])
    yield it
    it.close()


@schema.parametrize()
@THOROUGHLY
def test_every_answer_follows_the_contract(case: Case, harness: Harness) -> None:
    harness.try_out(case)


def test_every_operation_had_valid_answers(harness: Harness) -> None:
    assert harness.lacking(schema) == {}
