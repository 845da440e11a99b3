"""The suite for ERPs, on the ERP in memory that other tests stand on: what holds there is to hold on a real one."""

from datetime import date

import pytest
from msgspec.structs import replace

from gateway.writes import Writes
from openapi.common.types import Dimension, DimensionType
from openapi.system.erp.v1 import Rounding
from system_apis.conformance.erp import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.erp_books import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.erp_invoices import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.erp_postings import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.erp_projects import *  # noqa: F403 - its tests are this module's
from system_apis.conformance.target import ErpTarget
from tests.connectors.conftest import ERP
from tests.fakes.books import FakeErpBooks
from tests.fakes.erp import CAPABILITIES, FakeErp

# Stricter than real ones: a key that is posted is posted again, and a batch that is mixed is refused as a whole.
del test_facts_posted_twice_with_one_key_are_there_once  # noqa: F821 - of the suite
del test_bad_facts_are_refused_by_name_and_their_siblings_posted  # noqa: F821 - of the suite
# It refuses these too, but tells no places, and knows no tax ids of other countries than the customer's.
del test_unmapped_payment_terms_are_refused_and_nothing_is_made  # noqa: F821 - of the suite
del test_dimension_that_is_not_open_is_refused_until_it_is  # noqa: F821 - of the suite
del test_dimension_that_is_not_declared_is_refused_by_its_place  # noqa: F821 - of the suite
del test_change_reaches_every_field  # noqa: F821 - of the suite


async def nothing() -> None:
    """Lose no session: there is none."""


@pytest.fixture(scope="module")
def target(writes: Writes) -> ErpTarget:
    """The ERP under test."""
    erp = FakeErp(replace(CAPABILITIES, connection="books-in-memory", rounding=Rounding.half_even))
    facts = replace(
        ERP,
        staff=None,
        dimension=Dimension(type=DimensionType.department, code="DATA"),
        project_accounts=frozenset(erp.accounts),
        closable=date(2025, 3, 15),
    )
    return ErpTarget(port=erp, writes=writes.bound(erp), books=FakeErpBooks(erp), facts=facts, lose_session=nothing)
