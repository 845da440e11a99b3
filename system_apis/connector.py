"""What a connector is: a name, the settings it needs, and a builder for each port that its vendor can be."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

from gateway.egress import Http
from system_apis.ports import Erp, Psa


class Connection(Struct, frozen=True, kw_only=True):
    """One configured account at one vendor, as the connector's builder gets it."""

    name: str
    environment: Literal["production", "sandbox"]
    legal_entities: tuple[str, ...]


class Connector(Struct, frozen=True, kw_only=True):
    """One vendor. A builder is called once for each connection and each process; it makes no call itself."""

    name: str
    settings: type[Struct]
    erp: Callable[[Connection, Any, Http], Erp] | None = None
    psa: Callable[[Connection, Any, Http], Psa] | None = None

    @property
    def families(self) -> Mapping[str, Callable[..., Any]]:
        """Return the builders by the family that they serve."""
        return {name: builder for name, builder in (("erp", self.erp), ("psa", self.psa)) if builder}
