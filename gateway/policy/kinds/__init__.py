"""The kinds of policies, outermost first. A new kind is a module here and one entry in KINDS."""

from typing import Final

from gateway.policy.kinds.audit import Audit
from gateway.policy.kinds.authenticate import Authenticate
from gateway.policy.kinds.authorize import Authorize
from gateway.policy.kinds.base import Policy
from gateway.policy.kinds.cache import Cache
from gateway.policy.kinds.concurrency import Concurrency
from gateway.policy.kinds.consumer import Consumer
from gateway.policy.kinds.idempotency import Idempotency
from gateway.policy.kinds.rate_limit import RateLimit
from gateway.policy.kinds.upstream import Upstream

KINDS: Final[tuple[type[Policy], ...]] = (
    Audit,
    Authenticate,
    Consumer,
    Authorize,
    RateLimit,
    Concurrency,
    Idempotency,
    Cache,
    Upstream,
)
"""The order in which they meet a call; the audit stands outside so that it sees every refusal."""
