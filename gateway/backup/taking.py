"""Takes a backup. It may run at any time, beside web processes and workers, and stops nobody."""

import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url

from gateway.backup import postgresql, sqlite
from gateway.backup.archive import BackupError, Manifest, Tell, write
from gateway.backup.restores import FILE as RESTORES
from gateway.durable.migrate import pending
from gateway.installation_key import FILE as INSTALLATION_KEY
from gateway.store.audit_seals import MARK
from gateway.store.database import is_sqlite
from gateway.store.migrate import head
from gateway.token_minting import JWKS_FILE, KEY_FILE

DATABASES: Final[Mapping[bool, str]] = {True: "tiebeam.sqlite", False: "tiebeam.dump"}
"""The database's name in the archive; by whether it is SQLite."""
KEPT: Final = (INSTALLATION_KEY, KEY_FILE, JWKS_FILE, MARK, RESTORES)
"""What lies beside the database and is made nowhere else. Counters and locks are of the moment, and left out."""


def take(url: str, data: Path, file: Path, now: datetime, tell: Tell) -> Manifest:
    """Return the manifest of the backup that the file is now; raises BackupError, and has left nothing behind then."""
    if file.exists():
        raise BackupError(f"{file} exists. Take another name, or remove it.")
    if coming := pending(url):
        raise BackupError(f"The database is not of this release: it lacks {', '.join(coming)}. Back up with its own.")
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
        members = _gathered(url, data, Path(folder), tell)
        tell("Writing the archive …")
        return write(file, _manifest(url, now), members)


def database_of(url: str) -> Path:
    """Return where the embedded database lies."""
    return Path(str(make_url(url).database))


def _gathered(url: str, data: Path, folder: Path, tell: Tell) -> dict[str, Path]:
    """Return the members: the files first, so that the mark names a seal which the database has."""
    members: dict[str, Path] = {}
    for name in KEPT:
        if (data / name).exists():
            members[name] = folder / name
            shutil.copyfile(data / name, members[name])
            members[name].chmod(0o600)
    database = DATABASES[is_sqlite(url)]
    members[database] = folder / database
    tell("Copying the database …")
    if is_sqlite(url):
        sqlite.copy(database_of(url), members[database], tell)
    else:
        postgresql.dump(url, members[database])
    return members


def _manifest(url: str, now: datetime) -> Manifest:
    return Manifest(
        release=version("tiebeam"),
        migration=head(),
        engine=version("dbos"),
        database="sqlite" if is_sqlite(url) else "postgresql",
        created_at=now,
    )
