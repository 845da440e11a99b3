"""What the life of versions asks of who counts calls: whether a client was there before."""

from datetime import datetime
from typing import Protocol


class Known(Protocol):
    """Who has called what. `Course` asks it of a client that has no extension, once its version is deprecated."""

    def known(self, client_id: str, contract: str, before: datetime) -> bool | None:
        """Tell at once whether the client called the version before then; None where somebody has to `look`."""

    async def look(self, client_id: str, contract: str, before: datetime) -> bool:
        """Tell the same after a look into the database; raises Unavailable where nobody can look."""
