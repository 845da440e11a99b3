"""What became of one exchange with a vendor. Pure: an answer or an exception in, an answer or a `Failure` out.

aiohttp names exceptions by where they struck (`ClientConnectionError` also for a POST that the vendor has read): only
those in NOT_SENT prove that nothing was sent.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Final

import aiohttp
from msgspec import Struct

from gateway.egress.response import Response
from gateway.errors import ApiError, Unavailable, Uncertain
from openapi.common.types import Code

NOT_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Refused, no such name, no TLS; not connected in time, or the pool was full."""
LOST: Final = (aiohttp.ClientError, OSError)
"""What a call ends with when there is no answer (TimeoutError is an OSError); anything else is a mistake of ours."""

TOO_MANY: Final = 429
ERROR: Final = 500
AWAY: Final = frozenset({502, 503, 504})
"""Statuses of a system that is away. A plain 500 is mostly one document's, and no reason to spare the others."""


class Unreadable(Exception):
    """An answer came whose body is too large, or is not what its header fields say."""


class Failure(Struct, frozen=True, kw_only=True):
    """What came instead of an answer that somebody could use."""

    code: Code
    why: str
    """Completes "The other system …": no vendor's text, no address."""
    no_effect: bool = False
    """Certainly nothing happened; a write may be sent again."""
    away: bool = False
    """It speaks against the system as a whole."""
    again: bool = True
    """Asking again may help."""
    retry_after_s: float | None = None
    cause: BaseException | None = None

    def error(self, *, write: bool) -> ApiError:
        """Return the error that says what happens next."""
        retry_after_s = None if self.retry_after_s is None else ceil(self.retry_after_s)
        if self.no_effect or not write:
            return Unavailable(self.code, f"The other system {self.why}.", retry_after_s=retry_after_s)
        code = self.code if self.code is Code.upstream_contract_violation else Code.upstream_timeout_uncertain
        return Uncertain(code, f"The other system {self.why}; it may have done it all the same.")


Answer = Response | Failure


def verdict_on(answer: Response, now: Callable[[], datetime], no_effect: Callable[[Response], bool] | None) -> Answer:
    """Return the answer, or what its status says is wrong with the system rather than with the call."""
    status = answer.status
    if status == TOO_MANY:
        wait_s = retry_after_s(answer.header(b"retry-after"), now())
        # Without a time nobody knows how long, and some systems lock longer for each attempt.
        return Failure(
            code=Code.upstream_rate_limited,
            why="takes no more calls just now",
            no_effect=True,
            again=wait_s is not None,
            retry_after_s=wait_s,
        )
    if status >= ERROR:
        return Failure(
            code=Code.upstream_unavailable,
            why=f"answered with {status}",
            no_effect=bool(no_effect and no_effect(answer)),
            away=status in AWAY,
            retry_after_s=retry_after_s(answer.header(b"retry-after"), now()),
        )
    return answer


def verdict_on_loss(error: BaseException, *, patient: bool) -> Failure:
    """Return what an exception of LOST, or Unreadable, says; a system that was given no time is not away."""
    if isinstance(error, Unreadable):
        return Failure(code=Code.upstream_contract_violation, why=str(error), again=False, cause=error)
    no_effect = isinstance(error, NOT_SENT)
    why = "cannot be reached" if no_effect else "did not answer"
    return Failure(code=Code.upstream_unavailable, why=why, no_effect=no_effect, away=patient, cause=error)


def retry_after_s(field: str, now: datetime) -> float | None:
    """Return how long `Retry-After` asks to wait, in either form (RFC 9110 §10.2.3); None where it says nothing."""
    text = field.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])  # More digits are more years than anybody waits.
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds(), 0.0)
