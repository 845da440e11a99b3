"""What this account alone may read, since it holds what the firms know of each other: made so, whatever the umask.

What is there already stays as it is: somebody may have let a backup program in.
"""

from pathlib import Path
from typing import Final

FOLDER: Final = 0o700
FILE: Final = 0o600


def make_folder(path: Path) -> None:
    """Return where the folder is there."""
    path.mkdir(mode=FOLDER, parents=True, exist_ok=True)


def make_file(path: Path) -> None:
    """Return where the file is there; what SQLite puts beside a database has the same rights by itself."""
    path.touch(mode=FILE)
