"""The same tokens through the edge: whatever is wrong with one, its sender is told the same (RFC 6750 §3.1)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from gateway.edge import Edge, kit_of
from tests.edge_world import STATUS, World, open_edge_store
from tests.fakes.clock import Clock
from tests.policies.token_table import BAD, GOOD
from tests.tokens import open_desk

CHALLENGE: Final = 'Bearer realm="tiebeam", error="invalid_token"'
TRIMMED: Final = ("a blank before", "a blank behind")
"""Blanks around a token belong to HTTP's field, and end there (RFC 9110 §5.5)."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = Clock()
    store = await open_edge_store(f"sqlite:///{tmp_path}/edge.sqlite", clock)
    opened = World(tmp_path, store, clock)
    kit = kit_of(verifier=open_desk(tmp_path).verifier, counters=opened.counters, store=store)
    opened.edge = Edge(opened.framework, opened.policies, kit)
    yield opened
    await store.close()


async def test_every_bad_token_is_answered_with_the_same_challenge(world: World) -> None:
    answers = {}

    for name in BAD.keys() - TRIMMED:
        reply = await world.send("GET", STATUS, token=BAD[name].make().decode("utf-8", "replace"))
        answers[name] = (reply.status, reply.headers.get("www-authenticate"), reply.code)

    assert world.framework.seen == []
    assert {name: found for name, found in answers.items() if found != (401, CHALLENGE, "auth.invalid_token")} == {}


@pytest.mark.parametrize("name", GOOD)
async def test_good_token_passes(world: World, name: str) -> None:
    token = GOOD[name].make().decode()

    first, again = [await world.send("GET", STATUS, token=token) for _ in range(2)]

    assert {first.status, again.status} <= {200, 403}
    assert "www-authenticate" not in first.headers or first.status == 403
