"""The proxy of fault campaigns: what the caller sees, and whether the target was reached."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.faults.tcp_proxy import Harm, TcpProxy, read_request, tcp_proxy
from tests.scripted_server import ScriptedServer, answer, scripted_server

IN_CHUNKS = b"4\r\nfour\r\n3;x=y\r\n\r\n5\r\n0\r\nTail: er\r\n\r\n"


@pytest.fixture
async def target() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as running:
        yield running


@pytest.fixture
async def proxy(target: ScriptedServer) -> AsyncIterator[TcpProxy]:
    place = urlsplit(target.url)
    assert place.hostname
    assert place.port
    async with tcp_proxy(place.hostname, place.port) as running:
        yield running


@pytest.fixture
async def http(proxy: TcpProxy) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=proxy.url, timeout=0.5) as client:
        yield client


async def chunked(writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n3;x=y\r\n\r\n5\r\n0\r\nTail: er\r\n\r\n"
    )
    await writer.drain()


async def until_closed(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end")
    await writer.drain()
    writer.close()


async def nothing(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    await writer.drain()


async def test_messages_pass_whole_over_one_connection(
    proxy: TcpProxy, http: httpx.AsyncClient, target: ScriptedServer
) -> None:
    target.then(answer(body=b"x" * 300_000), chunked, nothing, until_closed)
    large = (await http.post("/rpc", content=b"y" * 300_000)).content
    rest = [(await http.post("/rpc", json={"method": "read"})).content for _ in range(3)]

    sent = target.received[0].body
    last = await http.post("/rpc", content=b"done")
    assert (len(large), len(sent)) == (300_000, 300_000)
    assert rest == [b"four\r\n5", b"", b"to the end"]
    assert last.content == b"ok"
    assert [(done.harm, done.reached, done.status) for done in proxy.log] == [
        (None, True, 200),
        (None, True, 200),
        (None, True, 204),
        (None, True, 200),
        (None, True, 200),
    ]


@pytest.mark.parametrize(
    ("harm", "reached", "seen"),
    [
        (Harm.swallowed_before, False, httpx.RemoteProtocolError),
        (Harm.swallowed_after, True, httpx.RemoteProtocolError),
        (Harm.cut, True, httpx.RemoteProtocolError),
        (Harm.reset, False, httpx.ReadError),
    ],
)
async def test_harm_is_done_to_what_matches_as_often_as_it_was_asked_for(
    proxy: TcpProxy,
    http: httpx.AsyncClient,
    target: ScriptedServer,
    harm: Harm,
    reached: bool,  # noqa: FBT001 - a row
    seen: type[Exception],
) -> None:
    rule = proxy.harm(harm, b"account.invoice.create", times=2, hold_s=0.01)
    spared = await http.post("/erp/", json={"method": "account.invoice.read"})
    for _ in range(2):
        with pytest.raises(seen):
            await http.post("/erp/", json={"method": "account.invoice.create"})
    after = await http.post("/erp/", json={"method": "account.invoice.create"})

    assert (spared.status_code, after.status_code) == (200, 200)
    assert rule.used.is_set()
    assert len(target.received) == (4 if reached else 2)
    assert [(done.harm, done.reached) for done in proxy.log] == [
        (None, True),
        (harm, reached),
        (harm, reached),
        (None, True),
    ]
    assert proxy.log[1].request == "POST /erp/ HTTP/1.1"


async def test_answer_that_is_delayed_comes_too_late_for_who_is_impatient(
    proxy: TcpProxy, http: httpx.AsyncClient, target: ScriptedServer
) -> None:
    proxy.harm(Harm.delayed, lambda request: request.startswith(b"POST"), times=2, hold_s=0.05)
    with pytest.raises(httpx.ReadTimeout):
        await http.post("/erp/", timeout=0.02)
    patient = await http.post("/erp/")

    assert patient.content == b"ok"
    assert len(target.received) == 2


async def test_swallowed_answer_keeps_the_caller_waiting(proxy: TcpProxy, http: httpx.AsyncClient) -> None:
    proxy.harm(Harm.swallowed_after, hold_s=5)
    with pytest.raises(httpx.ReadTimeout):
        await http.post("/erp/", timeout=0.05)
    proxy.harm(Harm.swallowed_before)
    proxy.heal()

    assert (await http.post("/erp/")).content == b"ok"


async def test_refused_connections_are_taken_again_on_the_same_port(
    proxy: TcpProxy, http: httpx.AsyncClient, target: ScriptedServer
) -> None:
    await http.get("/")
    port = proxy.port
    await proxy.refuse()
    with pytest.raises(httpx.ConnectError):
        await http.get("/")
    await proxy.accept()

    assert (await http.get("/")).content == b"ok"
    assert proxy.port == port
    assert len(target.received) == 2


async def test_target_that_is_away_ends_the_connection(http: httpx.AsyncClient, proxy: TcpProxy) -> None:
    proxy._target = "127.0.0.1", 1  # noqa: SLF001 - nobody listens there

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await http.get("/")


async def test_requests_are_told_apart_however_they_are_cut() -> None:
    reader = asyncio.StreamReader()
    sized = b"POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\r\n"
    chunks = b"POST /b HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n" + IN_CHUNKS
    bare = b"GET /c HTTP/1.1\r\nHost: x\r\n\r\n"
    reader.feed_data(sized + chunks + bare)
    reader.feed_eof()

    assert [await read_request(reader) for _ in range(4)] == [sized, chunks, bare, b""]
