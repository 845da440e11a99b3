"""Finding one's way in a document: a node, and where it stands."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from gateway.json_pointer import escaped, unescaped

Node = Mapping[str, Any]

NAMES: Final = frozenset(
    {"properties", "patternProperties", "dependentSchemas", "dependentRequired", "$defs", "mapping", "parameters"}
)
"""What has names for its keys: something may be called `title`, and is no title."""
VALUES: Final = frozenset({"enum", "const", "default"})
"""What holds values, not schemas."""
ABSENT: object = object()
"""What stands where nothing does; a null is something."""


class Spot(NamedTuple):
    """A node of a document, and the JSON Pointer to it."""

    document: Node
    pointer: str
    node: Any

    def at(self, *keys: str) -> "Spot":
        """Return what is below, step by step; where there is nothing, a spot whose node is `ABSENT`."""
        spot = self
        for key in keys:
            below = spot.node[key] if isinstance(spot.node, Mapping) and key in spot.node else ABSENT
            spot = Spot(spot.document, f"{spot.pointer}/{escaped(key)}", below)
        return spot

    def items(self) -> "dict[str, Spot]":
        """Return what is below by its name; of what is no object, nothing."""
        return {key: self.at(key) for key in self.node} if isinstance(self.node, Mapping) else {}

    def each(self) -> "list[Spot]":
        """Return what is in the list; of what is no list, nothing."""
        if not isinstance(self.node, list):
            return []
        return [Spot(self.document, f"{self.pointer}/{place}", node) for place, node in enumerate(self.node)]

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - whatever the document has there
        """Return the value that is below, or the default."""
        return self.node.get(key, default) if isinstance(self.node, Mapping) else default

    @property
    def is_there(self) -> bool:
        """Tell whether there is anything, and be it a null."""
        return self.node is not ABSENT

    def referred(self) -> "Spot":
        """Return where the reference leads that the node is, one step far."""
        target = str(self.node["$ref"]).partition("#")[2]
        return Spot(self.document, "", self.document).at(*map(unescaped, target.strip("/").split("/")))

    def resolved(self) -> "Spot":
        """Return what the node's references lead to in the end, or the node itself."""
        spot = self
        while isinstance(spot.node, Mapping) and "$ref" in spot.node:
            spot = spot.referred()
        return spot


def root(document: Node) -> Spot:
    """Return the whole document."""
    return Spot(document, "", document)


def text_of(spot: Spot, leaving_out: frozenset[str] = frozenset()) -> str:
    """Return what the node says with every reference followed, in one form; keys left out count nowhere in it."""
    return json.dumps(_expanded(spot, leaving_out, frozenset()), sort_keys=True, default=str)


def _expanded(spot: Spot, leaving_out: frozenset[str], above: frozenset[str]) -> Any:  # noqa: ANN401 - any node
    if isinstance(spot.node, list):
        return [_expanded(each, leaving_out, above) for each in spot.each()]
    if not isinstance(spot.node, Mapping):
        return None if spot.node is ABSENT else spot.node
    found = {
        key: _expanded(each, frozenset() if key in VALUES else leaving_out, above)
        for key, each in _kept(spot, leaving_out)
    }
    if "$ref" not in spot.node:
        return found
    target = spot.referred()
    if target.pointer in above:  # A schema that contains itself.
        return found | {"$ref": target.pointer}
    return _merged(_expanded(target, leaving_out, above | {target.pointer}), found)


def _kept(spot: Spot, leaving_out: frozenset[str]) -> Iterator[tuple[str, Spot]]:
    left_out = frozenset() if spot.pointer.rsplit("/", 1)[-1] in NAMES else leaving_out
    return ((key, each) for key, each in spot.items().items() if key != "$ref" and key not in left_out)


def _merged(target: Any, beside: dict[str, Any]) -> Any:  # noqa: ANN401 - any node
    return {**target, **beside} if isinstance(target, dict) else target
