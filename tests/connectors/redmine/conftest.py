"""Each test has its conversation twice: recorded, and with a real Redmine where its packages are installed."""

import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from httpx import AsyncClient

from gateway.egress import Http
from system_apis.connectors.redmine.adapter import RedminePsa
from tests.connectors.redmine.conversation import Conversation, Live, Recorded, connected
from tests.servers_redmine import redmine_server


@pytest.fixture(scope="session")
def redmine_ready() -> Iterator[dict[str, Any]]:
    """Start one Redmine for all live tests."""
    with redmine_server() as ready:
        yield ready


@pytest.fixture(params=["recorded", pytest.param("live", marks=pytest.mark.redmine)])
async def conversation(request: pytest.FixtureRequest) -> AsyncIterator[Conversation]:
    """Give the way to Redmine; a live one that went well can be written down."""
    name = recording_of(request)
    if request.param == "recorded":
        yield Recorded(name)
        return
    ready = request.getfixturevalue("redmine_ready")
    async with AsyncClient(timeout=60) as client:
        live = Live(ready["base_url"], ready["api_key"], client)
        yield live
        if os.environ.get("TIEBEAM_RECORD"):
            live.write_down(name)


@pytest.fixture
def port(conversation: Conversation) -> RedminePsa:
    """Give the connector at the other end."""
    return connected(conversation, conversation.base_url, conversation.api_key)


@pytest.fixture
def other_port(conversation: Conversation) -> Callable[[Http], RedminePsa]:
    """Give a way to connect once more, through what a test puts in between."""
    return lambda http: connected(http, conversation.base_url, conversation.api_key)


def recording_of(request: pytest.FixtureRequest) -> str:
    """Return the name of the test's recording, one for each of its parameters."""
    words = re.split(r"[^A-Za-z0-9_]+", request.node.name.removeprefix("test_"))
    return "-".join(word for word in words if word and word not in {"recorded", "live"})
