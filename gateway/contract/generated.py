"""From a schema in a contract to the type that was generated beside it."""

import datetime as dt
from importlib import import_module
from typing import Annotated, Any, Literal

from msgspec import Meta

from gateway.contract.document import SCHEMAS, Document, Node, source_of

CONSTRAINTS = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
}
SCALARS: dict[tuple[str, str | None], Any] = {
    ("string", None): str,
    ("string", "date"): dt.date,
    ("string", "date-time"): dt.datetime,
    ("integer", None): int,
    ("number", None): float,
    ("boolean", None): bool,
}


class NoType(Exception):
    """A schema that has no type of its own; the text says what it should be."""


def named_type(schema: Node) -> type:
    """Return the generated type of a schema that is a reference; raises NoType."""
    if SCHEMAS not in schema.get("$ref", ""):
        raise NoType("its schema is not a `$ref` to a named one")
    file, pointer = source_of(schema["$ref"])
    module, name = f"openapi.{file.removesuffix('.yaml').replace('/', '.')}", pointer.removeprefix(SCHEMAS)
    try:
        found: type = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise NoType(f"there is no {module}.{name}; run `make generate`") from error
    return found


def scalar_type(document: Document, schema: Node) -> tuple[Any, Any]:
    """Return a parameter's bare type, and the one with the schema's constraints; raises NoType."""
    resolved = document.resolved(schema)
    if "enum" in resolved:
        choice: Any = named_type(schema) if "$ref" in schema else Literal[tuple(resolved["enum"])]
        return choice, choice
    bare = SCALARS.get((str(resolved.get("type")), resolved.get("format")))
    if bare is None:
        raise NoType("its schema is neither a plain type nor an enumeration")
    limits: dict[str, Any] = {CONSTRAINTS[key]: resolved[key] for key in CONSTRAINTS if key in resolved}
    if str(limits.get("pattern", "")).endswith("$"):
        limits["pattern"] = limits["pattern"][:-1] + r"\Z"  # `$` would let a line feed follow.
    if bare is dt.datetime:
        limits["tz"] = True
    return bare, Annotated[bare, Meta(**limits)] if limits else bare
