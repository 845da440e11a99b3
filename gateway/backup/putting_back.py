"""Puts a backup back: everything is looked at first, then exchanged, and what was there before is kept beside it."""

import hashlib
import os
import tempfile
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct
from sqlalchemy.engine import make_url

from gateway.backup import postgresql, restores, sqlite
from gateway.backup.archive import FORMAT, BackupError, Manifest, Tell, manifest_of, sync_folder, unpack
from gateway.backup.grace import give_time
from gateway.backup.restores import Restored
from gateway.backup.taking import DATABASES, KEPT, database_of
from gateway.durable.worker_lock import AnotherWorker, FileLock
from gateway.private_files import make_folder
from gateway.store.audit_seals import noted
from gateway.store.database import is_sqlite
from gateway.store.migrate import knows


class Place(Struct, frozen=True, kw_only=True):
    """Where to: the database's URL and the data directory."""

    url: str
    data: Path


def restore(file: Path, place: Place, now: datetime, tell: Tell, *, force: bool) -> Manifest:
    """Return what was restored. Raises BackupError, and has changed nothing then.

    What was there before, with `force`, is kept in the data directory; of a PostgreSQL as a backup of its own.
    """
    manifest = manifest_of(file)
    _refuse_unfit(manifest, place)
    make_folder(place.data)
    with tempfile.TemporaryDirectory(prefix=".restore.", dir=place.data) as folder:
        tell("Reading the archive …")
        unpacked = Path(folder)
        unpack(file, unpacked)
        restored = _note_of(file, manifest, place, unpacked, now)
        exchange = _exchange_file if is_sqlite(place.url) else _exchange_dump
        exchange(place, unpacked, now, tell, force=force)
    restores.note(place.data, restored)
    sync_folder(place.data)
    return manifest


def _refuse_unfit(manifest: Manifest, place: Place) -> None:
    ours = "sqlite" if is_sqlite(place.url) else "postgresql"
    if manifest.format > FORMAT or not knows(manifest.migration) or _parts(manifest.release) > _parts(_release()):
        newer = f"release {manifest.release}, whose tables are at {manifest.migration}"
        raise BackupError(f"The backup is of {newer}; this one is {_release()}. Restore with that release, or later.")
    if manifest.database != ours:
        raise BackupError(f"The backup is of {manifest.database}, the settings say {ours}. There is no way between.")
    if DATABASES[ours == "sqlite"] not in {member.name for member in manifest.members}:
        raise BackupError("The backup has no database in it.")


def _exchange_file(place: Place, unpacked: Path, now: datetime, tell: Tell, *, force: bool) -> None:
    database, coming = database_of(place.url), unpacked / DATABASES[True]
    tell("Looking whether the database is sound …")
    sqlite.check(coming)
    give_time(f"sqlite:///{coming}", now)
    lock = FileLock(place.url)
    try:
        lock.take()
    except AnotherWorker as error:
        raise BackupError(str(error)) from error
    try:
        with sqlite.alone_with(database):
            _refuse_occupied([database] if database.exists() else [], place, unpacked, force=force)
            _keep(_kept(place, now), [database, *_files(place.data)])
            _exchange_files(place.data, unpacked)
            # The last, and at once: before it the old state is there, after it the new one.
            coming.replace(database)
            sync_folder(database.parent)
    finally:
        lock.release(undone=True)


def _exchange_dump(place: Place, unpacked: Path, now: datetime, tell: Tell, *, force: bool) -> None:
    occupied = postgresql.is_occupied(place.url)
    _refuse_occupied([Path(str(make_url(place.url).database))] if occupied else [], place, unpacked, force=force)
    kept = _kept(place, now)
    _keep(kept, _files(place.data))
    if occupied:
        kept.mkdir(mode=0o700, exist_ok=True)
        tell(f"Keeping what is there, in {kept} …")
        postgresql.dump(place.url, kept / DATABASES[False])
    tell("Replacing the database …")
    postgresql.restore(place.url, unpacked / DATABASES[False])
    give_time(place.url, now)
    _exchange_files(place.data, unpacked)


def _refuse_occupied(databases: list[Path], place: Place, unpacked: Path, *, force: bool) -> None:
    """Raise BackupError where something is there that would be replaced by something else."""
    differing = [path for path in _files(place.data) if not _same(path, unpacked / path.name)]
    if (there := [path.name for path in (*databases, *differing)]) and not force:
        how = "With --force it is replaced, and what was there is kept beside it"
        raise BackupError(f"There is something already: {', '.join(there)}. {how}.")


def _kept(place: Place, now: datetime) -> Path:
    return place.data / f"before-restore-{now:%Y%m%dT%H%M%SZ}"


def _keep(kept: Path, paths: list[Path]) -> None:
    """Keep what is there under a second name; it stays in place until it is exchanged."""
    for path in filter(Path.exists, paths):
        kept.mkdir(mode=0o700, exist_ok=True)
        os.link(path, kept / path.name)


def _exchange_files(data: Path, unpacked: Path) -> None:
    """Put the files in place, but for what only grows here; one that the backup does not have is of a later time."""
    for name in KEPT:
        coming = unpacked / name
        if name == restores.FILE and (data / name).exists():
            continue
        if coming.exists():
            coming.replace(data / name)
        else:
            (data / name).unlink(missing_ok=True)


def _files(data: Path) -> list[Path]:
    return [data / name for name in KEPT if name != restores.FILE and (data / name).exists()]


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


def _note_of(file: Path, manifest: Manifest, place: Place, unpacked: Path, now: datetime) -> Restored:
    with file.open("rb") as read:
        digest = hashlib.file_digest(read, "sha256").hexdigest()
    return Restored(
        at=now,
        backup_of=manifest.created_at,
        sha256=digest,
        seal_before=noted(place.data),
        seal_after=noted(unpacked),
    )


def _release() -> str:
    return version("tiebeam")


def _parts(release: str) -> list[int]:
    return [int(part) for part in release.split(".") if part.isdecimal()]
