"""The fields of an object: which there are, which have to be, and whether there may be others."""

from typing import Final

from gateway.contract.compatibility.nodes import Spot
from gateway.contract.compatibility.notes import Comparing, Place, Side
from gateway.contract.compatibility.shapes import Shape

OTHERS: Final = ("additionalProperties", "unevaluatedProperties")
JUDGED: Final = frozenset(OTHERS)


def compare(schemas: Comparing, old: Shape, new: Shape, place: Place) -> None:
    """Note down what changed of the fields."""
    for name in [*old.properties, *(name for name in new.properties if name not in old.properties)]:
        field = place.inside(name)
        if name not in new.properties:
            schemas.notes.at(field, "property.removed", old.properties[name].pointer)
        elif name not in old.properties:
            _added(schemas, old, new, field, name)
        else:
            _required(schemas, old, new, field, name)
            schemas.compare(old.properties[name], new.properties[name], field)
    for name in sorted((old.required ^ new.required) - old.properties.keys() - new.properties.keys()):
        _required(schemas, old, new, place.inside(name), name)
    _others(schemas, old, new, place)


def _added(schemas: Comparing, old: Shape, new: Shape, field: Place, name: str) -> None:
    schema, others = new.properties[name], _others_of(old)
    matter = "property.added"
    if field.side is Side.request and name in new.required - old.required:
        matter = "property.required_added"
    elif field.side is Side.answer and others.node is False:
        matter = "property.added_to_closed"
    schemas.notes.at(field, matter, schema.pointer)
    if name in old.required - new.required:
        schemas.notes.at(field, "property.became_optional", schema.pointer, what=name)
    if isinstance(others.node, dict):  # Before, it was one of the others, with their schema.
        schemas.compare(others, schema, field)


def _required(schemas: Comparing, old: Shape, new: Shape, field: Place, name: str) -> None:
    if (name in old.required) != (name in new.required):
        matter = "property.became_required" if name in new.required else "property.became_optional"
        spot = new.properties.get(name, new.below("required"))
        schemas.notes.at(field, matter, spot.pointer, what=name)


def _others(schemas: Comparing, old: Shape, new: Shape, place: Place) -> None:
    """Note down whether there may be other fields than before."""
    before, after = _others_of(old), _others_of(new)
    if isinstance(before.node, dict) and isinstance(after.node, dict):
        schemas.compare(before, after, place.inside("*"))
        return
    openness = _openness(before), _openness(after)
    if openness[0] != openness[1]:
        matter = "object.closed" if openness[0] > openness[1] else "object.opened"
        schemas.notes.at(place, matter, new.pointer, what=f"{WORDS[openness[0]]} before, {WORDS[openness[1]]} now")


WORDS: Final = ("none", "those of one form", "any")


def _openness(others: Spot) -> int:
    return {False: 0, True: 2}[others.node] if isinstance(others.node, bool) else 1


def _others_of(shape: Shape) -> Spot:
    """Return the schema of other fields: False where there are none, True where any may be."""
    said = next((shape.keywords[key] for key in OTHERS if key in shape.keywords), shape.below(OTHERS[0]))
    return said if said.node is False or (said.is_there and said.node) else said._replace(node=True)
