"""How many may be connected at once: as many as there are files for."""

import resource
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import commands, connections
from gateway.edge.limits import HEADER_BYTES, URI_BYTES
from gateway.settings.sections import HttpServer

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "asked_for", "most"),
    [
        (1_024, 524_288, 4_608, 4_096),
        (1_024, INFINITE, 4_608, 4_096),
        (1_024, 4_096, 4_096, 3_584),
        (256, 512, 512, 64),
        (65_536, 65_536, None, 4_096),
        (INFINITE, INFINITE, None, 4_096),
    ],
)
def test_as_many_may_connect_as_there_are_files_for(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, asked_for: int | None, most: int
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))

    assert connections.allowed() == most
    assert asked == ([] if asked_for is None else [(asked_for, hard)])


def test_server_takes_so_many_and_holds_no_more_of_a_head_than_the_edge_refuses_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "hand_on", lambda _: None)
    monkeypatch.setattr(connections, "allowed", lambda: 321)
    settings: Any = SimpleNamespace(http=HttpServer())

    server = commands.server(settings, "nobody:application")

    assert server.backpressure == 321
    assert server.http1_settings is not None
    assert server.http1_settings.max_buffer_size == connections.HEAD_BYTES
    assert URI_BYTES + HEADER_BYTES < connections.HEAD_BYTES
    assert connections.HEAD_BYTES * connections.MOST <= 2**28  # Whoever fills them all fills no pod of 768 MiB.
