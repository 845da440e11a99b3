"""A database under migrations, a worker in this process, and the toy's vendor: on SQLite and on PostgreSQL."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.durable.migrate import migrate
from tests.servers_postgres import Postgres, postgres
from tests.workflows.stage import Stage


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite database with all tables, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "tiebeam.sqlite"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_database(postgres_server: Postgres) -> str:
    """Return the URL of a PostgreSQL database with all tables, to be copied."""
    url = postgres_server.database()
    migrate(url)
    return url


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """Return the URL of a fresh SQLite database with all tables."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'tiebeam.sqlite')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a fresh database with all tables."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        return server.database(request.getfixturevalue("migrated_database"))
    file: str = request.getfixturevalue("sqlite_url")
    return file


@pytest.fixture
async def stage(url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """Return the stage: web and worker side of one installation."""
    opened = Stage(url, tmp_path / "desk")
    yield opened
    await opened.close()
