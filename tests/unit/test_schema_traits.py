"""What a schema asks for beyond its generated type. A new keyword is a new row."""

from typing import Any

import pytest

from gateway.contract.schema_traits import Traits, has_defaults, traits_of

CLOSED = {"type": "object", "additionalProperties": False}
PLAIN = Traits(free_form=False, beyond_types=False)


@pytest.mark.parametrize(
    "schema",
    [
        {**CLOSED, "properties": {"a": {"type": "string", "pattern": "^a$"}, "default": {"type": "integer"}}},
        {**CLOSED, "properties": {"a": {"oneOf": [{"type": "string"}, {"type": "null"}]}}},
        {**CLOSED, "properties": {"a": {"type": "array", "items": {"type": ["string", "null"], "format": "date"}}}},
        {"$ref": "#/$defs/A", "$defs": {"A": CLOSED}},
        {"type": "object", "additionalProperties": {"type": "string"}, "example": {"default": 1, "not": 2}},
    ],
)
def test_schema_that_types_carry_asks_for_nothing(schema: dict[str, Any]) -> None:
    assert traits_of(schema) == PLAIN


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {}},
        {"type": ["object", "null"], "additionalProperties": True},
        {**CLOSED, "properties": {"a": {"description": "Anything."}}},
        {"$ref": "#/$defs/A", "$defs": {"A": {**CLOSED, "properties": {"a": {"$ref": "#/$defs/A"}}}}},
        {
            "$ref": "#/$defs/A",
            "$defs": {
                "A": {"type": "array", "items": {"$ref": "#/$defs/B"}},
                "B": {"type": "array", "items": {"$ref": "#/$defs/C"}},
                "C": {"oneOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]},
            },
        },
    ],
)
def test_schema_that_nests_without_end_is_free_form(schema: dict[str, Any]) -> None:
    assert traits_of(schema).free_form


def test_default_is_seen_at_any_depth() -> None:
    inner = {**CLOSED, "properties": {"a": {"type": "string", "default": "x"}}}

    assert has_defaults({"type": "array", "items": inner})
    assert not has_defaults({**CLOSED, "properties": {"default": {"type": "string"}}})


@pytest.mark.parametrize(
    "schema",
    [
        {**CLOSED, "minProperties": 1},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "string", "format": "email"},
        {**CLOSED, "properties": {}, "if": {**CLOSED}},
    ],
)
def test_keyword_unknown_to_types_is_beyond_them(schema: dict[str, Any]) -> None:
    assert traits_of(schema).beyond_types
