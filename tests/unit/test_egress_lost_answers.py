"""What a call says that got no answer, on a real socket: the transport's names for these are wrong, hence each row."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from examples.servers.start import free_port
from gateway.egress.request import Request
from gateway.egress.transport import Transport
from gateway.egress.upstreams import Upstreams
from gateway.egress.verdict import verdict_on_loss
from gateway.errors import Unavailable, Uncertain
from openapi.common.types import Code
from tests.egress_world import BOOKS, Time, upstreams
from tests.scripted_server import (
    Behaviour,
    ScriptedServer,
    answer,
    close,
    cut_short,
    no_http,
    reset,
    scripted_server,
)

LOST = {"closed": close, "reset": reset, "cut short": cut_short, "not HTTP": no_http, "500": answer(500)}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        yield server


@pytest.fixture
async def egress() -> AsyncIterator[Upstreams]:
    async with upstreams(Time()) as egress:
        yield egress


async def warm(egress: Upstreams, server: ScriptedServer) -> None:
    """Have a connection in the pool: only there would aiohttp repeat a request by itself."""
    await egress.http(BOOKS).call("GET", server.url, operation="warm", write=False)
    server.received.clear()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("lost", LOST.values(), ids=LOST.keys())
async def test_write_whose_answer_is_lost_is_uncertain_and_sent_once(
    egress: Upstreams, server: ScriptedServer, lost: Behaviour, method: str
) -> None:
    await warm(egress, server)
    server.then(lost)

    with pytest.raises(Uncertain) as raised:
        await egress.http(BOOKS).call(method, server.url, operation="create_customer", write=True, content=b"{}")

    assert raised.value.code is Code.upstream_timeout_uncertain
    assert [request.method for request in server.received] == [method]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("lost", LOST.values(), ids=LOST.keys())
async def test_read_whose_answer_is_lost_is_asked_again(
    egress: Upstreams, server: ScriptedServer, lost: Behaviour, method: str
) -> None:
    await warm(egress, server)
    server.then(lost)

    answered = await egress.http(BOOKS).call(method, server.url, operation="find_customer", write=False)

    assert answered.content == b"ok"
    assert len(server.received) == 2


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST.keys())
async def test_read_that_is_lost_each_time_is_unavailable_after_its_retries(
    egress: Upstreams, server: ScriptedServer, lost: Behaviour
) -> None:
    server.then(*[lost] * 9)

    with pytest.raises(Unavailable) as raised:
        await egress.http(BOOKS).call("GET", server.url, operation="find_customer", write=False)

    assert raised.value.code is Code.upstream_unavailable
    assert len(server.received) == 3


@pytest.mark.parametrize(("write", "family"), [(True, Uncertain), (False, Unavailable)])
async def test_call_that_gets_no_answer_in_time_is_uncertain_only_if_it_writes(
    server: ScriptedServer, *, write: bool, family: type[Exception]
) -> None:
    server.then(server.hang)

    async with upstreams(Time(), deadline_s=0.05, read_retries=0) as egress:
        with pytest.raises(family):
            await egress.http(BOOKS).call("POST", server.url, operation="post_invoice", write=write)

    assert len(server.received) == 1


async def test_write_that_its_caller_gives_up_ends_with_its_connection(server: ScriptedServer) -> None:
    server.then(server.hang)
    async with upstreams(Time()) as egress:
        call = asyncio.ensure_future(egress.http(BOOKS).call("POST", server.url, operation="post", write=True))
        await server.arrived(1)

        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        assert egress.metrics.total("tiebeam_upstream_calls_total", outcome="cancelled") == 1


def refused(_: pytest.MonkeyPatch, server: ScriptedServer) -> str:
    assert server.url
    return f"http://127.0.0.1:{free_port()}"


def unknown_name(monkeypatch: pytest.MonkeyPatch, server: ScriptedServer) -> str:
    async def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return server.url.replace("127.0.0.1", "nowhere.example")


def no_tls(_: pytest.MonkeyPatch, server: ScriptedServer) -> str:
    return server.url.replace("http:", "https:")


@pytest.mark.parametrize("address", [refused, unknown_name, no_tls])
async def test_write_that_never_left_is_unavailable(
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    address: Callable[[pytest.MonkeyPatch, ScriptedServer], str],
) -> None:
    url = address(monkeypatch, server)

    async with upstreams(Time(), failures=1) as egress:
        with pytest.raises(Unavailable) as raised:
            await egress.http(BOOKS).call("POST", url, operation="create_customer", write=True, content=b"{}")

    assert raised.value.code is Code.upstream_unavailable
    assert server.received == []


async def test_write_to_a_system_that_does_not_connect_in_time_is_unavailable() -> None:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as deaf,
        socket.create_connection(deaf.getsockname()),  # Fills the backlog: the next one gets no answer at all.
    ):
        async with upstreams(Time(), failures=1, connect_s=0.1) as egress:
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
            with pytest.raises(Unavailable) as raised:
                await egress.http(BOOKS).call("POST", url, operation="create_customer", write=True)

    assert raised.value.code is Code.upstream_unavailable


async def test_request_that_finds_the_pool_full_was_not_sent(server: ScriptedServer) -> None:
    tls = ssl.create_default_context()
    transport = Transport(connections=1, connect_s=0.05, max_answer_bytes=99, tls=tls)
    server.then(server.hang)
    request = Request(method="POST", url=server.url, operation="create_customer", headers={})
    first = asyncio.ensure_future(transport.send(request))
    await server.arrived(1)

    with pytest.raises(aiohttp.ConnectionTimeoutError) as raised:
        await transport.send(request)

    assert verdict_on_loss(raised.value, patient=True).no_effect
    assert len(server.received) == 1
    server.release()
    await first
    await transport.close()


async def test_write_that_finds_nobody_waits_for_the_system_within_its_deadline(server: ScriptedServer) -> None:
    time, port = Time(), free_port()
    later = ScriptedServer()
    listening: list[asyncio.Server] = []

    async def sleep(seconds: float) -> None:
        time.passed += seconds
        if time.passed > 1 and not listening:
            listening.append(await asyncio.start_server(later.accept, "127.0.0.1", port))

    time.sleep = sleep  # type: ignore[method-assign]  # The system comes up while the call waits.
    async with upstreams(time) as egress:
        url = f"http://127.0.0.1:{port}"
        answered = await egress.http(BOOKS).call("POST", url, operation="create_customer", write=True, content=b"{}")

    assert answered.status == 200
    assert len(later.received) == 1
    assert server.received == []
    listening[0].close()
    await later.stop()


async def test_write_that_finds_nobody_is_given_up_at_its_deadline() -> None:
    time = Time()

    async with upstreams(time) as egress:
        with pytest.raises(Unavailable):
            await egress.http(BOOKS).call("POST", f"http://127.0.0.1:{free_port()}", operation="create", write=True)

    assert 15 < time.passed < 20
