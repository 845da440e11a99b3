"""What web process and worker share without a server: exact, and it may be lost.

Vendors' buckets lie in memory that both map (`mapped.py`); what moves seldom, in a small SQLite file of its own:
generations, and how far the callers' long buckets have been emptied. All on the event loop: handing it to a thread
would cost more.

Instants are the wall clock's, because the file outlives the process.
"""

import contextlib
import mmap
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.counters import CountersAway, Limit, bucket
from gateway.counters.mapped import MappedBuckets
from gateway.private_files import make_file, make_folder

BUSY_S: Final = 0.25
"""How long a move or a mark waits for the other process; longer, and the event loop would stand still for callers."""
OPEN_S: Final = 10.0
"""How long opening waits for others that open it: nobody has called yet."""
AGAIN_S: Final = 0.01

TABLES: Final = """
CREATE TABLE IF NOT EXISTS mark (bucket TEXT PRIMARY KEY, tat REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS generation (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
"""
FORGET: Final = "DELETE FROM mark WHERE tat < ?"
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
            self._sign = _Sign(path.with_name(f"{path.name}-moved"))
            self._vendors = MappedBuckets(path.with_name(f"{path.name}-vendors"), clock)
            self.forget()
            self._file.execute(f"PRAGMA busy_timeout={BUSY_S * 1000:.0f}")
        self._seen = b""
        self._generations: dict[str, int] = {}
        self._together: dict[tuple[str, ...], tuple[int, ...]] = {}

    async def take(self, name: str, rate: float, burst: float, cost: float = 1.0, reserve: float = 0.0) -> float:
        """Return 0.0 where the permits were taken, otherwise how long to wait."""
        return self._vendors.take(Limit(name, rate, burst, cost, reserve))

    def generations_now(self, topics: tuple[str, ...]) -> tuple[int, ...]:
        """Return the present generation of each topic; the file is read only where somebody has moved one."""
        sign = self._sign.read()
        if sign != self._seen:
            with _away():
                self._generations = dict(self._file.execute("SELECT name, number FROM generation"))
            self._together.clear()
            self._seen = sign
        found = self._together.get(topics)
        if found is None:
            found = self._together[topics] = tuple([self._generations.get(topic, 0) for topic in topics])
        return found

    async def move(self, names: Sequence[str]) -> None:
        """Begin each name's next generation."""
        with _away(), self._written_together():
            self._file.executemany(MOVE, [(name,) for name in names])
        self._sign.change()

    def marks(self) -> dict[str, float]:
        """Return what was marked and is not over."""
        with _away():
            return dict(self._file.execute("SELECT bucket, tat FROM mark WHERE tat >= ?", (self._clock(),)))

    def mark(self, tats: Mapping[str, float]) -> None:
        """Keep how far buckets have been emptied that are counted elsewhere."""
        with _away(), self._written_together():
            self._file.executemany(MARK, list(tats.items()))

    def forget(self) -> None:
        """Drop the marks that are over."""
        with _away():
            self._file.execute(FORGET, (self._clock(),))

    async def close(self) -> None:
        """Close the files."""
        self._file.close()
        self._vendors.close()
        self._sign.close()

    @contextlib.contextmanager
    def _written_together(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")


class _Sign:
    """Bytes in memory that the processes share; other ones than were read last mean that somebody wrote since.

    To look costs 0.05 µs, `PRAGMA data_version` 3 µs in every request, and that would also tell of each mark. Random,
    since two who write at once must not leave what one of them alone would have left.
    """

    def __init__(self, path: Path) -> None:
        make_file(path)
        with path.open("a+b") as file:
            os.posix_fallocate(file.fileno(), 0, mmap.PAGESIZE)
            self._shared = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def read(self) -> bytes:
        try:
            return self._shared[:16]
        except ValueError as error:
            raise CountersAway("The file is closed.") from error

    def change(self) -> None:
        self._shared[:16] = os.urandom(16)

    def close(self) -> None:
        self._shared.close()


def _open(path: Path) -> sqlite3.Connection:
    make_folder(path.parent)
    make_file(path)
    file = sqlite3.connect(path, isolation_level=None, timeout=OPEN_S, check_same_thread=False)
    _keep_a_log(file)
    file.execute("PRAGMA synchronous=OFF")  # What is lost with the machine is a minute of counting.
    file.executescript(TABLES)
    return file


def _keep_a_log(file: sqlite3.Connection) -> None:
    """Switch to WAL, as whoever comes first does; SQLite says busy at once where two do, whatever the time allowed."""
    until = time.monotonic() + OPEN_S
    while True:
        try:
            file.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(AGAIN_S)
        else:
            return


@contextlib.contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise CountersAway(str(error)) from error
