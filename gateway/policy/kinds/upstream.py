"""The kind `upstream`: how we treat one connected system. Planned for connections; `gateway.egress` carries it out."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from gateway.egress.terms import Breaker, Patience, Quota, Terms
from gateway.policy.kinds.base import Policy


class Upstream(Policy, tag="upstream", frozen=True, kw_only=True):
    """What a system bears, how long we wait for it, and when we leave it alone."""

    belongs_to: ClassVar[Literal["operation", "connection"]] = "connection"

    quota: Quota
    patience: Patience
    circuit: Breaker
    cache_s: Annotated[float, Meta(ge=0, le=3_600)]
    """How old a status read may be; workflows always ask the system itself."""

    @property
    def terms(self) -> Terms:
        """Return what `egress` is told."""
        return Terms(quota=self.quota, patience=self.patience, circuit=self.circuit)
