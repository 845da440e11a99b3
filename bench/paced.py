"""Load in an open loop: a request is due at its time, whether or not those before it have been answered.

How long it took counts from when it was due, so that a server which makes callers wait is not asked less for it.
"""

import asyncio
import heapq
import re
import select
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

from bench.rounds import quantile

LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PATIENCE_S: Final = 30.0
"""After the last request is due."""


class Shot(NamedTuple):
    """One request, answered."""

    due_s: float
    """After the first one."""
    took_s: float
    status: int
    head: bytes


async def latencies(url: str, headers: Mapping[str, str], per_s: float, seconds: float) -> dict[str, float]:
    """Return `p50` and `p99` in ms; raises RuntimeError where an answer is none of success."""
    shots = await asyncio.to_thread(fired, url, headers, per_s, seconds)
    if wrong := [shot.status for shot in shots if shot.status != 200]:  # noqa: PLR2004 - everything went well
        raise RuntimeError(f"{len(wrong)} of {len(shots)} paced requests to {url} were answered {wrong[0]}.")
    took = [shot.took_s * 1e3 for shot in shots]
    return {"p50": quantile(took, 0.5), "p99": quantile(took, 0.99)}


def fired(url: str, headers: Mapping[str, str], per_s: float, seconds: float, connections: int = 64) -> list[Shot]:
    """Return every request with its answer, in the order in which they came."""
    with Gun(url, headers, connections) as gun:
        return gun.fire(per_s, round(per_s * seconds))


class Gun:
    """Connections to one place, each with one request under way at most; what is due waits for one that is free."""

    def __init__(self, url: str, headers: Mapping[str, str], connections: int) -> None:
        place = urlsplit(url)
        self._place = (place.hostname or "", place.port or 80)
        target = f"{place.path}?{place.query}" if place.query else place.path
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {place.netloc}",
            *(f"{name}: {is_}" for name, is_ in headers.items()),
        ]
        self._request = "\r\n".join([*lines, "", ""]).encode()
        self._most, self._epoll = connections, select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._free: list[int] = []
        self._due: dict[int, float] = {}
        self._parts: dict[int, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._sockets.values():
            one.close()
        self._epoll.close()

    def fire(self, per_s: float, count: int) -> list[Shot]:
        """Return the shots; raises RuntimeError where some are not answered."""
        began, fired, shots = time.perf_counter(), 0, list[Shot]()
        give_up = began + count / per_s + PATIENCE_S
        while len(shots) < count:
            now = time.perf_counter()
            if now > give_up:
                raise RuntimeError(f"{count - len(shots)} of {count} requests were never answered.")
            while fired < count and began + fired / per_s <= now and self._send(began + fired / per_s):
                fired += 1
            until = began + fired / per_s if fired < count and self._can_send else give_up
            # epoll alone counts in whole milliseconds; select does not.
            select.select([self._epoll.fileno()], [], [], max(0.0, until - time.perf_counter()))
            shots += [shot for number, _ in self._epoll.poll(0) for shot in self._received(number, began)]
        return shots

    @property
    def _can_send(self) -> bool:
        return bool(self._free) or len(self._sockets) < self._most

    def _send(self, due: float) -> bool:
        if not self._can_send:
            return False
        number = heapq.heappop(self._free) if self._free else self._connect()
        self._due[number], self._parts[number] = due, b""
        self._sockets[number].sendall(self._request)
        return True

    def _connect(self) -> int:
        one = socket.create_connection(self._place)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets[one.fileno()] = one
        self._epoll.register(one.fileno(), select.EPOLLIN)
        return one.fileno()

    def _received(self, number: int, began: float) -> Sequence[Shot]:
        data = self._sockets[number].recv(65_536)
        whole = self._parts[number] = self._parts.get(number, b"") + data
        head, blank, body = whole.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not data or (blank and length is None):
            raise RuntimeError(f"A connection was closed, or an answer has no length: {head!r}")
        if length is None or len(body) < int(length[1]):
            return ()
        due = self._due.pop(number)
        heapq.heappush(self._free, number)
        return (Shot(due - began, time.perf_counter() - due, int(head[9:12]), head),)
