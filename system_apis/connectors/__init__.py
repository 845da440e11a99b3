"""Every vendor that can be connected: its folder, and a line here."""

from collections.abc import Mapping
from typing import Final

from system_apis.connector import Connector
from system_apis.connectors import tryton

CONNECTORS: Final[Mapping[str, Connector]] = {connector.name: connector for connector in (tryton.CONNECTOR,)}
