"""Answers kept for a short while, in one process: the edge's byte cache. The key alone decides who may get which."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.policy.caching.flights import Flights
from gateway.policy.caching.stored import Stored, values_of
from gateway.policy.call import Call

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_ENTRY_BYTES: Final = 1024 * 1024
"""A larger answer is kept for nobody: it would push out too many others."""
OVERHEAD_BYTES: Final = 1_000
"""What an entry costs beside its fields, its body and its key: bookkeeping."""

Key = tuple[Any, ...]


class Varying(tuple[bytes, ...]):
    """Stands where an answer would, and names the request fields that tell the answers of this target apart."""

    __slots__ = ()


class Responses:
    """The most recently used answers, up to so many bytes; and what this process did with them."""

    def __init__(
        self,
        max_bytes: int = MAX_BYTES,
        max_entry_bytes: int = MAX_ENTRY_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock, self._max_bytes, self._max_entry_bytes, self.bytes = clock, max_bytes, max_entry_bytes, 0
        self.hits = self.stale_hits = self.misses = self.collapsed = self.evicted = 0
        self.flights = Flights()
        self._entries: OrderedDict[Hashable, Stored | Varying] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}
        self._written_at: dict[str, float] = {}

    def find(self, key: Key, call: Call) -> Stored | None:
        """Return what is kept for the request, however old it is."""
        found = self._entries.get(key)
        if found is None:
            return None
        if isinstance(found, Varying):
            return self._variant(key, found, call)
        self._entries.move_to_end(key)
        return found

    def place_of(self, key: Key, call: Call) -> Key:
        """Return the key of the answers that this very request may get."""
        found = self._entries.get(key)
        return (key, found, values_of(call, found)) if isinstance(found, Varying) else key

    def has_variants(self, key: Key) -> bool:
        """Tell whether answers of the target differ by what a request says beside its target."""
        return isinstance(self._entries.get(key), Varying)

    def keep(self, key: Key, stored: Stored, call: Call) -> bool:
        """Tell whether the answer is kept; the least recently used ones that no longer fit are let go."""
        size = OVERHEAD_BYTES + stored.size + bytes_of(key)
        if size > self._max_entry_bytes or size > self._max_bytes:
            return False
        if stored.vary or self.has_variants(key):
            key = self._split(key, stored.vary, call)
        earlier = self._entries.get(key)
        if isinstance(earlier, Stored) and earlier.begun_at > stored.begun_at:
            return False  # A read that was overtaken by a later one.
        self._put(key, stored, size)
        return True

    def drop(self, key: Key, call: Call) -> None:
        """Let go of what is kept for the request."""
        self._drop(self.place_of(key, call))

    def forget(self) -> None:
        """Let go of everything."""
        self._entries.clear()
        self._sizes.clear()
        self.bytes = 0

    def note_write(self, topics: Iterable[str]) -> None:
        """Remember that this process wrote, for the time when it cannot ask what has changed."""
        now = self.clock()
        for topic in topics:
            self._written_at[topic] = now

    def written_since(self, topics: Sequence[str], begun_at: float) -> bool:
        """Tell whether this process has written any of these since; by others' writes nothing is known."""
        return any(self._written_at.get(topic, -1.0) >= begun_at for topic in topics)

    def figures(self) -> Mapping[str, int]:
        """Return what there is to watch, by the names of metrics."""
        return {
            "tiebeam_cache_hits_total": self.hits,
            "tiebeam_cache_stale_hits_total": self.stale_hits,
            "tiebeam_cache_misses_total": self.misses,
            "tiebeam_cache_collapsed_total": self.collapsed,
            "tiebeam_cache_evicted_total": self.evicted,
            "tiebeam_cache_entries": len(self._entries),
            "tiebeam_cache_bytes": self.bytes,
        }

    def _variant(self, key: Key, varying: Varying, call: Call) -> Stored | None:
        variant = (key, varying, values_of(call, varying))
        found = self._entries.get(variant)
        if not isinstance(found, Stored):
            return None
        self._entries.move_to_end(key)
        self._entries.move_to_end(variant)
        return found

    def _split(self, key: Key, vary: tuple[bytes, ...], call: Call) -> Key:
        """Return the key of the variant; the names of a target only grow, so that no variant is taken for another."""
        found = self._entries.get(key)
        known = found if isinstance(found, Varying) else ()
        names = Varying(sorted({*known, *vary}))
        if names != known:
            self._put(key, names, OVERHEAD_BYTES + bytes_of(key))
        return key, names, values_of(call, names)

    def _put(self, key: Key, entry: Stored | Varying, size: int) -> None:
        self._drop(key)
        self._entries[key], self._sizes[key] = entry, size
        self.bytes += size
        while self.bytes > self._max_bytes:
            self.evicted += 1
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Hashable) -> None:
        if self._entries.pop(key, None) is not None:
            self.bytes -= self._sizes.pop(key)


def bytes_of(key: tuple[object, ...]) -> int:
    """Return how much text a key holds; what many keys have in common is counted in each."""
    size = 0
    for part in key:
        if isinstance(part, str | bytes):
            size += len(part)
        elif part and isinstance(part, tuple):
            size += bytes_of(part)
    return size
