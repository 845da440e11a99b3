"""The configured landscape: which connection serves which legal entity, and the port of each connection."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from gateway.errors import Refused
from openapi.common.types import Code
from system_apis.ports import Erp, Psa

P = TypeVar("P")


class Configured:
    """The `Landscape` of one installation, with bare ports: nothing here answers from a cache."""

    def __init__(
        self,
        *,
        erps: Mapping[str, Erp],
        psas: Mapping[str, Psa],
        erp_of: Mapping[str, str],
        psa_of: Mapping[str, str],
    ) -> None:
        self._erps, self._psas, self._erp_of, self._psa_of = erps, psas, erp_of, psa_of

    def erp_of(self, legal_entity: str) -> str:
        """Return the name of the entity's ERP connection; raises Refused(entity_mapping_missing)."""
        return _looked_up(self._erp_of, legal_entity, "ERP")

    def psa_of(self, legal_entity: str) -> str:
        """Return the name of the entity's PSA connection; raises Refused(entity_mapping_missing)."""
        return _looked_up(self._psa_of, legal_entity, "PSA")

    def erp(self, connection: str) -> Erp:
        """Return the port of an ERP connection; a name that was removed is Refused(entity_mapping_missing)."""
        return _port(self._erps, connection)

    def psa(self, connection: str) -> Psa:
        """Return the port of a PSA connection; a name that was removed is Refused(entity_mapping_missing)."""
        return _port(self._psas, connection)

    def connections(self) -> Sequence[str]:
        """Return the names of all connections."""
        return [*self._erps, *self._psas]


def _looked_up(serving: Mapping[str, str], legal_entity: str, family: str) -> str:
    if legal_entity not in serving:
        raise Refused(Code.entity_mapping_missing, f"No {family} serves the legal entity {legal_entity}.")
    return serving[legal_entity]


def _port(ports: Mapping[str, P], connection: str) -> P:
    if connection not in ports:
        raise Refused(Code.entity_mapping_missing, f"The connection {connection} is not configured any more.")
    return ports[connection]
