"""What several unit tests stand on."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.store.database import Store
from tests.edge_world import World, open_edge_store
from tests.fakes.clock import Clock
from tests.servers_postgres import Postgres, postgres
from tests.system_stage import Stage, open_stage


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Return an edge with its surroundings, on a clock that stands still."""
    clock = Clock()
    store = await open_edge_store(f"sqlite:///{tmp_path}/edge.sqlite", clock)
    yield World(tmp_path, store, clock)
    await store.close()


@pytest.fixture(scope="session")
def database_server() -> Iterator[Postgres]:
    """Return a running PostgreSQL."""
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where an empty database is: one kind after the other."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'either.sqlite'}"
    server: Postgres = request.getfixturevalue("database_server")
    return server.database()


@pytest.fixture
async def edge_store(database_url: str) -> AsyncIterator[Store]:
    """Return a store with the edge's tables, on one database after the other."""
    store = await open_edge_store(database_url, Clock())
    yield store
    await store.close()


@pytest.fixture
async def here(edge_store: Store, tmp_path: Path) -> World:
    """Return the same as `world`, on one database after the other."""
    assert isinstance(edge_store.now, Clock)
    return World(tmp_path, edge_store, edge_store.now)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Return both vendors in memory, and the guard of each."""
    async with open_stage(tmp_path) as opened:
        yield opened
