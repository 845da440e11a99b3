"""What several unit tests stand on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edge_world import World, edge_store
from tests.fakes.clock import Clock


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Return an edge with its surroundings, on a clock that stands still."""
    clock = Clock()
    store = await edge_store(f"sqlite:///{tmp_path}/edge.sqlite", clock)
    yield World(tmp_path, store, clock)
    await store.close()
