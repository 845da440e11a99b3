"""What web process and worker share without a server, in a small SQLite file of its own: exact, and it may be lost.

Vendors' buckets (one statement a take, ≈ 20 µs), generations (read again only when somebody wrote), and how far the
callers' long buckets have been emptied. All on the event loop: handing it to a thread would cost more.

Instants are the wall clock's, because the file outlives the process: one that is set back makes waits as much longer.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.counters import CountersAway, Limit, bucket

BUSY_S: Final = 0.25
"""How long a take waits for the other process; longer, and the event loop would stand still for its callers."""

TABLES: Final = """
CREATE TABLE IF NOT EXISTS arrival (bucket TEXT PRIMARY KEY, tat REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (bucket TEXT PRIMARY KEY, tat REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS generation (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
"""
FORGET: Final = ("DELETE FROM arrival WHERE tat < ?", "DELETE FROM mark WHERE tat < ?")
TAKE: Final = """INSERT INTO arrival (bucket, tat) VALUES (:bucket, :now + :step)
ON CONFLICT (bucket) DO UPDATE SET tat = max(tat, :now) + :step WHERE max(tat, :now) + :step <= :now + :full
RETURNING tat"""
READ: Final = "SELECT tat FROM arrival WHERE bucket = ?"
MARK: Final = "INSERT INTO mark (bucket, tat) VALUES (?, ?) ON CONFLICT (bucket) DO UPDATE SET tat = excluded.tat"
MOVE: Final = """INSERT INTO generation (name, number) VALUES (?, 1)
ON CONFLICT (name) DO UPDATE SET number = number + 1"""


def since_epoch() -> float:
    """Return the wall clock's seconds, few enough for a double to resolve nanoseconds."""
    return time.time() - bucket.EPOCH


class FileCounters:
    """What is shared through a file by every process that opens it."""

    def __init__(self, path: Path, clock: Callable[[], float] = since_epoch) -> None:
        self._clock = clock
        with _away():
            self._file = _open(path)
        self._seen_version = -1
        self._generations: dict[str, int] = {}
        self._together: dict[tuple[str, ...], tuple[int, ...]] = {}
        self.forget()

    async def take(self, name: str, rate: float, burst: float, cost: float = 1.0) -> float:
        """Return 0.0 where the permits were taken, otherwise how long to wait."""
        return self._take(bucket.pace_of(Limit(name, rate, burst, cost)))[0]

    def _take(self, pace: bucket.Pace) -> tuple[float, float]:
        """Return how long to wait, and in how many seconds the bucket is full again."""
        now, full = self._clock(), pace.full + bucket.SLACK_S
        taken = None
        with _away():
            if pace.step <= full:  # The statement asks no question of a bucket that is not there yet.
                values = {"bucket": pace.bucket, "now": now, "step": pace.step, "full": full}
                taken = self._file.execute(TAKE, values).fetchone()
            if taken:
                return 0.0, taken[0] - now
            row = self._file.execute(READ, (pace.bucket,)).fetchone()
        used = max(row[0] - now, 0.0) if row else 0.0
        return bucket.wait_of(pace, used), used

    def generations_now(self, topics: tuple[str, ...]) -> tuple[int, ...]:
        """Return the present generation of each topic; asking whether another process wrote costs 2 µs."""
        with _away():
            version = self._file.execute("PRAGMA data_version").fetchone()[0]
            if version != self._seen_version:
                self._generations = dict(self._file.execute("SELECT name, number FROM generation"))
                self._seen_version = version
                self._together.clear()
        found = self._together.get(topics)
        if found is None:
            found = self._together[topics] = tuple([self._generations.get(topic, 0) for topic in topics])
        return found

    async def move(self, names: Sequence[str]) -> None:
        """Begin each name's next generation."""
        with _away(), self._written_together():
            self._file.executemany(MOVE, [(name,) for name in names])
        self._seen_version = -1  # `data_version` tells of other connections' writes only.

    def marks(self) -> dict[str, float]:
        """Return what was marked and is not over."""
        with _away():
            return dict(self._file.execute("SELECT bucket, tat FROM mark WHERE tat >= ?", (self._clock(),)))

    def mark(self, tats: Mapping[str, float]) -> None:
        """Keep how far buckets have been emptied that are counted elsewhere."""
        with _away(), self._written_together():
            self._file.executemany(MARK, list(tats.items()))

    def forget(self) -> None:
        """Drop the buckets that are full again."""
        with _away():
            for statement in FORGET:
                self._file.execute(statement, (self._clock(),))

    async def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextlib.contextmanager
    def _written_together(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")


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
