"""The engine's connections, on either database."""

import pytest

from gateway.durable.engine import retire, sync_engine


def test_connection_that_a_thread_gives_back_too_late_is_closed(url: str) -> None:
    database = sync_engine(url)
    early, late = database.connect(), database.connect()
    early.close()
    driver = late.connection.dbapi_connection
    assert driver is not None

    retire(database)
    driver.cursor().execute("SELECT 1")  # What is under way goes on.
    late.close()

    assert database.dialect.dbapi is not None
    with pytest.raises(database.dialect.dbapi.Error, match="closed"):
        driver.cursor().execute("SELECT 1")
