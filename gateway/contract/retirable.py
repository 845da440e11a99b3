"""What of a contract's operations can go before their version does: fields of bodies, and query parameters."""

from collections.abc import Iterator

from gateway.contract.document import Document, Node
from gateway.json_pointer import escaped
from gateway.lifecycle.checking import Names
from gateway.lifecycle.fields import EVERY

JSON = "application/json"


def names_in(document: Document) -> dict[str, Names]:
    """Return what can go of each operation, by its operationId."""
    return {operation["operationId"]: _names(document, operation) for _, _, operation in document.operations()}


def _names(document: Document, operation: Node) -> Names:
    parameters = [document.resolved(node) for node in operation["parameters"]]
    answers = [node for status, node in operation["responses"].items() if str(status).startswith("2")]
    return Names(
        public=bool(operation.get("x-public")),
        request=_fields(document, [operation.get("requestBody", {})]),
        response=_fields(document, answers),
        query=frozenset(node["name"] for node in parameters if node["in"] == "query"),
        needed=frozenset(_needed(document, parameters, _schemas(document, [operation.get("requestBody", {})]))),
    )


def _needed(document: Document, parameters: list[Node], bodies: list[Node]) -> Iterator[str]:
    yield from (node["name"] for node in parameters if node["in"] == "query" and node.get("required"))
    for body in bodies:
        yield from _needed_in(document, body, "", ())


def _needed_in(document: Document, schema: Node, at: str, under: tuple[str, ...]) -> Iterator[str]:
    """Yield what no value can be without: what is required of it, and of what is required of that."""
    schema, under = _followed(document, schema, under)
    if "null" in schema.get("type", ()):
        return
    for part in schema.get("allOf", ()):
        yield from _needed_in(document, part, at, under)
    for name in schema.get("required", ()):
        pointer = f"{at}/{escaped(name)}"
        yield pointer
        yield from _needed_in(document, schema.get("properties", {}).get(name, {}), pointer, under)
    if schema.get("minItems", 0) > 0:
        yield from _needed_in(document, schema.get("items", {}), f"{at}/{EVERY}", under)


def _followed(document: Document, schema: Node, under: tuple[str, ...]) -> tuple[Node, tuple[str, ...]]:
    """Return the schema that is referred to, and by what one got there; nothing of one that is gone into already."""
    reference = schema.get("$ref")
    if reference is None:
        return schema, under
    return ({} if reference in under else document.resolved(schema)), (*under, reference)


def _fields(document: Document, holders: list[Node]) -> frozenset[str]:
    """Return the pointers into the JSON bodies of all that hold one."""
    schemas = _schemas(document, holders)
    return frozenset(pointer for schema in schemas for pointer in _below(document, schema, "", ()))


def _schemas(document: Document, holders: list[Node]) -> list[Node]:
    found = [document.resolved(holder).get("content", {}).get(JSON, {}).get("schema") for holder in holders]
    return [schema for schema in found if schema]


def _below(document: Document, schema: Node, at: str, under: tuple[str, ...]) -> Iterator[str]:
    """Yield the pointer of each field below; a schema that contains itself is gone into once."""
    schema, under = _followed(document, schema, under)
    for each in (*schema.get("allOf", ()), *schema.get("oneOf", ()), *schema.get("anyOf", ())):
        yield from _below(document, each, at, under)
    for name, each in _inside(schema):
        pointer = f"{at}/{name}"
        yield pointer
        yield from _below(document, each, pointer, under)


def _inside(schema: Node) -> Iterator[tuple[str, Node]]:
    for name, each in schema.get("properties", {}).items():
        yield escaped(name), each
    for each in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(each, dict):
            yield EVERY, each
