"""The suite for PSAs, on every PSA that can be run."""

import pytest

from system_apis.conformance.psa import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.psa_billing import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.psa_feedback import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.psa_tasks import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.psa_time import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.target import PsaTarget


@pytest.fixture
def target(psa_target: PsaTarget) -> PsaTarget:
    """The PSA under test."""
    return psa_target
