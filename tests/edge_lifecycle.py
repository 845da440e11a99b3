"""An edge under versions that go, on a clock that stands still until a test moves it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import structs

from gateway.edge import Edge
from gateway.lifecycle.document import Version, load
from tests.edge_world import STATUS, Reply, World
from tests.fakes.acquaintance import Acquaintance
from tests.fakes.clock import Clock

STATUSES, ONBOARDING, ERP = "process/status/v1", "process/project_onboarding/v1", "system/erp/v1"
KEY: Final = [("Idempotency-Key", '"0123456789"')]
NOW: Final = Clock().now
DEPRECATED: Final = NOW - timedelta(days=30)
SUNSET: Final = NOW + timedelta(days=1)
FIELDS: Final = ("deprecation", "sunset", "link")


@dataclass
class Life:
    """The world's edge under versions that go, and the clock that they go by."""

    world: World
    version: Version = field(init=False)
    known: Acquaintance = field(default_factory=lambda: Acquaintance("crm", "portal"))

    def goes(self, contract: str = STATUSES, *, gone: dict[str, Any] | None = None, **changes: Any) -> None:  # noqa: ANN401 - fields of a version.
        """Put a set in force in which the version is deprecated and ends, unless it says otherwise."""
        dates = {"deprecated_at": DEPRECATED, "sunset_at": SUNSET} | changes
        self.version = version = structs.replace(load()[contract], **dates)
        kit = structs.replace(self.world.kit, known=self.known)
        policies = structs.replace(self.world.policies, lifecycle={contract: version}, gone=gone or {})
        self.world.edge = Edge(self.world.framework, policies, kit, clock=self.world.seconds)

    def stays(self) -> None:
        """Put a set in force in which nothing goes."""
        self.world.edge.use(self.world.policies)

    def at(self, moment: datetime, seconds: float = 0.0) -> None:
        """Set the clock."""
        self.world.clock.now = moment + timedelta(seconds=seconds)

    async def get(self, target: str = STATUS, **request: Any) -> Reply:  # noqa: ANN401 - what a request has.
        """Return the answer to a GET, with a token that holds at this moment."""
        return await self.world.send("GET", target, **request)

    @property
    def served(self) -> int:
        """Return how many calls came through."""
        return len(self.world.framework.seen)
