"""What the life of versions asks of who counts calls: whether a client was there before."""

from datetime import datetime
from typing import Protocol

from gateway.caller import Client


class Known(Protocol):
    """Who has called what. `Course` asks it of a client that has no extension, once its version is deprecated."""

    def known(self, client: Client, contract: str, before: datetime) -> bool | None:
        """Tell at once whether the client called the version before then; None where somebody has to `look`."""

    async def look(self, client: Client, contract: str, before: datetime) -> bool:
        """Tell the same after a look into the database; raises Unavailable where nobody can look."""
