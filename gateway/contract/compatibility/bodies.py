"""What is sent as a body."""

from typing import Final

from gateway.contract.body import MAX_BODY_BYTES
from gateway.contract.compatibility import media
from gateway.contract.compatibility.kinds import Kind
from gateway.contract.compatibility.notes import Place, Side
from gateway.contract.compatibility.schemas import Schemas
from gateway.contract.compatibility.served import Served
from gateway.contract.compatibility.shapes import WORDS

MAX_BYTES: Final = "x-max-body-bytes"
JUDGED: Final = frozenset({"required", "content", "$ref", *WORDS})


def compare(schemas: Schemas, old: Served, new: Served) -> None:
    """Note down what changed of the body."""
    before, after = old.spot.at("requestBody").resolved(), new.spot.at("requestBody").resolved()
    place, notes = Place(side=Side.request, operation=old.name, holder="the request's body"), schemas.notes
    if not before.is_there or not after.is_there:
        if after.is_there:
            kind = Kind.body_required_added if after.get("required") else Kind.body_added
            notes.add(kind, old.name, after.pointer, place=place)
        elif before.is_there:
            notes.add(Kind.body_removed, old.name, before.pointer, place=place)
        return
    if bool(before.get("required")) != bool(after.get("required")):
        kind = Kind.body_required if after.get("required") else Kind.body_optional
        notes.add(kind, old.name, after.pointer, place=place)
    _size(schemas, place, old, new)
    media.compare(schemas, place, before.at("content"), after.at("content"))
    media.rest(notes, place, before, after, JUDGED)


def _size(schemas: Schemas, place: Place, old: Served, new: Served) -> None:
    before, after = (one.spot.get(MAX_BYTES, MAX_BODY_BYTES) for one in (old, new))
    if before != after:
        kind = Kind.body_size_lowered if after < before else Kind.body_size_raised
        told = {"place": place, "before": before, "after": after}
        schemas.notes.add(kind, old.name, new.spot.at(MAX_BYTES).pointer, **told)
