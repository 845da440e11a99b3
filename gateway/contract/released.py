"""What was released of each contract: the frozen documents in `openapi/released`, and what each of them changed."""

import json
import re
from datetime import date
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from gateway.contract.compatibility import Change, changes_between
from gateway.contract.document import Document, digest_of
from gateway.yaml_text import loaded

OPENAPI: Final = Path(str(files("openapi")))
RELEASED_ON: Final = "x-released-on"
"""What a frozen document has beside the contract: its day."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """A contract as it was released."""

    contract: str
    version: str
    """Its `info.version`."""
    released_on: date | None
    document: dict[str, Any]

    @property
    def digest(self) -> str:
        """Return the digest that the contract had."""
        return digest_of(self.document)


class Entry(Struct, frozen=True, kw_only=True):
    """What one release of a contract changed."""

    contract: str
    """`process/billing_holds/v2`."""
    version: str
    """Its `info.version`: `2.1.0`."""
    released_on: date | None
    """None where it is not released yet, or nobody noted the day."""
    since: str | None
    """What it is compared with: `2.0.0`, or of another version of the contract `process/billing_holds/v1 1.2.0`.
    None for the first release of all."""
    changes: tuple[Change, ...]


def snapshots(contract: str, openapi: Path = OPENAPI) -> list[Snapshot]:
    """Return what was released of the contract, the oldest first."""
    found = sorted((openapi / "released" / contract).glob("*.json"), key=lambda file: numbers_of(file.stem))
    return [_read(contract, file) for file in found]


def newest(contract: str, openapi: Path = OPENAPI) -> Snapshot | None:
    """Return what was released of the contract last."""
    return next(reversed(snapshots(contract, openapi)), None)


def _read(contract: str, file: Path) -> Snapshot:
    document = json.loads(file.read_text("utf-8"))
    day = document.pop(RELEASED_ON, None)
    on = date.fromisoformat(day) if day else None
    return Snapshot(contract=contract, version=document["info"]["version"], released_on=on, document=document)


def numbers_of(version: str) -> tuple[int, ...]:
    """Return a version so that a later one is greater."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def served_now(contract: str, openapi: Path = OPENAPI) -> Snapshot:
    """Return the contract as it stands in the source."""
    root = None if openapi == OPENAPI else loaded((openapi / f"{contract}.yaml").read_text("utf-8"))
    return current(Document(contract, root))


def current(document: Document) -> Snapshot:
    """Return a contract that is not released in the form of one that is."""
    version = str(document.info["version"])
    return Snapshot(contract=document.contract, version=version, released_on=None, document=document.published())


def changelog(contract: str, openapi: Path = OPENAPI) -> list[Entry]:
    """Return what each release of the contract changed, the newest first.

    The first entry is what is served now, where that is not released. The last one compares with the version before:
    v2's first release with v1's newest.
    """
    releases = _releases(contract, openapi)
    before = _before(contract, openapi)
    first = releases[0]
    entries = [_entry(before, first, f"{before.contract} {before.version}" if before else None)]
    entries += [_entry(old, new, old.version) for old, new in pairwise(releases)]
    return entries[::-1]


def _releases(contract: str, openapi: Path) -> list[Snapshot]:
    """Return the releases, and behind them what is served now where it is another document."""
    found, now = snapshots(contract, openapi), served_now(contract, openapi)
    return found if found and found[-1].digest == now.digest else [*found, now]


def _before(contract: str, openapi: Path) -> Snapshot | None:
    """Return the newest of the version before: as it was released, else as it stands; None where there is none."""
    stem, number = contract.rsplit("/v", 1)
    for older in range(int(number) - 1, 0, -1):
        name = f"{stem}/v{older}"
        if found := newest(name, openapi):
            return found
        if (openapi / f"{name}.yaml").is_file():
            return served_now(name, openapi)
    return None


def _entry(old: Snapshot | None, new: Snapshot, since: str | None) -> Entry:
    changes = changes_between(old.document, new.document) if old else []
    return Entry(
        contract=new.contract,
        version=new.version,
        released_on=new.released_on,
        since=since,
        changes=tuple(changes),
    )
