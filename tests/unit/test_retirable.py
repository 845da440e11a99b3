"""What of a contract can go by itself: found in schemas of every shape, also in those that contain themselves."""

from typing import Any

import pytest

from gateway.contract import Document
from gateway.contract.retirable import names_in
from gateway.lifecycle.checking import Names

SCHEMAS: dict[str, Any] = {
    "Tree": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$Tree"}}},
    },
    "Both": {"allOf": [{"properties": {"a": {}}}, {"oneOf": [{"properties": {"b": {}}}, {"type": "null"}]}]},
    "Map": {"type": "object", "additionalProperties": {"properties": {"x/y~z": {}}}},
    "Closed": {"type": "object", "additionalProperties": False, "properties": {"kept": {}}},
    "List": {"type": "array", "items": {"anyOf": [{"properties": {"id": {}}}]}},
}
FIELDS = {
    "Tree": {"/name", "/children", "/children/*"},
    "Both": {"/a", "/b"},
    "Map": {"/*", "/*/x~1y~0z"},
    "Closed": {"/kept"},
    "List": {"/*", "/*/id"},
}


def names_of(schema: str) -> Names:
    """Return what can go of an operation that takes and answers the schema."""
    schemas = {name: _pointing(body) for name, body in SCHEMAS.items()}
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    operation = {
        "operationId": "do",
        "parameters": [
            {"name": "page", "in": "query", "schema": {"type": "string"}},
            {"name": "If-Match", "in": "header", "schema": {"type": "string"}},
        ],
        "requestBody": {"content": content},
        "responses": {"200": {"content": content}, "204": {}, "404": {"content": {"application/json": {"schema": {}}}}},
    }
    root = {"paths": {"/things": {"post": operation}}, "components": {"schemas": schemas}}
    return names_in(Document("process/things/v1", root))["do"]


def _pointing(node: Any) -> Any:  # noqa: ANN401 - a node of a schema.
    if isinstance(node, dict):
        return {key: _pointing(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_pointing(item) for item in node]
    return node.replace("#/$", "#/components/schemas/") if isinstance(node, str) else node


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_field_is_found_in_requests_and_answers(schema: str) -> None:
    names = names_of(schema)

    assert names == Names(
        request=frozenset(FIELDS[schema]), response=frozenset(FIELDS[schema]), query=frozenset({"page"})
    )


@pytest.mark.parametrize(
    ("schema", "needed"),
    [
        ({"required": ["a"], "properties": {"a": {"required": ["b"]}, "c": {"required": ["d"]}}}, {"/a", "/a/b"}),
        ({"allOf": [{"required": ["a"]}, {"required": ["b/c"]}]}, {"/a", "/b~1c"}),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, set()),
        ({"required": ["a"], "properties": {"a": {"type": ["object", "null"], "required": ["b"]}}}, {"/a"}),
        ({"required": ["a"], "properties": {"a": {"minItems": 1, "items": {"required": ["b"]}}}}, {"/a", "/a/*/b"}),
        ({"required": ["a"], "properties": {"a": {"items": {"required": ["b"]}}}}, {"/a"}),
        ({"required": ["next"], "properties": {"next": {"$ref": "#/$Needed"}}}, {"/next"}),
    ],
    ids=["nested", "parts", "forms", "null", "items", "perhaps no items", "itself"],
)
def test_what_no_call_can_be_without_is_known(
    schema: Any,  # noqa: ANN401 - any schema.
    needed: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SCHEMAS, "Needed", schema)

    assert names_of("Needed").needed == needed


def test_fields_of_a_contract_that_ships_are_found_through_its_references() -> None:
    names = names_in(Document("process/billing_holds/v1"))

    assert {"/scope/type", "/review_date", "/note"} <= names["place_hold"].request
    assert {"/scope", "/scope/type"} <= names["place_hold"].needed
    assert "/note" not in names["place_hold"].needed
    assert "/items/*/id" in names["list_holds"].response
    assert {"cursor", "limit"} <= names["list_holds"].query
    assert not names["get_hold"].request
