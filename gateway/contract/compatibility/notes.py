"""Where the comparison is, in words, and what it has noted down so far."""

from enum import StrEnum
from typing import Protocol

from msgspec import Struct, structs

from gateway.contract.compatibility.change import Change
from gateway.contract.compatibility.kinds import SAFE, Kind
from gateway.contract.compatibility.nodes import Spot
from gateway.contract.compatibility.sentences import sentence
from gateway.contract.compatibility.shapes import Shape


class Side(StrEnum):
    """Who sends what is compared."""

    request = "request"
    answer = "answer"


class Place(Struct, frozen=True, kw_only=True):
    """A value in a call: whose it is, and its path in there."""

    side: Side
    operation: str | None
    """None where it is sent by way of another contract's operation."""
    holder: str
    """`the request's body`, `the answer 200`, `the query parameter limit`."""
    path: str = ""
    """`lines[].amount`."""

    def inside(self, name: str) -> "Place":
        """Return the place of a property."""
        return structs.replace(self, path=f"{self.path}.{name}" if self.path else name)

    def items(self) -> "Place":
        """Return the place of what a list holds."""
        return structs.replace(self, path=f"{self.path}[]")

    def kind(self, matter: str) -> Kind:
        """Return the kind of change that a matter is on this side."""
        return Kind(f"{self.side}.{matter}")

    def __str__(self) -> str:
        return f"`{self.path}` in {self.holder}" if self.path else self.holder


class Notes:
    """The changes found, each once: schemas are reached by many ways."""

    def __init__(self) -> None:
        self._found: dict[tuple[Kind, str | None, str, str], Change] = {}

    @property
    def changes(self) -> list[Change]:
        """Return them in the order in which they were found."""
        return list(self._found.values())

    def add(self, kind: Kind, operation: str | None, pointer: str, **told: object) -> None:
        """Note a change down; what is told fills in its kind's sentence."""
        detail = " → ".join(str(value) for name, value in told.items() if name != "place")
        change = Change(
            kind=kind,
            operation=operation,
            pointer=pointer,
            breaking=kind not in SAFE,
            words=sentence(kind, **told),
            detail=detail,
        )
        self._found.setdefault((kind, operation, pointer, detail), change)

    def at(self, place: Place, matter: str, pointer: str, **told: object) -> None:
        """Note down what happened to a value."""
        self.add(place.kind(matter), place.operation, pointer, place=place, **told)


class Comparing(Protocol):
    """What compares the schemas in a schema."""

    notes: Notes

    def compare(self, old: Spot, new: Spot, place: Place) -> None:
        """Note down what changed from the one to the other."""

    def compare_shapes(self, old: Shape, new: Shape, place: Place, *, null: bool = True) -> None:
        """Note down what changed from the one to the other; without null where that is told."""
