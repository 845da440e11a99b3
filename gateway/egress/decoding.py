"""Bodies of answers, bounded: as they come over the wire, and once more as they unfold from gzip."""

import zlib
from collections.abc import AsyncIterable, Mapping
from typing import Final

from gateway.egress.verdict import Unreadable

MAGIC: Final = b"\x1f\x8b"
GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
OF_THE_WIRE: Final = (b"content-encoding", b"content-length", b"transfer-encoding")


async def whole(parts: AsyncIterable[bytes], most: int) -> bytes:
    """Return the body; raises Unreadable as soon as it is larger than `most`."""
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


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
