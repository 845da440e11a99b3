"""SQLite: a copy of one moment, taken while others write; and the certainty that nobody has the file open."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from gateway.backup.archive import BackupError, Tell

PAGES: Final = 4096
"""So many are copied between two looks at how far it is."""
TELL_EACH: Final = 10
"""In percent."""
LOCKED_S: Final = 30.0


def copy(database: Path, into: Path, tell: Tell) -> None:
    """Return once the file holds the database as it was at one moment; whoever writes meanwhile is not held up."""
    with contextlib.closing(_opened(database)) as source, contextlib.closing(sqlite3.connect(into)) as target:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()  # The copy is of now, however long it takes.
        source.backup(target, pages=PAGES, progress=_told(tell))
        source.execute("ROLLBACK")
        target.execute("PRAGMA journal_mode=DELETE")  # All of it in the one file.
    into.chmod(0o600)


def check(database: Path) -> None:
    """Return where the file is sound; raises BackupError."""
    try:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.DatabaseError as error:
        raise BackupError(f"The database in the backup cannot be read: {error}.") from error
    if found != ["ok"]:
        raise BackupError(f"The database in the backup is damaged: {'; '.join(map(str, found))}.")
    if orphans:
        raise BackupError(f"The database in the backup lacks rows that {orphans[0][0]} refers to.")


@contextlib.contextmanager
def alone_with(database: Path) -> Iterator[None]:
    """Hold the file for us alone, with all that was written in it; raises BackupError where anybody has it open."""
    if not database.exists():
        yield
        return
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=0.0)) as connection:
        try:
            # A database in WAL mode leaves it for the last connection only, so this asks whether there is another.
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise BackupError(f"{database} is in use. Stop `tiebeam serve` and `tiebeam worker` first.") from error
        except sqlite3.DatabaseError:
            pass  # It is damaged, which is why it is replaced.
        yield


def _opened(database: Path) -> sqlite3.Connection:
    if not database.exists():
        raise BackupError(f"There is no database at {database}. Nothing has been served from here yet.")
    return sqlite3.connect(f"file:{database}?mode=rw", uri=True, isolation_level=None, timeout=LOCKED_S)


def _told(tell: Tell) -> Callable[[int, int, int], None]:
    said = 0

    def progress(_status: int, remaining: int, total: int) -> None:
        nonlocal said
        percent = 100 * (total - remaining) // max(total, 1)
        if percent - said >= TELL_EACH:
            said = percent
            tell(f"{percent} % of the database …")

    return progress
