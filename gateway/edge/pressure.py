"""How much may be under way in this process: what would wait longer than its caller does is sent away at once."""

from collections.abc import Mapping
from typing import Final

from gateway.errors import Unavailable
from openapi.common.types import Code

MOST: Final = 200
AGAIN_S: Final = 1


class Pressure:
    """Counts the calls that somebody works on, each a block; answers that are here already do not count."""

    def __init__(self, most: int = MOST) -> None:
        self.under_way, self.sent_away, self._most = 0, 0, most

    def check(self) -> None:
        """Return where there is a place; raises Unavailable."""
        if self.under_way >= self._most:
            self.sent_away += 1
            raise Unavailable(Code.gateway_overloaded, "More is under way than can be done.", retry_after_s=AGAIN_S)

    def figures(self) -> Mapping[str, int]:
        """Return what there is to watch, by the names of metrics."""
        return {"tiebeam_calls_under_way": self.under_way, "tiebeam_calls_shed_total": self.sent_away}

    def __enter__(self) -> None:
        """Take a place; raises Unavailable where there is none."""
        self.check()
        self.under_way += 1

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self.under_way -= 1
