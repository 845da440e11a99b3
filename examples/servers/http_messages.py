"""Where an HTTP/1.1 message ends (RFC 9112 §6): enough to pass messages on one by one, byte by byte as they are."""

import asyncio
import re
from typing import Final

END_OF_HEAD: Final = b"\r\n\r\n"
INTERIM: Final = b"HTTP/1.1 100 "
WITHOUT_BODY: Final = frozenset({"204", "304"})


async def read_request(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next request as it was sent, or None where the client has hung up."""
    head = await _head(reader)
    return None if head is None else head + await _body(reader, head)


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """Return the answer as it was sent; raises IncompleteReadError where the server hangs up before its end."""
    head = INTERIM
    while status_of(head).startswith("1"):  # Nobody asked for an interim one.
        if (head := await _head(reader) or b"") == b"":
            raise asyncio.IncompleteReadError(b"", None)
    if status_of(head) in WITHOUT_BODY:
        return head
    return head + await (_body(reader, head) if _is_bounded(head) else reader.read())


def keeps_the_line(answer: bytes) -> bool:
    """Tell whether another answer can come on the same connection."""
    head = answer.partition(END_OF_HEAD)[0] + END_OF_HEAD
    ends = (_field(head, b"connection") or b"").lower() == b"close" or head.startswith(b"HTTP/1.0")
    return not ends and (_is_bounded(head) or status_of(head) in WITHOUT_BODY)


def status_of(answer: bytes) -> str:
    """Return the status of an answer."""
    return answer.split(b" ", 2)[1].decode("ascii")


def plain_answer(status: int, text: str) -> bytes:
    """Return an answer in plain text."""
    body = text.encode()
    head = f"HTTP/1.1 {status} {text}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _is_bounded(head: bytes) -> bool:
    """Tell whether the head says where the body ends; otherwise it ends with the connection."""
    return _field(head, b"content-length") is not None or _field(head, b"transfer-encoding") is not None


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
