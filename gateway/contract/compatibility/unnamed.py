"""Schemas that no operation names: what is sent by way of another contract, as a decision is that resumes a process."""

from collections.abc import Iterator
from typing import Final

from gateway.contract.compatibility.kinds import Kind
from gateway.contract.compatibility.nodes import Spot
from gateway.contract.compatibility.notes import Notes, Place, Side
from gateway.contract.compatibility.schemas import Schemas

SCHEMAS: Final = ("components", "schemas")


def compare(notes: Notes, old: Spot, new: Spot) -> None:
    """Note down what changed of them, each taken for something that callers send."""
    before, after = _unnamed(old), _unnamed(new)
    for name in sorted({*before, *after}):
        place = Place(side=Side.request, operation=None, holder=f"`{name}`")
        if name not in after:
            if not new.at(*SCHEMAS, name).is_there:  # One that an operation names now is compared there from now on.
                notes.add(Kind.body_removed, None, before[name].pointer, place=place)
        elif name in before:
            Schemas(notes).compare(before[name], after[name], place)
        elif not old.at(*SCHEMAS, name).is_there:
            notes.add(Kind.body_added, None, after[name].pointer, place=place)


def _unnamed(document: Spot) -> dict[str, Spot]:
    schemas = document.at(*SCHEMAS).items()
    named = set(_references(document.at("paths")))
    for schema in schemas.values():
        named |= set(_references(schema)) - {schema.pointer}
    return {name: schema for name, schema in schemas.items() if schema.pointer not in named}


def _references(spot: Spot) -> Iterator[str]:
    """Yield the pointers of what is referred to in there."""
    if isinstance(spot.get("$ref"), str):
        yield spot.referred().pointer
    for below in (*spot.items().values(), *spot.each()):
        yield from _references(below)
