"""What the sweep compares, what the PSA is told, and until when somebody has to have looked."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from openapi.common.types import Money
from openapi.system.psa.v1 import TimeFeedback, TimeFeedbackState
from process_apis.ledger.entries import Transfer
from process_apis.ledger.facts import Billing, Posting
from process_apis.time_transfer.asking import cut_off, summary
from process_apis.time_transfer.rules import judge
from process_apis.time_transfer.sweeping import Bucket, differences, windows
from process_apis.time_transfer.telling import digest, feedback_of
from system_apis.looks import shows
from tests.fakes.statement_of_work import ES01
from tests.unit.test_entries_content import ours
from tests.unit.test_facts_of_time import KNOWN, facts

DAY = date(2026, 11, 20)


def bucket(hours: str, *ids: str) -> Bucket:
    return Bucket(ids=frozenset(ids), hours=Decimal(hours))


@pytest.mark.parametrize(
    ("theirs", "ours_", "ids"),
    [
        (bucket("2", "1", "2"), bucket("2", "1", "2"), []),
        (bucket("0.9999", "1", "2", "3"), bucket("1", "1", "2", "3"), []),
        (bucket("2", "1", "2"), bucket("1", "1"), ["2"]),
        (bucket("1", "1"), bucket("2", "1", "2"), ["2"]),
        (bucket("3", "1", "2"), bucket("2", "1", "2"), ["1", "2"]),
    ],
)
def test_differences_name_the_entries_to_look_at(theirs: Bucket, ours_: Bucket, ids: list[str]) -> None:
    found = differences({("1", DAY): theirs}, {("1", DAY): ours_})

    assert [one for difference in found for one in difference.ids] == ids


def test_day_that_one_side_lacks_is_a_difference() -> None:
    (found,) = differences({}, {("1", DAY): bucket("1", "7")})

    assert (found.ids, found.theirs, found.ours) == (["7"], "0 entries, 0 h", "1 entries, 1 h")


@given(st.dates(date(2026, 1, 1), date(2026, 6, 1)), st.integers(0, 200))
def test_windows_cover_every_day_once(first: date, days: int) -> None:
    last = date.fromordinal(first.toordinal() + days)

    covered = [day for start, end in windows(first, last) for day in range(start.toordinal(), end.toordinal() + 1)]

    assert covered == list(range(first.toordinal(), last.toordinal() + 1))


COST, SALE = (replace(fact, posting=Posting.posted, erp_number="2026/7") for fact in facts(KNOWN))


def test_psa_is_told_the_sale_and_never_the_cost() -> None:
    said = feedback_of(ours(), [COST, SALE], {})

    assert said is not None
    assert (said.state, said.amount, said.reference) == (
        TimeFeedbackState.posted,
        Money(amount="40.00", currency="EUR"),
        "2026/7",
    )
    over = feedback_of(ours(detail="The cap is full."), [COST, replace(SALE, billing=Billing.cap_failed)], {})
    assert over is not None
    assert (over.amount, over.reason) == (UNSET, "The cap is full.")
    assert feedback_of(ours(transfer=Transfer.posting), [], {}) is None
    assert digest(said) != digest(over)


def test_what_the_psa_shows_is_compared_field_by_field() -> None:
    said = feedback_of(ours(), [COST, SALE], {})
    assert said is not None
    shown = TimeFeedback(
        entry_id="4711",
        state=TimeFeedbackState.posted,
        reference="2026/7",
        amount=Money(amount="40.00", currency="EUR"),
        reason=None,
    )

    assert shows(shown, said)
    assert not shows(replace(shown, reference="2026/8"), said)
    assert not shows(replace(shown, state=TimeFeedbackState.rejected), said)


@pytest.mark.parametrize(
    ("work_date", "now", "until"),
    [
        (date(2026, 11, 20), datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 30, 22, 59, 59, tzinfo=UTC)),
        (date(2026, 11, 20), datetime(2026, 12, 31, 23, 30, tzinfo=UTC), datetime(2027, 1, 31, 22, 59, 59, tzinfo=UTC)),
        (date(2026, 12, 20), datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC)),
    ],
)
def test_cut_off_is_the_end_of_the_month_where_the_entity_is(work_date: date, now: datetime, until: datetime) -> None:
    assert cut_off(work_date, now, ES01) == until


def test_summary_says_how_many_more_there_are() -> None:
    verdict = judge(replace(KNOWN, erp_project_id=None, contracts=[]))

    assert summary(verdict.violations).endswith("And 1 more.")
    assert cut_off(DAY, datetime(2026, 11, 1, tzinfo=UTC), None).tzinfo is UTC
