"""Small documents at fixed addresses, such as an issuer's keys: read whole, or an error in words; no redirects."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from gateway.egress.connection import USER_AGENT
from gateway.egress.request import Request
from gateway.egress.response import Response
from gateway.egress.transport import Transport, tls_context
from gateway.egress.verdict import LOST, Unreadable

CONNECTIONS: Final = 4
CONNECT_S: Final = 3.0
WITHIN_S: Final = 5.0
"""From the first byte that is sent to the last one that is read: somebody may wait for it."""
ACCEPT: Final = "application/json, application/jwk-set+json"
OK: Final = 200
LONGEST_S: Final = 31_536_000
MAX_AGE: Final = re.compile(r'(?:^|,)\s*max-age\s*=\s*"?(\d+)"?\s*(?=,|$)', re.IGNORECASE).search
UNCACHED: Final = re.compile(r"(?:^|,)\s*(?:no-store|no-cache)\s*(?=,|=|$)", re.IGNORECASE).search


class DocumentError(Exception):
    """The document cannot be had; the text completes "The address …", and holds nothing of what was answered."""


class Document(Struct, frozen=True, kw_only=True):
    """What was answered."""

    body: bytes
    fresh_s: float | None
    """For how long it may be kept (RFC 9111 §4.2), less what a cache on the way has used up; None says nothing."""


Fetch = Callable[[str], Awaitable[Document]]


class Documents:
    """The way to documents of at most so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._transport: Transport | None = None

    async def fetch(self, url: str) -> Document:
        """Return the document; raises DocumentError within seconds."""
        headers = {"accept": ACCEPT, "accept-encoding": "gzip", "user-agent": USER_AGENT}
        request = Request(method="GET", url=url, operation="read_document", headers=headers)
        try:
            async with asyncio.timeout(WITHIN_S):
                answer = await self._way().send(request)
        except Unreadable as error:
            raise DocumentError(f"{error}") from error
        except LOST as error:
            raise DocumentError(f"did not answer: {type(error).__name__}") from error
        if answer.status != OK:
            raise DocumentError(f"answered with the status {answer.status}; only {OK} is taken")
        return Document(body=answer.content, fresh_s=fresh_s(answer))

    async def close(self) -> None:
        """Hang up."""
        if self._transport:
            await self._transport.close()

    def _way(self) -> Transport:
        if self._transport is None:
            self._transport = Transport(
                connections=CONNECTIONS, connect_s=CONNECT_S, max_answer_bytes=self._most, tls=tls_context()
            )
        return self._transport


def fresh_s(answer: Response) -> float | None:
    """Return how long the answer may be kept; of two that differ the first counts."""
    control = answer.header(b"cache-control")
    if UNCACHED(control):
        return 0.0
    found = MAX_AGE(control)
    if not found:
        return None
    age = answer.header(b"age").strip()
    used_s = int(age[:9]) if age.isascii() and age.isdigit() else 0
    return float(max(min(int(found[1][:9]), LONGEST_S) - used_s, 0))
