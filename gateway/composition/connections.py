"""The connected systems: each connection of the settings as its port, built by its vendor's connector."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gateway.composition.parts import CannotStart
from gateway.egress.upstreams import Upstreams
from gateway.settings import ConnectionSettings, Settings, SettingsError, convert
from system_apis.connector import Connection
from system_apis.connectors import CONNECTORS
from system_apis.landscape import Configured
from system_apis.ports import Erp, Psa

if TYPE_CHECKING:
    from gateway.telemetry.tracing import Tracing


def ports_of(settings: Settings, family: str, upstreams: Upstreams, tracing: "Tracing | None" = None) -> dict[str, Any]:
    """Return the port of each connection of the family, by name; raises CannotStart with every mistake."""
    built, mistakes = {}, []
    for name, connection in settings.connections.items():
        if connection.family != family:
            continue
        try:
            port = _port(settings, name, connection, upstreams)
            built[name] = tracing.port(port) if tracing else port
        except (SettingsError, ValueError) as error:
            mistakes.append(str(error))
    if mistakes:
        raise CannotStart("\n".join(mistakes))
    return built


def _port(settings: Settings, name: str, connection: ConnectionSettings, upstreams: Upstreams) -> object:
    connector = CONNECTORS.get(connection.vendor)
    if connector is None:
        raise SettingsError(
            f"connections.{name}.vendor: {connection.vendor} is none; there are {', '.join(CONNECTORS)}."
        )
    builder = connector.families.get(connection.family)
    if builder is None:
        raise SettingsError(f"connections.{name}.family: {connection.vendor} cannot be a {connection.family}.")
    own = convert(connection.settings, connector.settings, f"connections.{name}.settings", base=settings.path())
    account = Connection(name=name, environment=connection.environment, legal_entities=tuple(connection.legal_entities))
    return builder(account, own, upstreams.http(name))


def landscape_of(settings: Settings, erps: Mapping[str, Erp], psas: Mapping[str, Psa]) -> Configured:
    """Return which connection serves whom."""
    return Configured(
        erps=erps,
        psas=psas,
        erp_of={code: entity.erp for code, entity in settings.entities.items()},
        psa_of={code: entity.psa for code, entity in settings.entities.items()},
    )
