"""The suite for PSAs, on the PSA in memory that other tests stand on: what holds there is to hold on a real one."""

import pytest
from msgspec.structs import replace

from gateway.writes import Writes
from system_apis.conformance.psa import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.psa_billing import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.psa_feedback import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.psa_tasks import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.psa_time import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.target import PsaTarget
from tests.connectors.conftest import PSA
from tests.fakes.books import FakePsaBooks
from tests.fakes.psa import CAPABILITIES, FakePsa
from tests.fakes.psa_time import ANA, CHLOE

# Looser than real ones in what no test of ours rests on: its projects come back, and their tasks take time before.
del test_withdrawn_project_stays_withdrawn  # noqa: F821 - of the suite
del test_copy_of_a_template_has_its_tasks, test_copies_of_a_template_are_apart  # noqa: F821 - of the suite


async def nothing() -> None:
    """Lose no session: there is none."""


@pytest.fixture(scope="module")
def target(writes: Writes) -> PsaTarget:
    """The PSA under test."""
    psa = FakePsa(replace(CAPABILITIES, connection="delivery-in-memory"))
    psa.resources.append(replace(ANA, id="3", name="Chloe Martin", email=CHLOE))
    facts = replace(PSA, approver=CHLOE, template_tasks=("Discovery", "Build"))
    return PsaTarget(port=psa, writes=writes.bound(psa), books=FakePsaBooks(psa), facts=facts, lose_session=nothing)
