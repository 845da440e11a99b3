"""How a pair is written: the base contract, and what is edited in it."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

from gateway.contract.compatibility import Kind
from tests.contracts.compatibility.base import Node

Edit = Callable[[Node], None]
BREAKS, SAFE = True, False


class Pair(NamedTuple):
    """The base and what becomes of it, with the verdict that a person gave."""

    name: str
    breaks: bool
    kind: Kind
    """What has to be among the changes."""
    edits: tuple[Edit, ...]
    first: tuple[Edit, ...] = ()
    """What is edited in the older one too."""


def pair(name: str, breaks: bool, kind: Kind, *edits: Edit, first: tuple[Edit, ...] = ()) -> Pair:  # noqa: FBT001
    return Pair(name, breaks, kind, edits, first)


def put(place: str, value: Any) -> Edit:  # noqa: ANN401 - any JSON
    """Return what writes a value."""

    def edit(document: Node) -> None:
        holder, key = _found(document, place)
        holder[key] = deepcopy(value)  # A later edit may change it.

    return edit


def drop(place: str) -> Edit:
    """Return what takes something out."""

    def edit(document: Node) -> None:
        holder, key = _found(document, place)
        del holder[key]

    return edit


def add(place: str, *values: Any) -> Edit:  # noqa: ANN401 - any JSON
    """Return what adds to a list."""

    def edit(document: Node) -> None:
        holder, key = _found(document, place)
        holder[key] = [*holder[key], *values]

    return edit


def take(place: str, value: Any) -> Edit:  # noqa: ANN401 - any JSON
    """Return what takes a value out of a list."""

    def edit(document: Node) -> None:
        holder, key = _found(document, place)
        holder[key] = [each for each in holder[key] if each != value]

    return edit


def move(place: str, name: str) -> Edit:
    """Return what calls something by another name, where it stands."""

    def edit(document: Node) -> None:
        holder, key = _found(document, place)
        kept = {name if each == key else each: value for each, value in holder.items()}
        holder.clear()
        holder.update(kept)

    return edit


def field(place: str) -> str:
    """Return the place of a field: `NewHold.note maxLength` is in the properties of the schema NewHold."""
    path, *keywords = place.split()
    schema, *names = path.split(".")
    below = [step for name in names for step in ("properties", name)]
    return " ".join(["components schemas", schema, *below, *keywords])


def _found(document: Any, place: str) -> tuple[Any, Any]:  # noqa: ANN401 - any JSON
    steps: list[Any] = [int(step) if step.isdigit() and len(step) < 3 else step for step in place.split()]
    for step in steps[:-1]:
        document = document[step]
    return document, steps[-1]
