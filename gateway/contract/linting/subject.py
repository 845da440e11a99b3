"""A contract as the rules look at it: operations, and every schema that a request or an answer leads to."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final, NamedTuple

from gateway.contract.document import SCHEMAS, Document, Node, source_of
from gateway.contract.schema_traits import LISTED, NAMED, SINGLE

SUCCESS: Final = "2"


class Operation(NamedTuple):
    """An operation with its parameters resolved."""

    path: str
    method: str
    node: Node
    parameters: tuple[Node, ...]
    body: Node | None
    answers: dict[str, Node]

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def id(self) -> str:
        """Return its operationId, or nothing."""
        return str(self.node.get("operationId", ""))

    @property
    def last(self) -> str:
        """Return the last part of its path."""
        return self.path.rsplit("/", 1)[-1]

    def has(self, parameter: str) -> bool:
        """Tell whether it takes a parameter."""
        return any(each.get("name") == parameter for each in self.parameters)

    def succeeds_with(self, *statuses: str) -> dict[str, Node]:
        """Return its answers with one of the statuses; without any named, those that are no refusals."""
        return {
            status: node
            for status, node in self.answers.items()
            if (status in statuses if statuses else status.startswith(SUCCESS))
        }


class Part(NamedTuple):
    """A schema, and where it stands."""

    place: str
    """`NewHold.note`; for what has no name of its own, where it is used: `POST /holds limit`."""
    name: str
    """Of the property or parameter; empty for a named schema itself."""
    schema: Node
    """With the reference followed."""
    is_named: bool
    """It is one of `components.schemas`."""


class Subject:
    """One contract."""

    def __init__(self, document: Document) -> None:
        self.document, self.root = document, document.root

    @property
    def contract(self) -> str:
        """Return its path without `.yaml`."""
        return self.document.contract

    @cached_property
    def operations(self) -> list[Operation]:
        """Return its operations."""
        return [self._operation(*found) for found in self.document.operations()]

    def _operation(self, path: str, method: str, node: Node) -> Operation:
        resolved = self.document.resolved
        return Operation(
            path=path,
            method=method,
            node=node,
            parameters=tuple(resolved(each) for each in node["parameters"]),
            body=resolved(node["requestBody"]) if "requestBody" in node else None,
            answers={str(status): resolved(each) for status, each in node.get("responses", {}).items()},
        )

    @cached_property
    def sent(self) -> list[Part]:
        """Return every schema of a request, each once."""
        roots = [
            (f"{operation} {each['name']}", each["name"], each["schema"])
            for operation in self.operations
            for each in operation.parameters
            if "schema" in each
        ]
        bodies = [(operation, operation.body) for operation in self.operations if operation.body]
        roots += [(f"{operation} body", "", schema) for operation, body in bodies for schema in schemas_of(body)]
        return list(self._walked(roots))

    @cached_property
    def answered(self) -> list[Part]:
        """Return every schema of an answer that is no refusal, each once."""
        return list(
            self._walked(
                [
                    (f"{operation} {status}", "", schema)
                    for operation in self.operations
                    for status, answer in operation.succeeds_with().items()
                    for schema in schemas_of(answer)
                ]
            )
        )

    @cached_property
    def parts(self) -> list[Part]:
        """Return the schemas of both, each once."""
        return list({part.place: part for part in [*self.sent, *self.answered]}.values())

    def schema_of(self, answer: Node) -> Node:
        """Return the resolved schema of an answer; an empty one where it has none."""
        return next((self.document.resolved(schema) for schema in schemas_of(answer)), {})

    def _walked(self, roots: list[tuple[str, str, Node]]) -> Iterator[Part]:
        seen: set[str] = set()
        for place, name, schema in roots:
            yield from self._walk(place, name, schema, seen)

    def _walk(self, place: str, name: str, schema: Any, seen: set[str]) -> Iterator[Part]:  # noqa: ANN401 - any JSON
        if not isinstance(schema, dict):
            return
        is_named = "$ref" in schema and source_of(schema["$ref"])[1].startswith(SCHEMAS)
        if is_named:
            place = source_of(schema["$ref"])[1].removeprefix(SCHEMAS)
        found = self.document.resolved(schema)
        if place in seen:
            return
        seen.add(place)
        yield Part(place, name, found, is_named)
        for key in NAMED:
            for below, each in found.get(key, {}).items():
                yield from self._walk(f"{place}.{below}", below, each, seen)
        for key in SINGLE:
            yield from self._walk(f"{place}.{'[]' if key == 'items' else '*'}", name, found.get(key), seen)
        for key in LISTED:
            for number, each in enumerate(found.get(key, [])):
                yield from self._walk(f"{place}.{key}[{number}]", name, each, seen)


def schemas_of(carrier: Node) -> Iterator[Node]:
    """Yield the schema of each media type of a body or an answer."""
    yield from (media["schema"] for media in carrier.get("content", {}).values() if "schema" in media)


def kinds_of(schema: Node) -> set[str]:
    """Return the types that a schema names, null left out."""
    said = schema.get("type", [])
    return {said} - {"null"} if isinstance(said, str) else {*said} - {"null"}
