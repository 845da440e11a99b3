"""The archive: a tar file that only its owner may read, with a manifest by which damage shows before it does harm."""

import hashlib
import os
import tarfile
from collections.abc import Callable, Mapping
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Final, Literal

import msgspec
from msgspec import Struct, json

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MOST_IN_MANIFEST: Final = 1_000_000
PIECE: Final = 1 << 20
Tell = Callable[[str], None]
"""Told in a line how far it is."""


class BackupError(Exception):
    """Why there is no backup, or none was restored, in words; nothing has changed."""


class Member(Struct, frozen=True, kw_only=True):
    """A file in the archive."""

    name: str
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What an archive says of itself."""

    format: int = FORMAT
    release: str
    """That of the product which took it."""
    migration: str
    """The version of our tables."""
    engine: str
    """The release of the workflow engine, whose tables lie in the same database."""
    database: Literal["sqlite", "postgresql"]
    created_at: datetime
    """When the database was as it is in here."""
    members: tuple[Member, ...] = ()


def write(file: Path, manifest: Manifest, members: Mapping[str, Path]) -> Manifest:
    """Return the manifest of the archive that is there now: whole, or not at all; one that exists is left alone."""
    listed = tuple(_member(name, path) for name, path in members.items())
    full = msgspec.structs.replace(manifest, members=listed)
    part = file.with_name(f"{file.name}.part")
    try:
        with _private(part) as into, tarfile.open(fileobj=into, mode="w") as archive:
            _add(archive, MANIFEST, json.format(json.encode(full)))
            for name, path in members.items():
                _add_file(archive, name, path)
            archive.close()
            into.flush()
            os.fsync(into.fileno())
        os.link(part, file)
    except FileExistsError as error:
        raise BackupError(f"{error.filename2 or error.filename} exists. Take another name, or remove it.") from error
    finally:
        part.unlink(missing_ok=True)
    sync_folder(file.parent)
    return full


def manifest_of(file: Path) -> Manifest:
    """Return what the archive says of itself; raises BackupError where it is none."""
    try:
        with tarfile.open(file) as archive:
            return _manifest(archive)
    except (OSError, tarfile.TarError, msgspec.DecodeError) as error:
        raise BackupError(f"{file} is no backup, or is damaged: {error}") from error


def unpack(file: Path, folder: Path) -> Manifest:
    """Return the manifest, with every member whole in the folder; raises BackupError at the first that is not."""
    try:
        with tarfile.open(file) as archive:
            manifest = _manifest(archive)
            for member in manifest.members:
                _take_out(archive, member, folder)
    except (OSError, KeyError, tarfile.TarError, msgspec.DecodeError) as error:
        raise BackupError(f"{file} is no backup, or is damaged: {error}") from error
    return manifest


def sync_folder(folder: Path) -> None:
    """Return once the names in the folder outlive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _manifest(archive: tarfile.TarFile) -> Manifest:
    found = archive.next()
    inside = archive.extractfile(found) if found and found.name == MANIFEST and found.isfile() else None
    if inside is None:
        raise BackupError(f"The archive does not begin with {MANIFEST}: it is no backup.")
    return json.decode(inside.read(MOST_IN_MANIFEST), type=Manifest)


def _take_out(archive: tarfile.TarFile, member: Member, folder: Path) -> None:
    name = member.name
    if Path(name).name != name:
        raise BackupError(f"The archive holds {name!r}, which is no plain name.")
    inside = archive.extractfile(name)
    if inside is None:
        raise BackupError(f"{name} is no file in the archive.")
    with _private(folder / name) as into:
        digest = _copied(inside, into)
        os.fsync(into.fileno())
    if digest != member.sha256:
        raise BackupError(f"{name} is damaged: its SHA-256 is {digest}, the manifest has {member.sha256}.")


def _member(name: str, path: Path) -> Member:
    with path.open("rb") as file:
        return Member(name=name, bytes=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def _copied(source: IO[bytes], into: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := source.read(PIECE):
        digest.update(piece)
        into.write(piece)
    into.flush()
    return digest.hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_entry(name, len(content)), BytesIO(content))


def _add_file(archive: tarfile.TarFile, name: str, path: Path) -> None:
    with path.open("rb") as file:
        archive.addfile(_entry(name, path.stat().st_size), file)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
