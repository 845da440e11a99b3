"""The cheapest vendor there is, in a process of its own: it answers every request with the same bytes, unread.

Prints its port and ends with its standard input.
"""

import asyncio
import sys
from typing import Final, cast

ANSWER: Final = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"id":4711}'


class Echo(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer; a request of ours fits into one segment."""
        if data.startswith((b"GET ", b"POST ")):
            self._transport.write(ANSWER)


async def main() -> None:
    """Serve until nobody is there any more."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
