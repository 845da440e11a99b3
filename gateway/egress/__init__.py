"""Everything around a call to a vendor: pool, deadline, limits, retries of reads, circuit, span, redacted log.

`upstreams.py` makes an `Http` for each connection, `connection.py` is it. The others have one topic each: `terms` what
an installation decides, `request` and `response` what is sent and answered, `transport` and `decoding` the bytes,
`verdict` what became of a call, `retry`, `limits`, `circuit`.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.egress.response import Response
from gateway.errors import ApiError, Unavailable, Uncertain


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
        no_effect: Callable[[Response], bool] | None = None,
    ) -> Response:
        """Return the answer, read to its end and decoded from gzip; its status is below 500 and not 429.

        A read is tried again while the deadline lasts, then raises Unavailable. A write reaches the vendor once: raises
        Uncertain where its answer is lost or says 5xx, unless nothing was sent or `no_effect` says so of the answer.
        """


def unanswered(*, write: bool) -> type[ApiError]:
    """Return the family of an answer that nobody can decode or map: a write may have happened all the same."""
    return Uncertain if write else Unavailable
