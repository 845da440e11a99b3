"""Whether and when a call is made again, and what `Retry-After` says."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.egress.retry import LONGEST_S, pause_s
from gateway.egress.verdict import Failure, retry_after_s
from openapi.common.types import Code
from tests.egress_world import PATIENCE

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)

failures = st.builds(
    Failure,
    code=st.just(Code.upstream_unavailable),
    why=st.just("did not answer"),
    no_effect=st.booleans(),
    again=st.booleans(),
    retry_after_s=st.none() | st.floats(0, 100),
)


@given(
    failure=failures,
    write=st.booleans(),
    failed=st.integers(1, 50),
    left_s=st.floats(0, 60),
    fraction=st.floats(0, 1, exclude_max=True),
)
def test_pause_never_outlasts_the_deadline_and_never_lets_a_write_happen_twice(
    failure: Failure, *, write: bool, failed: int, left_s: float, fraction: float
) -> None:
    wait_s = pause_s(failure, PATIENCE, write=write, failed=failed, left_s=left_s, fraction=fraction)

    if wait_s is not None:
        assert failure.again
        assert failure.no_effect or not write
        assert failure.no_effect or failed <= PATIENCE.read_retries
        assert 0 <= wait_s < left_s
        assert wait_s == failure.retry_after_s or wait_s <= LONGEST_S


@pytest.mark.parametrize(("failed", "longest_s"), [(1, 0.4), (2, 0.8), (3, 1.6), (5, 5.0), (50, 5.0)], ids=str)
def test_pause_without_a_word_of_the_vendor_grows_with_full_jitter(failed: int, longest_s: float) -> None:
    failure = Failure(code=Code.upstream_unavailable, why="cannot be reached", no_effect=True)

    pauses = [
        pause_s(failure, PATIENCE, write=True, failed=failed, left_s=60, fraction=fraction) for fraction in (0, 0.5, 1)
    ]

    assert pauses == pytest.approx([0, longest_s / 2, longest_s])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("9" * 40, 999_999_999.0),
        ("Wed, 25 Nov 2026 09:00:30 GMT", 30.0),
        ("Wed, 25 Nov 2026 08:00:00 GMT", 0.0),
        ("Wednesday, 25-Nov-26 09:01:00 GMT", 60.0),
        ("Wed, 25 Nov 2026 09:00:30 -0000", 30.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_both_of_its_forms(text: str, seconds: float | None) -> None:
    assert retry_after_s(text, NOW) == seconds
