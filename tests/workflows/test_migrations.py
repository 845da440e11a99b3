"""The one history of the one database: up from nothing on both, and nothing differs from what the code declares."""

import pytest
from alembic import command

from gateway.durable.engine import sync_engine
from gateway.durable.migrate import migrate, pending
from gateway.store import migrate as ours
from gateway.store.migrate import config
from tests.servers_postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('empty') / 'tiebeam.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.database()


def test_a_database_comes_up_from_nothing_and_is_left_alone_after_that(empty: str) -> None:
    before = pending(empty)
    version = migrate(empty)
    after = pending(empty)
    again = migrate(empty)

    assert before[0] == "0001_foundation"
    assert before[-1] == "engine"
    assert (version, again, after) == (ours.head(), ours.head(), [])


def test_the_tables_are_what_the_code_declares(empty: str) -> None:
    migrate(empty)
    database = sync_engine(empty)
    try:
        with database.begin() as connection:
            command.check(config(connection))  # Raises where something differs.
            current = ours.pending(database)
    finally:
        database.dispose()

    assert current == []


def test_what_went_up_comes_down(empty: str) -> None:
    migrate(empty)
    database = sync_engine(empty)
    try:
        with database.begin() as connection:
            command.downgrade(config(connection), "base")
        left = ours.pending(database)
    finally:
        database.dispose()

    assert left[0] == "0001_foundation"
