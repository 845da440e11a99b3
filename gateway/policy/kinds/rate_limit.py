"""The kind `rate_limit`: how often."""

from fnmatch import fnmatchcase
from math import ceil
from typing import Annotated

from msgspec import Meta, field

from gateway.caller import Caller
from gateway.counters import Limit
from gateway.policy.kinds.counted import Counted, Permits
from gateway.policy.operation import Operation

Cost = Annotated[int, Meta(ge=1, le=1_000)]


class RateLimit(Counted, tag="rate_limit", frozen=True, kw_only=True):
    """At most `limit` calls, coming back evenly over `window_s` seconds; the next one gets 429 and when to return.

    All operations that one row is for share its quota. A call that it refuses costs it nothing.
    """

    limit: Permits
    window_s: Annotated[int, Meta(ge=1, le=86_400)]
    burst: Permits | None = None
    """How many calls may come at once; left out, the whole limit."""
    costs: dict[str, Cost] = field(default_factory=dict)
    """What one call costs, by operation name, glob or class (`read`, `write`); the most costly counts, else 1."""

    def unknown_names(self, operations: frozenset[str], issuers: frozenset[str]) -> list[tuple[str, str]]:
        """Return what `costs` names and nothing is."""
        names = operations | {"read", "write"}
        return [("costs", glob) for glob in self.costs if not any(fnmatchcase(name, glob) for name in names)]

    @property
    def most(self) -> int:
        """Return how many permits a full bucket holds."""
        return self.burst or self.limit

    @property
    def policy_item(self) -> bytes:
        """Return the quota and its window; those of a larger burst, so that never more is left than the quota."""
        quota = max(self.limit, self.most)
        return b'"%s";q=%d;w=%d' % (self.label.encode(), quota, ceil(self.window_s * quota / self.limit))

    def cost(self, operation: Operation) -> int:
        """Return what a call of the operation costs; never more than a full bucket holds, or it could not be made."""
        costs = [cost for glob, cost in self.costs.items() if _means(glob, operation)]
        return min(max(costs, default=1), self.most)

    def limit_for(self, whose: str, cost: int = 1) -> Limit:
        """Return somebody's bucket."""
        return Limit(f"{self.bucket}:{whose}", self.limit / self.window_s, float(self.most), float(cost))

    def drawn(self, caller: Caller, tier: str, operation: Operation) -> Limit | None:
        """Return the caller's bucket."""
        return self.limit_for(self.whose(caller, tier, operation), self.cost(operation))


def _means(glob: str, operation: Operation) -> bool:
    return glob == operation.effect or fnmatchcase(operation.name, glob)
