"""What the kinds that count have in common: for whom, and what happens while nobody can count."""

import hashlib
from functools import cached_property
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gateway.caller import Caller
from gateway.policy.kinds.base import Policy
from gateway.policy.operation import Operation

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
BESIDE: Final = frozenset({"costs", "when_unavailable"})
"""Fields that say nothing of which calls are counted, nor how many."""
Permits = Annotated[int, Meta(ge=1, le=1_000_000)]


class Counted(Policy, frozen=True, kw_only=True):
    """A row that counts calls."""

    per: Literal["client", "tier", "connection", "address"]
    """Whose quota it is: each client's own, or one that all clients of a tier, or all callers of a connection, share.

    `address` is for strangers: what a network address may try without a token that is accepted.
    """
    name: Name | None = None
    """Tells two limits of one `per` from each other, in a plan and in `RateLimit`; left out, it is that of `per`."""
    when_unavailable: Literal["allow", "refuse", "count_alone"]
    """While the shared counters are away. No default: somebody has to decide. Alone, each process counts by itself."""

    @property
    def label(self) -> str:
        """Return the name that callers see."""
        return self.name or self.per

    @property
    def policy_item(self) -> bytes:
        """Return the limit as an item of `RateLimit-Policy`; each kind has its own parameters."""
        return b'"%s"' % self.label.encode()

    @property
    def slot(self) -> str:
        """Return the kind, whose quota it is and its name: a client's limit does not lift a connection's."""
        return f"{self.kind} per {self.per}" + (f" {self.name}" if self.name else "")

    @property
    def before_caller(self) -> bool:
        """Tell whether it is strangers that are counted."""
        return self.per == "address"

    @cached_property
    def bucket(self) -> str:
        """Return the row's own name for its buckets: rows share it that count the same calls by the same measure.

        Of two such rows a plan has the last. So a changed cost, or another word on what happens while nobody can count,
        gives nobody a quota anew.
        """
        measured = {name: value for name, value in msgspec.to_builtins(self).items() if name not in BESIDE}
        return hashlib.sha256(msgspec.json.encode(measured, order="deterministic")).hexdigest()[:16]

    def concerns(self, operation: Operation) -> bool:
        """Tell whether there is somebody to count for."""
        return self.per != "connection" or operation.connection is not None

    def whose(self, caller: Caller, tier: str, operation: Operation) -> str:
        """Return whose quota a call draws on: a client's is that of who vouches for it; no client id has a blank."""
        owners = {
            "client": f"{caller.client_id} of {caller.issuer}",
            "tier": tier,
            "connection": str(operation.connection),
        }
        return owners[self.per]
