"""Everything around a call to a vendor: pool, deadline, limits, retries of reads, circuit, span, redacted log."""

from collections.abc import Callable, Mapping
from typing import Protocol

import httpx


class Http(Protocol):
    """The way to one connection's system."""

    async def call(
        self,
        method: str,
        url: str,
        *,
        operation: str,
        write: bool,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        no_effect: Callable[[httpx.Response], bool] | None = None,
    ) -> httpx.Response:
        """Return the answer, read to its end and decoded from gzip; its status is below 500 and not 429."""
