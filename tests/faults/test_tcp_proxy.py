"""The proxy that loses calls: what the client gets, and what the server has seen, fault by fault."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from examples.servers.tcp_proxy import Fault, TcpProxy

ANSWER = b"0123456789" * 20
PATIENCE_S = 0.3
WAYS = {
    "sized": b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + ANSWER,
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + (b"7\r\n%s\r\nc1;x=y\r\n%s\r\n0\r\nTail: er\r\n\r\n" % (ANSWER[:7], ANSWER[7:])),
    "after an interim one": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + ANSWER,
    "to the end of the line": b"HTTP/1.1 200 OK\r\n\r\n" + ANSWER,
    "empty": b"HTTP/1.1 204 No Content\r\n\r\n",
}


class Counting(ThreadingHTTPServer):
    """Answers every POST, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[bytes] = []
        self.answer = WAYS["sized"]


class Handler(BaseHTTPRequestHandler):
    """One connection of it."""

    protocol_version = "HTTP/1.1"
    server: Counting

    def do_POST(self) -> None:
        self.server.seen.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.wfile.write(self.server.answer)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - as the class has it
        pass


@pytest.fixture
def server() -> Iterator[Counting]:
    with Counting() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def proxy(server: Counting) -> Iterator[TcpProxy]:
    with TcpProxy(f"http://127.0.0.1:{server.server_port}") as running:
        yield running


@pytest.fixture
def client(proxy: TcpProxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, timeout=PATIENCE_S) as http:
        yield http


def told(client: httpx.Client, text: bytes = b"create") -> int | None:
    """Return the status, or None where the answer was lost."""
    try:
        return client.post("/", content=text).status_code
    except httpx.TransportError:
        return None


@pytest.mark.parametrize("way", WAYS)
def test_undisturbed_calls_pass_whole_one_after_the_other(
    server: Counting, client: httpx.Client, proxy: TcpProxy, way: str
) -> None:
    server.answer, large = WAYS[way], b"x" * 300_000

    answers = [client.post("/", content=text) for text in (b"first", large)]

    status, content = (204, b"") if way == "empty" else (200, ANSWER)
    assert [(answer.status_code, answer.content) for answer in answers] == [(status, content)] * 2
    assert server.seen == [b"first", large]
    assert [(call.fault, call.status) for call in proxy.calls()] == [(None, status)] * 2


def test_calls_share_the_line_that_the_client_keeps(client: httpx.Client, proxy: TcpProxy) -> None:
    lines = [told(client) and {*proxy._lines} for _ in range(2)]  # noqa: SLF001 - nobody else asks

    assert lines[0] == lines[1]


@pytest.mark.parametrize(
    ("fault", "status", "effects"),
    [
        (Fault.lost_before, None, 0),
        (Fault.lost_after, None, 1),
        (Fault.cut, None, 1),
        (Fault.late, None, 1),
        (Fault.away, 503, 0),
        (Fault.away_after, 504, 1),
    ],
)
def test_call_that_meets_a_fault_has_its_effect_or_not_and_the_next_one_goes_well(
    server: Counting, client: httpx.Client, proxy: TcpProxy, fault: Fault, status: int | None, effects: int
) -> None:
    proxy.inject(fault, b"create", hold_s=2 * PATIENCE_S if fault is Fault.late else 0.0)

    assert told(client, b"look") == 200
    assert told(client) == status
    assert len(server.seen) == 1 + effects
    assert told(client) == 200
    assert [(call.fault, call.status) for call in proxy.calls(b"create")] == [
        (fault, 200 if effects else None),
        (None, 200),
    ]


def test_line_that_is_held_is_let_go_as_soon_as_the_client_hangs_up(client: httpx.Client, proxy: TcpProxy) -> None:
    proxy.inject(Fault.lost_before, hold_s=60)
    began = time.monotonic()

    assert told(client) is None
    assert PATIENCE_S <= time.monotonic() - began < 10


def test_hooks_are_called_before_the_call_and_between_its_effect_and_its_answer(
    server: Counting, client: httpx.Client, proxy: TcpProxy
) -> None:
    seen: list[int] = []
    proxy.inject(
        None,
        b"create",
        on_call=lambda _call: seen.append(len(server.seen)),
        on_effect=lambda _call: seen.append(len(server.seen)),
    )

    assert told(client) == 200
    assert seen == [0, 1]


def test_chance_meets_the_same_calls_for_the_same_seed(server: Counting) -> None:
    def fate(seed: int) -> list[int | None]:
        with TcpProxy(f"http://127.0.0.1:{server.server_port}", seed=seed) as proxy:
            proxy.inject(Fault.away, b"create", times=None, chance=0.5)
            with httpx.Client(base_url=proxy.url, timeout=PATIENCE_S) as client:
                return [told(client) for _ in range(20)]

    first = fate(1)

    assert set(first) == {200, 503}
    assert fate(1) == first
    assert fate(2) != first


def test_rule_that_is_lifted_does_nothing_any_more(client: httpx.Client, proxy: TcpProxy) -> None:
    rule = proxy.inject(Fault.away, times=None)
    kept = proxy.inject(Fault.away, b"other", times=None)

    assert told(client) == 503
    proxy.lift(rule)
    assert (told(client), told(client, b"other")) == (200, 503)
    proxy.lift()
    assert kept.left is None
    assert told(client, b"other") == 200


def test_proxy_that_refuses_connections_takes_them_again_at_the_same_address(
    server: Counting, client: httpx.Client, proxy: TcpProxy
) -> None:
    assert told(client) == 200
    with proxy.refusing():
        assert told(client) is None
        with pytest.raises(httpx.ConnectError):
            client.post("/", content=b"create")
    assert told(client) == 200
    assert len(server.seen) == 2
