"""Which set of policy files is in force: exactly one is live, the one before is kept, and what was withdrawn stays so."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec
from msgspec import Struct

from gateway.store.database import Store
from gateway.store.pages import Listed, Window


class SetState(StrEnum):
    """What became of a set."""

    live = "live"
    previous = "previous"
    former = "former"
    withdrawn = "withdrawn"
    """It was rolled back from: the same files do not bring it back."""


class PolicySet(Struct, frozen=True, kw_only=True):
    """The policy files as they were when they went live."""

    id: str
    digest: str
    files: dict[str, str]
    """Each file's text, by its name."""
    loaded_at: datetime
    loaded_by: str
    state: SetState
    note: str | None


def digest_of(files: Mapping[str, str]) -> str:
    """Return what names the set: SHA-256 over names and texts, in whatever order they come."""
    return hashlib.sha256(msgspec.json.encode(sorted(files.items()))).hexdigest()


def choose(files_digest: str, sets: Iterable[PolicySet]) -> Literal["files", "live"]:
    """Return what to start with: the files, or the live set where it was the files' set that was rolled back from."""
    raise NotImplementedError


async def live(store: Store) -> PolicySet | None:
    """Return the set that is in force, or None before the first start."""
    raise NotImplementedError


async def previous(store: Store) -> PolicySet | None:
    """Return the set to which `roll_back` would go back, or None."""
    raise NotImplementedError


async def standing(store: Store) -> list[PolicySet]:
    """Return the sets that decide what is in force next: live, previous and withdrawn; for `choose`."""
    raise NotImplementedError


async def record(store: Store, files: Mapping[str, str], by: str, note: str | None = None) -> PolicySet:
    """Return the live set: the one of these files, which were compiled before, or the one that stays in force.

    Files that are live already change nothing, and files that were rolled back from do not come back: compare the
    digest of what is returned.
    """
    raise NotImplementedError


async def roll_back(store: Store, by: str, note: str | None = None) -> PolicySet:
    """Return the previous set, now live; Refused(policy_set_no_previous) where there is none."""
    raise NotImplementedError


async def listing(store: Store, window: Window) -> Listed[PolicySet]:
    """Return the sets, the newest first."""
    raise NotImplementedError
