"""What is answered: statuses, headers, links, bodies."""

from typing import Final

from gateway.contract.compatibility import media
from gateway.contract.compatibility.kinds import Kind
from gateway.contract.compatibility.nodes import Spot, text_of
from gateway.contract.compatibility.notes import Place, Side
from gateway.contract.compatibility.schemas import Schemas
from gateway.contract.compatibility.served import Served
from gateway.contract.compatibility.shapes import WORDS

JUDGED: Final = frozenset({"headers", "content", "links", "$ref", *WORDS})
OF_HEADER: Final = frozenset({"required", "schema", "content", "$ref", *WORDS})
REFUSALS: Final = ("4", "5")
NOT_MODIFIED: Final = "304"
"""Only who asks with `If-None-Match` gets it."""


def compare(schemas: Schemas, old: Served, new: Served) -> None:
    """Note down what changed of the answers."""
    before, after = old.spot.at("responses").items(), new.spot.at("responses").items()
    for status, one in before.items():
        if status in after:
            _compare(schemas, _place(old, status), one.resolved(), after[status].resolved())
        else:
            kind = Kind.refusal_removed if _is_expected(status) else Kind.status_removed
            schemas.notes.add(kind, old.name, one.pointer, what=status)
    for status, one in after.items():
        if status not in before:
            kind = Kind.refusal_added if _is_expected(status) else Kind.status_added
            schemas.notes.add(kind, old.name, one.pointer, what=status)


def _is_expected(status: str) -> bool:
    """Tell whether callers cope with it, listed or not: they may be refused at any time."""
    return status.startswith(REFUSALS) or status == NOT_MODIFIED


def _place(served: Served, status: str) -> Place:
    return Place(side=Side.answer, operation=served.name, holder=f"the answer {status}")


def _compare(schemas: Schemas, place: Place, old: Spot, new: Spot) -> None:
    _headers(schemas, place, old.at("headers"), new.at("headers"))
    _links(schemas, place, old.at("links"), new.at("links"))
    media.compare(schemas, place, old.at("content"), new.at("content"))
    media.rest(schemas.notes, place, old, new, JUDGED)


def _headers(schemas: Schemas, place: Place, old: Spot, new: Spot) -> None:
    before = {name.lower(): one for name, one in old.items().items()}
    after = {name.lower(): one for name, one in new.items().items()}
    for name, one in {**before, **after}.items():
        header = Place(side=Side.answer, operation=place.operation, holder=f"the header `{name}` of {place.holder}")
        if name not in after:
            schemas.notes.at(header, "header.removed", one.pointer)
        elif name not in before:
            schemas.notes.at(header, "header.added", one.pointer)
        else:
            _header(schemas, header, before[name].resolved(), after[name].resolved())


def _header(schemas: Schemas, place: Place, old: Spot, new: Spot) -> None:
    if bool(old.get("required")) != bool(new.get("required")):
        matter = "header.became_required" if new.get("required") else "header.became_optional"
        schemas.notes.at(place, matter, new.pointer)
    schemas.compare(old.at("schema"), new.at("schema"), place)
    media.compare(schemas, place, old.at("content"), new.at("content"))
    media.rest(schemas.notes, place, old, new, OF_HEADER)


def _links(schemas: Schemas, place: Place, old: Spot, new: Spot) -> None:
    before, after = old.items(), new.items()
    for name, one in {**before, **after}.items():
        if name not in after:
            schemas.notes.at(place, "link.removed", one.pointer, what=name)
        elif name not in before:
            schemas.notes.at(place, "link.added", one.pointer, what=name)
        elif text_of(before[name], WORDS) != text_of(one, WORDS):
            schemas.notes.at(place, "link.changed", one.pointer, what=name)
