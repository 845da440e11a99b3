"""Every vendor that can be connected: its folder, and a line here."""

from collections.abc import Mapping
from typing import Final

from system_apis.connector import Connector
from system_apis.connectors import redmine, tryton

CONNECTORS: Final[Mapping[str, Connector]] = {
    connector.name: connector for connector in (redmine.CONNECTOR, tryton.CONNECTOR)
}
