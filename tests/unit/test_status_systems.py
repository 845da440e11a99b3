"""What a status shows of a system that cannot tell, or that is connected no more."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.errors import Refused
from gateway.store import cross_references
from gateway.store.cross_references import NewReference
from gateway.store.database import Store, create_engine, metadata
from openapi.common.types import Code
from openapi.process.status.v1 import Family
from openapi.system.erp.v1 import AccountingProject
from process_apis.status.systems import Systems
from system_apis.landscape import Configured
from tests.fakes.erp import FakeErp

LINK = NewReference(
    canonical_id="prj_1", object_type="project", system="fake", instance="books", external_id="1", project="prj_1"
)


class Unmapped(FakeErp):
    """An ERP in whose answer nobody recognises a state."""

    async def get_accounting_project(self, project_id: str) -> AccountingProject:
        raise Refused(Code.mapping_missing, f"Give the state of {project_id} a row.")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(create_engine(f"sqlite:///{tmp_path / 'status.sqlite'}"))
    async with store.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield store
    await store.close()


def systems(store: Store, erp: FakeErp) -> Systems:
    landscape = Configured(erps={"books": erp}, psas={}, erp_of={}, psa_of={})
    return Systems(store, landscape, {"books": Family.erp}, {})


async def test_erp_is_asked_for_its_own_project(store: Store) -> None:
    erp = FakeErp()
    made = erp.make_project("P-1")
    reference = await cross_references.establish(store, replace(LINK, external_id=made.id))

    shown = await systems(store, erp).status_of(reference, fresh=True)

    assert (shown.family, shown.state, shown.stale) == (Family.erp, made.state.value, False)


async def test_system_whose_answer_nobody_understands_is_stale_and_hides_no_other(store: Store) -> None:
    reference = await cross_references.establish(store, LINK)

    shown = await systems(store, Unmapped()).status_of(reference, fresh=True)

    assert (shown.family, shown.state, shown.as_of, shown.stale) == (Family.erp, None, None, True)


async def test_connection_that_is_configured_no_more_is_still_shown(store: Store) -> None:
    reference = await cross_references.establish(store, replace(LINK, instance="former"))

    shown = await systems(store, Unmapped()).status_of(reference, fresh=False)

    assert (shown.connection, shown.family, shown.external_id, shown.stale) == ("former", None, "1", True)
