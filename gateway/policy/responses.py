"""Answers kept for a short while, in one process: the edge's byte cache. The key alone decides who may get which."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from msgspec import Struct

MAX_BYTES: Final = 64 * 1024 * 1024
OVERHEAD_BYTES: Final = 1_000
"""What an entry costs beside its body: key, header fields, bookkeeping."""


class Stored(Struct, frozen=True):
    """An answer, and under which generations of the things it tells of it was begun."""

    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    stored_at: float
    fresh_until: float
    generations: tuple[int, ...]


class Responses:
    """The most recently used answers, up to so many bytes."""

    def __init__(self, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self._max_bytes, self._bytes = clock, max_bytes, 0
        self._entries: OrderedDict[Hashable, Stored] = OrderedDict()

    def find(self, key: Hashable, generations: tuple[int, ...]) -> Stored | None:
        """Return the answer while it is fresh and nothing it tells of has moved on."""
        stored = self._entries.get(key)
        if stored is None:
            return None
        if stored.fresh_until <= self.clock() or stored.generations != generations:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return stored

    def keep(self, key: Hashable, stored: Stored) -> None:
        """Keep the answer, and let go of the least recently used ones that no longer fit."""
        if len(stored.body) + OVERHEAD_BYTES > self._max_bytes:
            return
        if key in self._entries:
            self._drop(key)
        self._entries[key] = stored
        self._bytes += len(stored.body) + OVERHEAD_BYTES
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Hashable) -> None:
        self._bytes -= len(self._entries.pop(key).body) + OVERHEAD_BYTES
