"""The gate for breaking changes beside a validator: what passed and does not any more is never called harmless."""

from typing import Any, Final

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.compatibility import changes_between
from tests.contracts.compatibility.base import Node, json_of

Schema = Any
Pair = tuple[Schema, Schema]
VALUES: Final[list[Any]] = [
    *(None, True, False, 0, 1, 2, 1.5, "", "a", "b", "abc"),
    *([], [1], ["a"], [1, "a"], [None], [{}], [{"title": "a"}]),
    *({}, {"title": 1}, {"title": "a"}, {"title": None}, {"a": "b", "title": "abc"}, {"c": 1}, {"a": {"title": 1}}),
]
LEAVES: Final[list[Schema]] = [
    *({}, True, {"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "null"}, {"type": "boolean"}),
    *({"type": ["string", "null"]}, {"enum": ["a", "b"]}, {"enum": ["a", None]}, {"const": 1}, {"const": None}),
    *({"minLength": 2}, {"type": "string", "maxLength": 2}, {"minimum": 1}, {"pattern": "^a"}, {"not": {"minimum": 1}}),
    *({"type": "object", "additionalProperties": False}, {"const": 1, "enum": [1, True]}, {"required": ["title"]}),
]
"""Without `oneOf`: a form more takes values from another one there, which nobody means and no contract of ours has."""
OTHERS: Final[list[Schema]] = [False, True, {"type": "integer"}]
"""What objects may have besides."""


def both(children: Any, made: Any) -> Any:  # noqa: ANN401 - hypothesis' strategies
    """Return pairs of what is made of each half."""
    return st.tuples(*children).map(lambda drawn: tuple(made(*(pair[half] for pair in drawn)) for half in (0, 1)))


def halves(*choices: Schema) -> Any:  # noqa: ANN401
    """Return pairs of them, mostly of one and the same."""
    chosen = st.sampled_from(choices)
    return chosen.map(lambda one: (one, one)) | st.tuples(chosen, chosen)


def an_object(title: Schema, inner: Schema, required: list[str], others: Schema) -> Node:
    return {
        "type": "object",
        "properties": {"title": title, "a": inner},
        "required": required,
        "additionalProperties": others,
    }


def around(inner: Any) -> Any:  # noqa: ANN401
    """Return pairs of larger schemas."""
    required, others = halves([], ["title"], ["c"]), halves(*OTHERS)
    keyword = st.sampled_from(["anyOf", "allOf"])
    forms = keyword.flatmap(lambda key: both([inner, inner], lambda *of: {key: [*of]}))
    twice = both([inner, inner, inner], lambda one, *of: {"oneOf": [one], "anyOf": [*of]})
    lists = both([inner], lambda of: {"type": "array", "items": of})
    return both([inner, inner, required, others], an_object) | forms | twice | lists


PAIRS: Final = st.recursive(halves(*LEAVES), around, max_leaves=6)


def sent(schema: Schema) -> Node:
    return document({"requestBody": {"content": json_of(schema)}, "responses": {}})


def answered(schema: Schema) -> Node:
    return document({"responses": {"200": {"description": "It.", "content": json_of(schema)}}})


def document(operation: Node) -> Node:
    return {"openapi": "3.1.0", "info": {"version": "1"}, "paths": {"/x": {"post": {"operationId": "x", **operation}}}}


def lost(before: Schema, after: Schema) -> list[Any]:
    """Return the values that pass before, and not after."""
    old, new = (jsonschema_rs.Draft202012Validator(schema) for schema in (before, after))
    return [value for value in VALUES if old.is_valid(value) and not new.is_valid(value)]


@settings(deadline=None, max_examples=120)
@given(PAIRS)
def test_what_was_taken_and_is_refused_breaks(pair: Pair) -> None:
    old, new = pair
    changes = changes_between(sent(old), sent(new))

    assert any(change.breaking for change in changes) or not lost(old, new)


@settings(deadline=None, max_examples=120)
@given(PAIRS)
def test_what_was_never_answered_and_may_be_now_breaks(pair: Pair) -> None:
    old, new = pair
    changes = changes_between(answered(old), answered(new))

    assert any(change.breaking for change in changes) or not lost(new, old)


@settings(deadline=None, max_examples=40)
@given(PAIRS)
def test_schema_beside_itself_has_no_change(pair: Pair) -> None:
    assert changes_between(sent(pair[0]), sent(pair[0])) == []
