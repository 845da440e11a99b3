"""The cheapest vendor there is, in a process of its own: it answers what it was given for a path, the request unread.

What it was given are the files of a folder, `/users.json` being `users.json`; everything else gets the same few bytes.
Each may be kept for a day by whoever asked. It prints its port and ends with its standard input.
"""

import asyncio
import sys
from email.utils import formatdate
from pathlib import Path
from typing import Final, cast

import uvloop

HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: public, max-age=86400\r\n"
    b"Date: %s\r\nContent-Length: %d\r\n\r\n"
)
SMALL: Final = b'{"id":4711}'


class Answers:
    """Whole answers by path; a file may come after the start, and is read once."""

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._kept = folder, dict[bytes, bytes]()
        self._small = _whole(SMALL)

    def to(self, request: bytes) -> bytes:
        """Return the answer to a request, which begins with its method and path."""
        path = request.split(b" ", 2)[1].split(b"?", 1)[0]
        return self._kept.get(path) or self._read(path) or self._small

    def _read(self, path: bytes) -> bytes | None:
        file = self._folder / path.decode("latin-1").lstrip("/") if self._folder else None
        if file is None or not file.is_file():
            return None
        return self._kept.setdefault(path, _whole(file.read_bytes()))


class Echo(asyncio.Protocol):
    """One connection."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer; a request of ours fits into one segment."""
        if data.startswith((b"GET ", b"POST ")):
            self._transport.write(self._answers.to(data))


def _whole(body: bytes) -> bytes:
    return HEAD % (formatdate(usegmt=True).encode(), len(body)) + body


async def main(folder: Path | None) -> None:
    """Serve until nobody is there any more."""
    loop = asyncio.get_running_loop()
    answers = Answers(folder)
    server = await loop.create_server(lambda: Echo(answers), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]) if sys.argv[1:] else None))
