"""Where an answer says of itself that it is out of date: a boolean named `stale`, its own or that of each of its items.

The edge sets it where it serves a kept answer after its time; whoever reads only the body learns of it there.
"""

from typing import Final

from gateway.contract.document import Document, Node
from gateway.contract.media_types import JSON

FIELD: Final = "stale"
ITEMS: Final = "items"


def stale_at(document: Document, operation: Node) -> tuple[str, ...]:
    """Return the places in the operation's 200: `stale`, `items/*/stale`, or none."""
    content = document.resolved(operation.get("responses", {}).get("200", {})).get("content", {})
    properties = _properties(document, content.get(JSON, {}).get("schema", {}))
    places = [FIELD] if _is_boolean(document, properties) else []
    items = document.resolved(properties.get(ITEMS, {})).get("items", {})
    if _is_boolean(document, _properties(document, items)):
        places.append(f"{ITEMS}/*/{FIELD}")
    return tuple(places)


def _properties(document: Document, schema: Node) -> Node:
    found: Node = document.resolved(schema).get("properties", {})
    return found


def _is_boolean(document: Document, properties: Node) -> bool:
    return document.resolved(properties.get(FIELD, {})).get("type") == "boolean"
