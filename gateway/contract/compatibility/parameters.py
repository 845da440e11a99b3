"""What is sent in path, query and headers."""

from typing import Any, Final

from gateway.contract.compatibility import media
from gateway.contract.compatibility.kinds import Kind
from gateway.contract.compatibility.nodes import Spot
from gateway.contract.compatibility.notes import Place, Side
from gateway.contract.compatibility.schemas import Schemas
from gateway.contract.compatibility.served import Served
from gateway.contract.compatibility.shapes import WORDS

WRITTEN: Final = ("style", "explode", "allowReserved", "allowEmptyValue")
JUDGED: Final = frozenset({"name", "in", "required", "schema", "content", "$ref", *WRITTEN, *WORDS})
STYLES: Final = {"query": "form", "cookie": "form"}
"""How a value is written where nothing is said; `simple` anywhere else."""
Key = tuple[str, str]


def compare(schemas: Schemas, old: Served, new: Served) -> None:
    """Note down what changed of the parameters."""
    before, after, notes = _parameters(old), _parameters(new), schemas.notes
    for key, one in before.items():
        place = _place(old.name, one)
        if key in after:
            _compare(schemas, place, one, after[key])
        else:
            notes.add(Kind.parameter_removed, old.name, one.pointer, place=place)
    for key, one in after.items():
        if key not in before:
            kind = Kind.parameter_required_added if one.get("required") else Kind.parameter_added
            notes.add(kind, old.name, one.pointer, place=_place(old.name, one))


def _parameters(served: Served) -> dict[Key, Spot]:
    return {(one.node["in"], _name(served, one)): one for one in served.parameters()}


def _name(served: Served, parameter: Spot) -> str:
    """Return by what a server knows the parameter: its place in the path, or its name."""
    name = str(parameter.node["name"])
    if parameter.node["in"] == "path" and name in served.parts:
        return str(served.parts.index(name))
    return name.lower() if parameter.node["in"] == "header" else name


def _place(operation: str | None, parameter: Spot) -> Place:
    where = {"query": "query parameter", "header": "header", "path": "path parameter"}
    holder = f"the {where.get(parameter.node['in'], parameter.node['in'])} `{parameter.node['name']}`"
    return Place(side=Side.request, operation=operation, holder=holder)


def _compare(schemas: Schemas, place: Place, old: Spot, new: Spot) -> None:
    notes = schemas.notes
    if place.holder != _place(place.operation, new).holder and old.node["in"] == "path":
        notes.add(Kind.parameter_renamed, place.operation, new.pointer, place=place, after=new.node["name"])
    if bool(old.get("required")) != bool(new.get("required")):
        kind = Kind.parameter_required if new.get("required") else Kind.parameter_optional
        notes.add(kind, place.operation, new.pointer, place=place)
    if old.at("content").is_there != new.at("content").is_there:
        notes.at(place, "keyword_changed", new.at("content").pointer, what="content")
        return
    schemas.compare(old.at("schema"), new.at("schema"), place)
    media.compare(schemas, place, old.at("content"), new.at("content"))
    before, after = _written(old), _written(new)
    for key in before:
        if before[key] != after[key]:
            notes.at(place, "keyword_changed", new.at(key).pointer, what=key)
    media.rest(notes, place, old, new, JUDGED)


def _written(parameter: Spot) -> dict[str, Any]:
    """Return how its value is written, also where that is not said."""
    style = parameter.get("style", STYLES.get(parameter.node["in"], "simple"))
    flags = {key: bool(parameter.get(key)) for key in ("allowReserved", "allowEmptyValue")}
    return {"style": style, "explode": parameter.get("explode", style == "form"), **flags}
