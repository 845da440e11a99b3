"""`ownership.yaml`, beside the settings: who answers for connections, schedules, mappings and event types.

API versions have theirs in `openapi/lifecycle.yaml`. The teams are the `owners` of the settings, so that an address
stands once; a connection's owner stands there too. An entry names a thing, or several by a glob; the closest one holds,
and every entry says everything, so that nothing is put together from two.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from gateway.policy.globs import closeness
from gateway.settings import Settings
from gateway.yaml_text import NotYaml, loaded

FILE: Final = "ownership.yaml"
Kind = Literal["connections", "schedules", "mappings", "event_types"]
KINDS: Final[tuple[Kind, ...]] = ("connections", "schedules", "mappings", "event_types")
APIS: Final = "apis"
"""The kind whose ownership stands in the lifecycle."""
Text = Annotated[str, Meta(min_length=1, max_length=400)]
DataClass = Literal["public", "internal", "confidential", "restricted"]


class OwnershipError(Exception):
    """Something has nobody who answers for it; the text names each."""


class Kept(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is promised of a thing. Of a connection this is all: its owner stands in the settings."""

    service_level: Text
    """What its users may rely on, in words."""
    data_class: DataClass
    review_on: date
    """When somebody looks again whether all this is still so."""


class Owned(Kept, frozen=True, kw_only=True):
    """What is promised of a thing, and who answers for it."""

    owner: Text
    """One of `owners` in the settings."""


class Ownership(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file: an entry for each thing, or for several by a glob."""

    connections: dict[str, Kept] = {}
    schedules: dict[str, Owned] = {}
    mappings: dict[str, Owned] = {}
    event_types: dict[str, Owned] = {}


class OwnedThing(Struct, frozen=True, kw_only=True):
    """One thing that exists here, and who answers for it."""

    kind: Kind
    name: str
    owner: str
    """The team."""
    contact: str
    service_level: str
    data_class: DataClass
    review_on: date

    def overdue(self, today: date) -> bool:
        """Tell whether somebody should have looked again by today."""
        return self.review_on < today


def load(settings: Settings) -> Ownership:
    """Return what the installation's file says; raises OwnershipError."""
    path = settings.path(FILE)
    try:
        document = loaded(path.read_text("utf-8"))
        return msgspec.convert({} if document is None else document, Ownership)
    except OSError as error:
        raise OwnershipError(
            f"{path} cannot be read. It says who answers for each connection, schedule, mapping and event type: "
            f"take the {FILE} that `tiebeam init DIR` writes into another folder, and change it to what your firm has."
        ) from error
    except (msgspec.ValidationError, NotYaml, UnicodeError) as error:
        raise OwnershipError(f"{FILE}: {error}") from error


def owned(ownership: Ownership, settings: Settings, things: Mapping[Kind, Iterable[str]]) -> tuple[OwnedThing, ...]:
    """Return who answers for each of the things; raises OwnershipError with all that nobody answers for."""
    found, mistakes = [], []
    for kind, names in things.items():
        for name in sorted(names):
            try:
                found.append(_owned(ownership, settings, kind, name))
            except OwnershipError as error:
                mistakes.append(str(error))
    if mistakes:
        raise OwnershipError("\n".join(mistakes))
    return tuple(found)


def _owned(ownership: Ownership, settings: Settings, kind: Kind, name: str) -> OwnedThing:
    entry = _closest(getattr(ownership, kind), name)
    if entry is None:
        raise OwnershipError(f"{FILE}: {kind} has no entry for {name}. Say there who answers for it.")
    owner = entry.owner if isinstance(entry, Owned) else settings.connections[name].owner
    team = settings.owners.get(owner)
    if team is None:
        raise OwnershipError(f"{FILE}: {kind}: {owner}, who answers for {name}, is not one of the settings' owners.")
    return OwnedThing(
        kind=kind,
        name=name,
        owner=team.team,
        contact=team.contact,
        service_level=entry.service_level,
        data_class=entry.data_class,
        review_on=entry.review_on,
    )


def _closest(entries: Mapping[str, Kept], name: str) -> Kept | None:
    """Return the entry that spells out most of the name; of two that do alike, the last."""
    near = [(close, place) for place, glob in enumerate(entries) if (close := closeness([glob], name)) is not None]
    return list(entries.values())[max(near)[1]] if near else None
