"""The small server that shows how a worker is: what it answers, to whom, and that nobody can keep it busy."""

import asyncio
import logging

import pytest

from gateway import listener
from gateway.listener import Answer, listening

HOST = "127.0.0.1"


async def page() -> Answer:
    return Answer(200, "text/plain", b"well")


async def broken() -> Answer:
    raise RuntimeError


async def sent(port: int, request: bytes) -> bytes:
    """Return the whole answer; it ends with the connection."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_page_is_answered_whole_and_the_connection_ends() -> None:
    async with listening(HOST, 0, {"/how": page}) as port:
        answer = await sent(port, b"GET /how?x=1 HTTP/1.1\r\nHost: worker\r\n\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"HTTP/1.1 200 OK"
    assert {b"Content-Length: 4", b"Connection: close", b"Cache-Control: no-store"} <= {*head.splitlines()}
    assert body == b"well"


async def test_head_of_a_page_has_no_body() -> None:
    async with listening(HOST, 0, {"/how": page}) as port:
        answer = await sent(port, b"HEAD /how HTTP/1.0\r\n\r\n")

    assert b"Content-Length: 4" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /else HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /how HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /how\r\n\r\n", b"400"),
        (b"\x16\x03\x01\r\n\r\n", b"400"),
        (b"GET /how HTTP/1.1\r\nX: " + b"a" * listener.LONGEST_HEAD + b"\r\n\r\n", b"431"),
        (b"GET /broken HTTP/1.1\r\n\r\n", b"500"),
    ],
)
async def test_what_is_no_page_is_said_to_be_none(
    request_: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with listening(HOST, 0, {"/how": page, "/broken": broken}) as port:
        answer = await sent(port, request_)

        assert answer.split(b" ")[1] == status
        assert b"well" in await sent(port, b"GET /how HTTP/1.1\r\n\r\n")


async def test_who_sends_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "PATIENCE_S", 0.01)
    async with listening(HOST, 0, {"/how": page}) as port:
        assert await sent(port, b"GET /how") == b""


async def test_connections_beyond_those_it_takes_are_closed_unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "AT_ONCE", 1)
    asked, answered = asyncio.Event(), asyncio.Event()

    async def slow() -> Answer:
        asked.set()
        await answered.wait()
        return await page()

    async with listening(HOST, 0, {"/slow": slow, "/how": page}) as port:
        first = asyncio.create_task(sent(port, b"GET /slow HTTP/1.1\r\n\r\n"))
        await asked.wait()

        assert await sent(port, b"") == b""

        answered.set()
        assert (await first).endswith(b"well")


async def test_end_hangs_up_on_who_is_still_there() -> None:
    asked = asyncio.Event()

    async def never() -> Answer:
        asked.set()
        await asyncio.Event().wait()
        return await page()

    async with listening(HOST, 0, {"/never": never}) as port:
        waiting = asyncio.create_task(sent(port, b"GET /never HTTP/1.1\r\n\r\n"))
        await asked.wait()

    assert await waiting == b""
