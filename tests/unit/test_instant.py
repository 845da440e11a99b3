"""A moment keeps its zone through the database."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import sqlite

from gateway.store.instant import Instant

DIALECT = sqlite.dialect()
IN_VALENCIA = datetime(2026, 11, 24, 10, 15, tzinfo=timezone(timedelta(hours=1)))


def test_instant_is_written_in_utc_and_read_with_its_zone() -> None:
    written = Instant().process_bind_param(IN_VALENCIA, DIALECT)
    assert written == datetime(2026, 11, 24, 9, 15, tzinfo=UTC)

    for stored in (
        written,
        written.replace(tzinfo=None),
        IN_VALENCIA,
    ):  # SQLite forgets the zone, PostgreSQL has its own.
        assert Instant().process_result_value(stored, DIALECT) == IN_VALENCIA


def test_instant_without_a_zone_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="has no zone"):
        Instant().process_bind_param(datetime(2026, 11, 24, 9, 15), DIALECT)  # noqa: DTZ001 - that is the mistake


def test_no_instant_stays_none() -> None:
    assert Instant().process_bind_param(None, DIALECT) is None
    assert Instant().process_result_value(None, DIALECT) is None
