"""The installation's own secret, which seals cursors: made once, kept in the data directory, for us alone to read."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from gateway.secret import Secret

FILE: Final = "installation-key"


def installation_key(folder: Path) -> Secret:
    """Return the key; whichever process comes first makes it."""
    path = folder / FILE
    if not path.exists():
        part = folder / f"{FILE}.{secrets.token_hex(8)}"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):
            os.link(part, path)  # Whole, and only where nobody was first.
        part.unlink()
    return Secret(path.read_text("utf-8"))
