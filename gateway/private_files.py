"""What this account alone may read, since it holds what the firms know of each other: made so, whatever the umask.

What is there already stays as it is: somebody may have let a backup program in. `tiebeam check` names it.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

FOLDER: Final = 0o700
FILE: Final = 0o600
OTHERS: Final = 0o077


def make_folder(path: Path) -> None:
    """Return where the folder is there."""
    path.mkdir(mode=FOLDER, parents=True, exist_ok=True)


def make_file(path: Path) -> None:
    """Return where the file is there; what SQLite puts beside a database has the same rights by itself."""
    path.touch(mode=FILE)


def open_to_others(folder: Path) -> Iterator[Path]:
    """Yield what other accounts of the machine may read or write: nothing where the folder lets nobody through."""
    with suppress(FileNotFoundError):
        if not folder.stat().st_mode & OTHERS:
            return
        yield folder
        yield from sorted(one for one in folder.rglob("*") if one.is_file() and one.stat().st_mode & OTHERS)
