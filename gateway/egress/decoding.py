"""Bodies of answers, bounded: as they come over the wire, and once more as they unfold from gzip."""

import zlib
from collections.abc import Mapping
from typing import Final

from aiohttp import StreamReader

from gateway.egress.verdict import Unreadable

MAGIC: Final = b"\x1f\x8b"
GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


async def whole(stream: StreamReader, most: int) -> bytes:
    """Return the body, mostly one part; raises Unreadable as soon as it is larger than `most`."""
    parts: list[bytes] = []
    size = 0
    while part := await stream.readany():
        parts.append(part)
        size += len(part)
        if size > most:
            raise _too_large(most)
    return b"".join(parts)


def plain(headers: Mapping[str, str], body: bytes, most: int) -> bytes:
    """Return the body as it was before it was encoded; raises Unreadable."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if not body or encoding in ("identity", ""):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Unreadable("answered in an encoding that was not asked for")
    # Tryton 8.2 says gzip of bodies that are not, where somebody on the way took our Accept-Encoding off.
    return gunzip(body, most) if body.startswith(MAGIC) else body


def gunzip(body: bytes, most: int) -> bytes:
    """Return what is in it, all its members (RFC 1952 §2.2); raises Unreadable, also of one that is cut short."""
    unfolded = bytearray()
    while body:
        member = zlib.decompressobj(GZIP_WINDOW)
        try:
            unfolded += member.decompress(body, most + 1 - len(unfolded))
        except zlib.error as error:
            raise Unreadable("answered with broken gzip") from error
        if len(unfolded) > most:
            raise _too_large(most)
        if not member.eof:
            raise Unreadable("answered with gzip that ends too soon")
        body = member.unused_data
    return bytes(unfolded)


def _too_large(most: int) -> Unreadable:
    return Unreadable(f"answered with more than {most} bytes")
