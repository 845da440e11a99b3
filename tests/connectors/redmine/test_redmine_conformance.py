"""The suite that every PSA connector must pass, on a real Redmine."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from system_apis.conformance.psa import *  # noqa: F403 - the suite's tests are ours
from system_apis.conformance.psa_billing import *  # noqa: F403 - as above
from system_apis.conformance.psa_feedback import *  # noqa: F403 - as above
from system_apis.conformance.psa_tasks import *  # noqa: F403 - as above
from system_apis.conformance.psa_time import *  # noqa: F403 - as above
from system_apis.conformance.target import PsaTarget
from tests.connectors.redmine import live

pytestmark = pytest.mark.redmine


@pytest.fixture(scope="module")
async def target(redmine_ready: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PsaTarget]:
    """Connect the suite once: a guard that has seen much must still be right."""
    async with live.target(redmine_ready, tmp_path_factory.mktemp("guard")) as given:
        yield given
