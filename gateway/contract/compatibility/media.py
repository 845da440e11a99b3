"""What a body, an answer or a parameter is written as, and what is said beside its schema."""

from typing import Final

from gateway.contract.compatibility.nodes import Spot, text_of
from gateway.contract.compatibility.notes import Notes, Place
from gateway.contract.compatibility.schemas import Schemas
from gateway.contract.compatibility.shapes import WORDS

JUDGED: Final = frozenset({"schema", *WORDS})


def compare(schemas: Schemas, place: Place, old: Spot, new: Spot) -> None:
    """Note down what changed of the media types, and in each that stayed."""
    before, after = old.items(), new.items()
    for kind, one in before.items():
        if kind not in after:
            schemas.notes.at(place, "media_type.removed", one.pointer, what=kind)
            continue
        schemas.compare(one.at("schema"), after[kind].at("schema"), place)
        rest(schemas.notes, place, one, after[kind], JUDGED)
    for kind, one in after.items():
        if kind not in before:
            schemas.notes.at(place, "media_type.added", one.pointer, what=kind)


def rest(notes: Notes, place: Place, old: Spot, new: Spot, judged: frozenset[str]) -> None:
    """Note down other words, and what changed that nobody has judged."""
    if any(old.get(key) != new.get(key) for key in WORDS):
        notes.at(place, "words_changed", new.pointer)
    for key in sorted({*old.items(), *new.items()} - judged):
        if text_of(old.at(key)) != text_of(new.at(key)):
            notes.at(place, "keyword_changed", new.pointer, what=key)
