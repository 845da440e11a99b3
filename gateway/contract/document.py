"""One contract file, read: what it says of each operation, and its schemas with every reference followed."""

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from posixpath import join, normpath
from typing import Any

from gateway.json_pointer import unescaped
from gateway.yaml_text import NotYaml, loaded

METHODS = ("get", "post", "put", "patch", "delete")
PUBLISHED = ("openapi", "info", "security", "tags", "paths", "components")
SCHEMAS = "/components/schemas/"

Node = dict[str, Any]
Source = tuple[str, str]
"""Where something stands: the file below `openapi/`, and the JSON Pointer in it."""


def text_of(file: str) -> bytes:
    """Return a file below `openapi/` as it was written."""
    return files("openapi").joinpath(file).read_bytes()


@cache
def _read(file: str) -> Node:
    try:
        document: Node = _absolute(loaded(text_of(file).decode()), file)
    except NotYaml as error:
        raise NotYaml(f"openapi/{file}: {error}") from error
    return document


def _absolute(node: Any, file: str) -> Any:  # noqa: ANN401 - a node of YAML is anything.
    """Return the node with references that name their file, so that they can be followed from anywhere."""
    if isinstance(node, list):
        return [_absolute(item, file) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _absolute(value, file) for key, value in node.items()}
    if isinstance(node.get("$ref"), str):
        other, _, pointer = node["$ref"].partition("#")
        found["$ref"] = f"{normpath(join(file, '..', other)) if other else file}#{pointer}"
    return found


def digest_of(bundled: Node) -> str:
    """Return the digest of a bundled contract."""
    canonical = json.dumps(bundled, sort_keys=True, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def source_of(reference: str) -> Source:
    """Return where a reference leads."""
    file, _, pointer = reference.partition("#")
    return file, pointer


class Document:
    """A contract by its path without `.yaml`. The nodes it gives out are shared: nobody writes into them."""

    def __init__(self, contract: str, root: Node | None = None) -> None:
        self.contract, self.file = contract, f"{contract}.yaml"
        self.root: Node = _read(self.file) if root is None else _absolute(root, self.file)

    @property
    def info(self) -> Node:
        """Return title, version and description."""
        info: Node = self.root["info"]
        return info

    @property
    def digest(self) -> str:
        """Return what changes when the contract does: a hash of its whole content, comments and layout left out."""
        return digest_of(self.bundled("/"))

    def published(self) -> Node:
        """Return the contract as it is frozen when it is released: plain JSON, whose digest is the contract's."""
        node: Node = json.loads(json.dumps(self.bundled("/"), default=str))
        return node

    def operations(self) -> Iterator[tuple[str, str, Node]]:
        """Yield path, method and operation; the path's own parameters stand before the operation's."""
        for path, item in self.root.get("paths", {}).items():
            shared = item.get("parameters", [])
            for method in METHODS:
                if method in item:
                    yield path, method, item[method] | {"parameters": [*shared, *item[method].get("parameters", [])]}

    def at(self, source: Source) -> Node:
        """Return what stands there."""
        file, pointer = source
        node = self.root if file == self.file else _read(file)
        for part in pointer.strip("/").split("/"):
            node = node[unescaped(part)]
        return node

    def resolved(self, node: Node) -> Node:
        """Return the node that a reference leads to, or the node itself."""
        while "$ref" in node:
            node = self.at(source_of(node["$ref"]))
        return node

    def schema(self, node: Node) -> Node:
        """Return a schema that stands alone: what it refers to, in any file, lies below its `$defs`."""
        move = _Move(self, "#/$defs/")
        return {**move.moved(node), "$defs": move.schemas}

    def bundled(self, server: str) -> Node:
        """Return the contract as one document that is served at `server`."""
        move = _Move(self, f"#{SCHEMAS}")
        root = move.moved({key: self.root[key] for key in PUBLISHED if key in self.root})
        for name in root.get("components", {}).get("schemas", {}):  # Also what is sent by way of another contract.
            move.moved({"$ref": f"{self.file}#{SCHEMAS}{name}"})
        own = {name: move.schemas[name] for name in sorted(move.schemas)}
        return {**root, "servers": [{"url": server}], "components": {**root.get("components", {}), "schemas": own}}


class _Move:
    """Brings everything that nodes refer to into one document; each schema is moved once, under a name of its own."""

    def __init__(self, document: Document, prefix: str) -> None:
        self.schemas: dict[str, Node] = {}
        self._document, self._prefix, self._names = document, prefix, dict[Source, str]()

    def moved(self, node: Any) -> Any:  # noqa: ANN401 - a node of YAML is anything.
        """Return the node with its references into this document; what is no schema is put in their place."""
        if isinstance(node, list):
            return [self.moved(item) for item in node]
        if not isinstance(node, dict):
            return node
        beside = {key: self.moved(value) for key, value in node.items() if key != "$ref"}
        if not isinstance(node.get("$ref"), str):
            return beside
        source = source_of(node["$ref"])
        if source[1].startswith(SCHEMAS):
            return {"$ref": self._prefix + self._name(source), **beside}
        return {**self.moved(self._document.at(source)), **beside}

    def _name(self, source: Source) -> str:
        if source not in self._names:
            file, short = source[0].removesuffix(".yaml"), source[1].removeprefix(SCHEMAS)
            name = f"{file.replace('/', '_')}_{short}" if short in self.schemas else short
            self._names[source] = name
            self.schemas[name] = {}  # Taken before it is filled, for schemas that contain themselves.
            self.schemas[name] = self.moved(self._document.at(source))
        return self._names[source]
