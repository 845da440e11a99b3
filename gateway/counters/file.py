"""Counters in a small SQLite file of their own: exact across the processes of one machine, without a server.

One statement a take (≈ 0.1 ms), on the event loop: handing it to a thread would cost more. The file may be lost.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway.counters import CountersAway, Draw, bucket

BUSY_S: Final = 0.25
"""How long a take waits for the other process; longer, and the event loop would stand still for its callers."""
FORGET_S: Final = 86_400.0

TABLES: Final = """
CREATE TABLE IF NOT EXISTS bucket (name TEXT PRIMARY KEY, tat REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS generation (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
"""
TAKE: Final = """INSERT INTO bucket (name, tat) VALUES (:name, :now + :cost)
ON CONFLICT (name) DO UPDATE SET tat = max(tat, :now) + :cost WHERE max(tat, :now) + :cost <= :now + :full
RETURNING tat"""
READ: Final = "SELECT tat FROM bucket WHERE name = ?"
MOVE: Final = """INSERT INTO generation (name, number) VALUES (?, 1)
ON CONFLICT (name) DO UPDATE SET number = number + 1"""


class FileCounters:
    """Counters shared through a file by every process that opens it."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        with _away():
            self._file = _open(path)
            self._file.execute("DELETE FROM bucket WHERE tat < ?", (clock() - FORGET_S,))
        self._seen_version = -1
        self._generations: dict[str, int] = {}

    async def take(self, name: str, rate: float, burst: float, cost: float = 1.0) -> float:
        """Return 0.0 where the permits were taken, otherwise how long to wait."""
        return (await self.draw(name, rate, burst, cost)).wait_s

    async def draw(self, name: str, rate: float, burst: float, cost: float = 1.0) -> Draw:
        """Return what became of one take."""
        now = self._clock()
        if cost > burst:  # The statement asks no question of a bucket that is not there yet.
            return bucket.take(0.0, now, rate, burst, cost)[1]
        with _away():
            values = {"name": name, "now": now, "cost": cost / rate, "full": burst / rate}
            taken = self._file.execute(TAKE, values).fetchone()
            if taken:
                return bucket.drawn(taken[0], now, rate, burst, 0.0)
            row = self._file.execute(READ, (name,)).fetchone()
        return bucket.take(row[0] if row else 0.0, now, rate, burst, cost)[1]

    async def generations(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the present generation of each name; the table is read again only when somebody wrote."""
        with _away():
            version = self._file.execute("PRAGMA data_version").fetchone()[0]
            if version != self._seen_version:
                self._generations = dict(self._file.execute("SELECT name, number FROM generation"))
                self._seen_version = version
        return tuple(self._generations.get(name, 0) for name in names)

    async def move(self, names: Sequence[str]) -> None:
        """Begin each name's next generation."""
        with _away():
            for name in names:
                self._file.execute(MOVE, (name,))
        self._seen_version = -1  # `data_version` tells of other connections' writes only.

    async def close(self) -> None:
        """Close the file."""
        self._file.close()


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S, check_same_thread=False)
    file.execute("PRAGMA journal_mode=WAL")
    file.execute("PRAGMA synchronous=OFF")  # What is lost with the machine is a minute of counting.
    file.executescript(TABLES)
    return file


@contextlib.contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise CountersAway(str(error)) from error
