"""Who called what before, as a test says; it notes who had to be looked up."""

from datetime import datetime

from gateway.caller import Client
from gateway.errors import Unavailable
from openapi.common.types import Code


class Acquaintance:
    """A `Known` of the lifecycle."""

    def __init__(self, *clients: str, at_once: bool = True) -> None:
        self.clients, self.at_once, self.away = set(clients), at_once, False
        self.looked: list[tuple[str, str, datetime]] = []

    def known(self, client: Client, contract: str, before: datetime) -> bool | None:  # noqa: ARG002
        """Tell whether it is one of the clients, unless somebody has to look."""
        return client.client_id in self.clients if self.at_once else None

    async def look(self, client: Client, contract: str, before: datetime) -> bool:
        """Tell whether it is one of the clients."""
        self.looked.append((client.client_id, contract, before))
        if self.away:
            raise Unavailable(Code.auth_unavailable, "Try again soon.")
        return client.client_id in self.clients
