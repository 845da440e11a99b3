"""The types of a contract as tables: what a field is called, what it may be, what it means."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from gateway.portal.html import table, text

Node = Mapping[str, Any]
PREFIX: Final = "#/components/schemas/"
BOUNDS: Final = {
    "pattern": "matches {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters at most",
    "minItems": "{} items or more",
    "maxItems": "{} items at most",
}
"""What a schema says beside its type, in words."""


def section(document: Node) -> str:
    """Return all types of the document."""
    schemas = document["components"]["schemas"]
    return f'<h3 id="types">Types</h3>{"".join(_type(name, schema) for name, schema in sorted(schemas.items()))}'


def words(schema: Node) -> str:
    """Return what a value may be, with a link where it is a type of its own."""
    if reference := schema.get("$ref"):
        name = escape(str(reference).removeprefix(PREFIX))
        return f'<a href="#type-{name}">{name}</a>'
    for several, joined in (("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")):
        if several in schema:
            return joined.join(map(words, schema[several]))
    kinds = schema.get("type", "anything")
    said = " or ".join(map(str, kinds)) if isinstance(kinds, list) else str(kinds)
    if kinds == "array":
        said = f"list of {words(schema['items'])}"
    elif form := schema.get("format"):
        said = f"{escape(said)} ({escape(form)})"
    else:
        said = escape(said)
    return "; ".join([said, *_bounds(schema)])


def _bounds(schema: Node) -> list[str]:
    found = [f"<code>{escape(told.format(schema[key]))}</code>" for key, told in BOUNDS.items() if key in schema]
    if "enum" in schema:
        found.insert(0, ", ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"]))
    return found


def _type(name: str, schema: Node) -> str:
    named = escape(name)
    properties: Mapping[str, Node] = schema.get("properties", {})
    required = set(schema.get("required", ()))
    rows = [
        (
            f"<code>{escape(field)}</code>",
            words(node),
            "yes" if field in required else "no",
            text(str(node.get("description", ""))),
        )
        for field, node in properties.items()
    ]
    told = text(str(schema.get("description", "")))
    shown = table(f"Fields of {name}", ("Field", "What it may be", "Always", "Meaning"), rows) if rows else ""
    own = "" if rows else f"<p>{words(schema)}</p>"
    inner = f'<div id="type-{named}"><p>{told}</p>{own}{shown}</div>'
    return f'<details class="type"><summary><code>{named}</code></summary>{inner}</details>'
