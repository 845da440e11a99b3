"""The one history of the one database: up from nothing on both, and nothing differs from what the code declares."""

import re
from pathlib import Path
from typing import Final

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import text

from gateway import commands
from gateway.composition.parts import CannotStart
from gateway.durable.engine import sync_engine
from gateway.durable.migrate import migrate, pending
from gateway.secret import Secret
from gateway.settings import Settings
from gateway.settings.sections import Database
from gateway.store import migrate as ours
from gateway.store.migrate import config
from tests.servers_postgres import Postgres

UPGRADE: Final = Path(__file__).parents[2] / "docs" / "operations" / "upgrade.md"
BEFOREHAND: Final = re.findall(r"^CREATE INDEX[^;]+", UPGRADE.read_text("utf-8"), re.MULTILINE)
"""What may be built before an upgrade, so that it holds up nothing."""


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


def at(url: str, table: str, version: str) -> None:
    """Let the table say that version, as another release's migration leaves it."""
    database = sync_engine(url)
    try:
        with database.begin() as connection:
            connection.execute(text(f"CREATE TABLE IF NOT EXISTS {table} (version_num VARCHAR(32) PRIMARY KEY)"))
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - a name of ours
            connection.execute(text(f"INSERT INTO {table} VALUES ('{version}')"))  # noqa: S608 - as above
    finally:
        database.dispose()


def said(url: str, table: str) -> list[str]:
    """Return the versions that the table says."""
    database = sync_engine(url)
    try:
        with database.connect() as connection:
            return list(connection.execute(text(f"SELECT version_num FROM {table}")).scalars())  # noqa: S608 - as above
    finally:
        database.dispose()


def test_nothing_is_pending_and_nothing_changed_where_a_later_release_has_migrated(empty: str) -> None:
    migrate(empty)
    at(empty, ours.VERSION_TABLE, "9999_later")

    before = pending(empty)
    version = migrate(empty)

    assert (before, version) == ([], "9999_later")
    assert said(empty, ours.VERSION_TABLE) == ["9999_later"]


def test_what_the_first_release_said_of_its_tables_stays_and_is_gone_on_from(empty: str) -> None:
    database = sync_engine(empty)
    with database.begin() as connection:
        command.upgrade(config(connection), "0014_keys_by_issuer")
        connection.execute(text(f"DROP TABLE {ours.VERSION_TABLE}"))
    database.dispose()
    at(empty, ours.FORMER_VERSION_TABLE, "0014_keys_by_issuer")

    before = pending(empty)
    version = migrate(empty)

    assert before[:3] == ["0015_usage", "0016_policy_candidates", "0017_monitors"]
    assert (version, pending(empty)) == (ours.head(), [])
    assert said(empty, ours.FORMER_VERSION_TABLE) == ["0014_keys_by_issuer"]
    assert said(empty, ours.VERSION_TABLE) == [ours.head()]


def test_indexes_that_were_built_beforehand_are_those_of_the_migration(postgres_server: Postgres) -> None:
    by_hand, by_migration = postgres_server.database(), postgres_server.database()
    database = sync_engine(by_hand)
    with database.begin() as connection:
        command.upgrade(config(connection), "0016_policy_candidates")
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in BEFOREHAND:
            connection.execute(text(statement))
    database.dispose()

    for url in (by_hand, by_migration):
        migrate(url)

    assert indexes(by_hand) == indexes(by_migration)
    assert len(BEFOREHAND) == 3


def indexes(url: str) -> set[str]:
    """Return how each index was made."""
    database = sync_engine(url)
    try:
        with database.connect() as connection:
            return set(connection.execute(text("SELECT indexdef FROM pg_indexes WHERE tablename LIKE 'tb%'")).scalars())
    finally:
        database.dispose()


def test_version_that_nobody_knows_is_no_later_one(empty: str) -> None:
    migrate(empty)
    at(empty, ours.VERSION_TABLE, "0000_of_nobody")

    with pytest.raises(CommandError):
        migrate(empty)


@pytest.fixture
def earlier(postgres_server: Postgres) -> str:
    """Return the URL of a database to which two migrations are still to come."""
    url = postgres_server.database()
    engine = sync_engine(url)
    with engine.begin() as connection:
        command.upgrade(config(connection), "0018_audit_address")
    engine.dispose()
    return url


def test_migration_that_meets_others_at_work_is_made_again_once_they_let_it(
    earlier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, waited = sync_engine(earlier), []
    with engine.connect() as worker, worker.begin() as work:
        worker.execute(text("LOCK TABLE tb_invoice_request IN ROW EXCLUSIVE MODE"))  # As whoever writes to it does.

        def done(seconds: float) -> None:
            waited.append(seconds)
            work.commit()

        monkeypatch.setattr(ours.time, "sleep", done)
        version = ours.upgrade(engine)
    engine.dispose()

    assert version == ours.head()
    assert len(waited) == 1
    assert 0 < waited[0] < 1


def test_migration_that_is_never_let_says_so_and_has_changed_nothing(
    earlier: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ours, "PATIENCE_S", 0.0)
    before = pending(earlier)
    settings = Settings(
        environment="sandbox",
        database=Database(url=Secret(earlier)),
        entities={},
        connections={},
        owners={},
        file=str(tmp_path / "tiebeam.yaml"),
    )
    engine = sync_engine(earlier)
    with engine.connect() as worker, worker.begin():
        worker.execute(text("LOCK TABLE tb_invoice_request IN ROW EXCLUSIVE MODE"))
        with pytest.raises(CannotStart, match="Others are at the tables all the time"):
            commands.migrate(settings)
    engine.dispose()

    assert pending(earlier) == before
