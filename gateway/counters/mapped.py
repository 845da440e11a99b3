"""Vendors' buckets in memory that the processes of a machine map, from a small file: some 3 µs a take, and exact.

The file is a table of slots, each an instant and the digest of a name, in which one process at a time looks and writes:
the lock on it ends with whoever held it. A slot is found by its name's digest, never emptied, and given to another name
once its bucket is full again, so there is nothing to sweep. A process that is killed between two writes leaves a bucket
that is full, or a slot of nobody: each instant is written at once, and before its name.

Instants are the wall clock's, because the file outlives the process.
"""

import fcntl
import mmap
import os
import time
import weakref
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from math import inf
from pathlib import Path
from typing import Final

from gateway.counters import CountersAway, Limit, bucket
from gateway.private_files import FILE

SLOTS: Final = 1_024
"""As many quotas of vendors as can be in use at once; one more is `CountersAway`."""
NUMBERS: Final = 4
"""A slot's length in doubles, of which the first is the instant; none lies across two pages of the file."""
NAME: Final = 24
"""Bytes of a digest: no two names have one in common."""
NOBODY: Final = bytes(NAME)
CLOSED: Final = -1
TRIES: Final = 1_000
AGAIN_S: Final = 0.000_25
"""Others hold the lock for microseconds, or were stopped. Tries are counted, since who waits may be held up as well."""


class MappedBuckets:
    """The buckets of every process that opens the file."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        size = SLOTS * NUMBERS * 8
        self._clock = clock
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, FILE)
        self._hang_up = weakref.finalize(self, os.close, self._file)
        os.posix_fallocate(self._file, 0, size)  # On a full disk, a write into a hole would end the process.
        self._bytes = mmap.mmap(self._file, size)
        self._tats = memoryview(self._bytes).cast("d")
        self._slots: dict[str, tuple[int, bytes]] = {}

    def take(self, limit: Limit) -> float:
        """Return 0.0 where the permits were taken, otherwise how long to wait; raises CountersAway."""
        pace = _pace_of(limit)
        self._lock()
        try:
            now = self._clock()
            slot = self._slot_of(pace.bucket, now)
            used_s = bucket.used_at(now, self._tats[slot], pace.farthest)
            wait_s = bucket.wait_of(pace, used_s)
            if not wait_s:
                self._tats[slot] = now + used_s + pace.step
            return wait_s
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        self._tats.release()
        self._bytes.close()
        self._hang_up()
        self._file = CLOSED

    def _lock(self) -> None:
        """Return when nobody else looks; raises CountersAway where that takes a quarter of a second."""
        for _ in range(TRIES):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(AGAIN_S)
            except (OSError, ValueError) as error:
                raise CountersAway(str(error)) from error
            else:
                return
        raise CountersAway("Another process has kept the vendors' buckets for too long.")

    def _slot_of(self, name: str, now: float) -> int:
        slot, digest = self._slots.get(name) or (0, b"")
        if self._name_at(slot) != digest:
            digest = blake2b(name.encode(), digest_size=NAME).digest()
            slot = self._found(digest, now)
            self._slots[name] = slot, digest
        return slot

    def _found(self, digest: bytes, now: float) -> int:
        """Return the slot with the name, otherwise the first that can be given to it."""
        free, home = None, int.from_bytes(digest, "big") % SLOTS
        for slot in (each * NUMBERS for each in chain(range(home, SLOTS), range(home))):
            there = self._name_at(slot)
            if there == digest:
                return slot
            if free is None and (there == NOBODY or not bucket.used_at(now, self._tats[slot], inf)):
                free = slot
            if there == NOBODY:
                break
        if free is None:
            raise CountersAway("More quotas of vendors are in use than there are slots.")
        self._give(free, digest, now)
        return free

    def _give(self, slot: int, digest: bytes, full_at: float) -> None:
        self._tats[slot] = full_at
        at = (slot + 1) * 8
        self._bytes[at : at + NAME] = digest

    def _name_at(self, slot: int) -> bytes:
        at = (slot + 1) * 8
        return self._bytes[at : at + NAME]


@lru_cache(SLOTS)
def _pace_of(limit: Limit) -> bucket.Pace:
    """Return the limit in seconds; there are few, each asked about often."""
    return bucket.pace_of(limit)
