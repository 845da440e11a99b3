"""What a request's schema asks for beyond its generated type: found at the start, so that bodies pay for no more."""

from collections.abc import Iterator
from typing import Any, NamedTuple

Schema = dict[str, Any]

NAMED = ("$defs", "properties", "patternProperties", "dependentSchemas")
SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
LISTED = ("oneOf", "anyOf", "allOf", "prefixItems")
BEYOND_TYPES = frozenset(
    {"minProperties", "maxProperties", "uniqueItems", "dependentRequired", "dependentSchemas", "not", "if", "contains"}
    | {"propertyNames", "patternProperties", "prefixItems", "minContains", "maxContains", "unevaluatedProperties"}
)
FORMATS_OF_TYPES = frozenset({"date", "date-time", "uuid"})
SHAPES = frozenset({"type", "$ref", "oneOf", "anyOf", "allOf", "enum", "const"})


class Traits(NamedTuple):
    """What a body has to be looked at for."""

    free_form: bool
    """It may nest without end: an open object, a schema without type, or one that contains itself."""
    beyond_types: bool
    """A keyword that the generated type does not know."""


def traits_of(schema: Schema) -> Traits:
    """Return the traits of a schema that stands alone (`Document.schema`)."""
    parts = list(subschemas(schema))
    return Traits(
        free_form=any(_is_open(part) for part in parts) or _contains_itself(schema.get("$defs", {})),
        beyond_types=any(_is_beyond_types(part) for part in parts),
    )


def has_defaults(schema: Schema) -> bool:
    """Tell whether a type with this schema fills something in."""
    return any("default" in part for part in subschemas(schema))


def subschemas(schema: Schema) -> Iterator[Schema]:
    """Yield the schema and every schema in it; examples and names of properties are none."""
    yield schema
    for keyword in NAMED:
        for part in schema.get(keyword, {}).values():
            yield from subschemas(part)
    for keyword in SINGLE:
        if isinstance(schema.get(keyword), dict):
            yield from subschemas(schema[keyword])
    for keyword in LISTED:
        for part in schema.get(keyword, []):
            yield from subschemas(part)


def _is_open(part: Schema) -> bool:
    if not SHAPES & part.keys():
        return True
    kinds = part.get("type", [])
    return "object" in ([kinds] if isinstance(kinds, str) else kinds) and part.get("additionalProperties", True) is True


def _is_beyond_types(part: Schema) -> bool:
    choices = [*part.get("oneOf", []), *part.get("anyOf", [])]
    return (
        bool(BEYOND_TYPES & part.keys())
        or sum(choice.get("type") != "null" for choice in choices) > 1
        or part.get("format", "date") not in FORMATS_OF_TYPES
    )


def _contains_itself(definitions: dict[str, Schema]) -> bool:
    refers = {
        name: {part["$ref"].removeprefix("#/$defs/") for part in subschemas(schema) if "$ref" in part}
        for name, schema in definitions.items()
    }
    for _ in refers:
        refers = {name: found.union(*(refers[other] for other in found)) for name, found in refers.items()}
    return any(name in found for name, found in refers.items())
