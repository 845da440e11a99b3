"""The kind `rate_limit`: how often."""

import hashlib
import math
from functools import cached_property
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.counters import CountersAway, Draw
from gateway.errors import Refused, Unavailable
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.kinds.base import Kit, Policy
from gateway.policy.operation import Operation
from openapi.common.types import Code


class RateLimit(Policy, tag="rate_limit", frozen=True, kw_only=True):
    """At most `limit` calls, coming back evenly over `window_s` seconds; the next one gets 429 and when to return.

    All operations that one row is for share its quota. A call that it refuses costs it nothing.
    """

    limit: Annotated[int, Meta(ge=1, le=1_000_000)]
    window_s: Annotated[int, Meta(ge=1, le=86_400)]
    per: Literal["client", "connection"]
    """Whose quota it is: each client's own, or one that all callers of a connection share."""
    when_unavailable: Literal["allow", "refuse"]
    """While nobody can count. No default: somebody has to decide."""

    @property
    def slot(self) -> str:
        """Return the kind and whose quota it is: a client's limit does not lift a connection's."""
        return f"{self.kind} per {self.per}"

    @cached_property
    def bucket(self) -> str:
        """Return the row's own name for its buckets; equal rows in web processes share it, other rows never do."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]

    def concerns(self, operation: Operation) -> bool:
        """Tell whether there is somebody to count for."""
        return self.per == "client" or operation.connection is not None

    async def apply(self, call: Call, kit: Kit, proceed: Proceed) -> Answer:
        """Return the answer with the quota's header fields, or 429."""
        whose = call.caller.client_id if self.per == "client" else call.operation.connection
        try:
            draw = await kit.counters.draw(f"{self.bucket}:{whose}", self.limit / self.window_s, self.limit)
        except CountersAway as error:
            if self.when_unavailable == "allow":
                return await proceed(call)
            raise Unavailable(Code.limits_unavailable, "Nobody can count just now.", retry_after_s=5) from error
        if draw.wait_s:
            wait_s = math.ceil(draw.wait_s)
            answer = kit.problem(call, Refused(Code.rate_limited, f"Try again in {wait_s} s.", retry_after_s=wait_s))
        else:
            answer = await proceed(call)
        return self._told(answer, draw)

    def _told(self, answer: Answer, draw: Draw) -> Answer:
        """Return the answer with the fields of draft-ietf-httpapi-ratelimit-headers-10, once for each limit."""
        until_s = math.ceil(draw.wait_s or draw.full_in_s)  # Of a refusal: no later than Retry-After.
        answer.add(b"ratelimit-policy", b'"%s";q=%d;w=%d' % (self.per.encode(), self.limit, self.window_s))
        answer.add(b"ratelimit", b'"%s";r=%d;t=%d' % (self.per.encode(), draw.left, until_s))
        return answer
