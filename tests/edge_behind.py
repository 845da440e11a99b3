"""A framework behind the edge that answers when a test lets it, and says how many calls it has got."""

import asyncio

from tests.edge_world import Seen


class Behind:
    """Answers once it is opened."""

    def __init__(self) -> None:
        self.open, self.under_way, self.most = asyncio.Event(), 0, 0

    async def __call__(self, _seen: Seen) -> tuple[int, dict[str, str], bytes]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.open.wait()
        finally:
            self.under_way -= 1
        return 200, {"content-type": "application/json"}, b"{}"
