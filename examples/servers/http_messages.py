"""Where an HTTP/1.1 message ends (RFC 9112 §6): enough to pass messages on one by one, byte by byte as they are."""

import asyncio
import re
from typing import Final

END_OF_HEAD: Final = b"\r\n\r\n"
WITHOUT_BODY: Final = frozenset({204, 304})


async def read_request(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next request as it was sent, or None where the client has hung up."""
    head = await _head(reader)
    return None if head is None else head + await _body(reader, head)


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """Return the answer as it was sent; raises IncompleteReadError where the server hangs up before its end."""
    head = await _head(reader)
    if head is None:
        raise asyncio.IncompleteReadError(b"", None)
    if status_of(head) in WITHOUT_BODY:
        return head
    if _field(head, b"content-length") is None and _field(head, b"transfer-encoding") is None:
        return head + await reader.read()  # Its end is the connection's.
    return head + await _body(reader, head)


def status_of(answer: bytes) -> int:
    """Return the status of an answer."""
    return int(answer.split(b" ", 2)[1])


def plain_answer(status: int, text: str) -> bytes:
    """Return an answer in plain text."""
    body = text.encode()
    head = f"HTTP/1.1 {status} {text}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(END_OF_HEAD)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if (coding := _field(head, b"transfer-encoding")) and coding.lower().endswith(b"chunked"):
        return await _chunks(reader)
    return await reader.readexactly(int(_field(head, b"content-length") or b"0"))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """Return chunks with their sizes, and the trailer."""
    read = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        read += line
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        read += await reader.readexactly(size + 2)
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        read += line
    return read + line


def _field(head: bytes, name: bytes) -> bytes | None:
    found = re.search(rb"(?im)^" + re.escape(name) + rb":[ \t]*(.*?)[ \t]*\r$", head)
    return found[1] if found else None
