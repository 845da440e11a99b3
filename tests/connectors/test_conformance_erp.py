"""The suite for ERPs, on every ERP that can be run."""

import pytest

from system_apis.conformance.erp import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.erp_books import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.erp_invoices import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.erp_postings import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.erp_projects import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.target import ErpTarget


@pytest.fixture
def target(erp_target: ErpTarget) -> ErpTarget:
    """The ERP under test."""
    return erp_target
