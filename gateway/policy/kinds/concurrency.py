"""The kind `concurrency`: how many calls at once."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from gateway.caller import Caller
from gateway.counters import Places
from gateway.policy.kinds.counted import Counted
from gateway.policy.operation import Operation

LEASE_S: Final = 60.0
"""Longer than any call may take: only a process that died leaves its places to this."""


class Concurrency(Counted, tag="concurrency", frozen=True, kw_only=True):
    """At most `most` calls under way; the next one gets 429 and may try again in a second."""

    per: Literal["client", "tier", "connection"]
    most: Annotated[int, Meta(ge=1, le=10_000)]

    @property
    def policy_item(self) -> bytes:
        """Return how many calls may be under way."""
        return b'"%s";q=%d;qu="concurrent-requests"' % (self.label.encode(), self.most)

    def held(self, caller: Caller, tier: str, operation: Operation) -> Places | None:
        """Return the caller's places."""
        return Places(f"{self.bucket}:{self.whose(caller, tier, operation)}", self.most, LEASE_S)
