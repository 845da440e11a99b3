"""How much a stranger may send: address, header fields, body; and that it is whole."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from gateway.errors import Refused
from openapi.common.types import Code

URI_BYTES: Final = 8_192
HEADER_BYTES: Final = 32_768
WITHIN_S: Final = 10.0
"""How long a body may take: places of the caller's own quota are held meanwhile, and others may wait for its read."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Disconnected(Exception):
    """The caller went away before the request was whole; nobody waits for an answer."""


def check_address(raw_path: bytes, query: bytes) -> None:
    """Return where path and query are within bounds; raises Refused."""
    if len(raw_path) + len(query) > URI_BYTES:
        raise Refused(Code.request_uri_too_long, f"Keep the path and query within {URI_BYTES} bytes.")


def check_headers(fields: Mapping[bytes, bytes]) -> None:
    """Return where all fields together, several of one name joined, are within bounds; raises Refused."""
    if len(b"".join(fields)) + len(b"".join(fields.values())) > HEADER_BYTES:
        raise Refused(Code.request_headers_too_large, f"Keep all header fields together within {HEADER_BYTES} bytes.")


def check_host(http_version: str, fields: Mapping[bytes, bytes]) -> None:
    """Return where the caller says once whom it calls, as HTTP/1.1 has it (RFC 9112 §3.2); raises Refused.

    Nothing here hangs on it, but what stands before us may have gone by the other one of two.
    """
    if http_version == "1.1" and b"," in fields.get(b"host", b","):
        raise Refused(Code.request_malformed, "Send the field Host, once.")


def has_no_body(http_version: str, fields: Mapping[bytes, bytes]) -> bool:
    """Tell whether the fields say that no body follows (RFC 9112 §6.3); in HTTP/2 they never do."""
    return http_version.startswith("1") and b"content-length" not in fields and b"transfer-encoding" not in fields


async def read_body(receive: Receive, announced: bytes | None, most: int) -> bytes:
    """Return the whole body; raises Refused as soon as it is, or says that it will be, larger than `most`.

    One that does not come in time is refused too.
    """
    if announced is not None and announced.isdigit() and int(announced) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(WITHIN_S):
            return await _whole(receive, most)
    except TimeoutError as error:
        raise Refused(Code.request_timeout, f"Send all of it within {WITHIN_S:.0f} s.") from error


async def _whole(receive: Receive, most: int) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise _too_large(most)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large(most: int) -> Refused:
    return Refused(Code.request_too_large, f"Send at most {most} bytes at once.")
