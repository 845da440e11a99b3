"""A contract as one document: everything it refers to lies in it, once, under a name of its own."""

import json
from typing import Any

import jsonschema_rs
import pytest

from gateway.contract import Document
from gateway.lifecycle import load

CONTRACTS = sorted(load())


def references(node: Any) -> set[str]:  # noqa: ANN401 - a node of YAML.
    if isinstance(node, list):
        return set().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return own.union(*map(references, node.values()))


@pytest.mark.parametrize("contract", CONTRACTS)
def test_bundled_contract_refers_to_nothing_outside(contract: str) -> None:
    bundled = Document(contract).bundled("/here")

    names = {reference.removeprefix("#/components/schemas/") for reference in references(bundled)}
    own = Document(contract).root.get("components", {}).get("schemas", {})
    assert names | own.keys() <= bundled["components"]["schemas"].keys()
    assert bundled["servers"] == [{"url": "/here"}]
    assert not {key for key in bundled if key.startswith("x-")}
    assert json.dumps(bundled)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_examples_follow_their_schemas(contract: str) -> None:
    document = Document(contract)

    for _, _, operation in document.operations():
        contents = [document.resolved(node).get("content", {}) for node in operation["responses"].values()]
        if "requestBody" in operation:
            contents.append(operation["requestBody"]["content"])
        for content in contents:
            for media in content.values():
                schema = document.schema(media["schema"])
                for example in [media["example"]] if "example" in media else []:
                    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(example)
        for parameter in map(document.resolved, operation["parameters"]):
            if "example" in parameter:
                jsonschema_rs.Draft202012Validator(document.schema(parameter["schema"])).validate(parameter["example"])


def test_schemas_of_one_name_in_two_files_stay_two() -> None:
    schemas = {"Money": {"type": "string"}}
    paths = {
        "a": {"$ref": "#/components/schemas/Money"},
        "b": {"$ref": "../../common/types.yaml#/components/schemas/Money"},
    }
    document = Document("process/sample/v1", {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}})

    bundled = document.bundled("/")

    assert bundled["paths"]["a"] == {"$ref": "#/components/schemas/Money"}
    assert bundled["paths"]["b"] == {"$ref": "#/components/schemas/common_types_Money"}
    assert bundled["components"]["schemas"]["Money"] == {"type": "string"}


def test_schema_that_contains_itself_is_moved_once() -> None:
    tree = {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}
    document = Document("process/sample/v1", {"components": {"schemas": {"Tree": tree}}})

    alone = document.schema({"$ref": "process/sample/v1.yaml#/components/schemas/Tree"})

    assert alone == {"$ref": "#/$defs/Tree", "$defs": {"Tree": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}


def test_reference_to_a_reference_is_followed_to_its_end() -> None:
    root = {
        "components": {
            "schemas": {
                "Mine": {"$ref": "../../system/erp/v1.yaml#/components/schemas/NewCustomer/properties/legal_entity"}
            }
        }
    }

    document = Document("process/sample/v1", root)

    resolved = document.resolved({"$ref": "process/sample/v1.yaml#/components/schemas/Mine"})

    assert resolved["pattern"] == "^[A-Z0-9][A-Z0-9_-]{0,19}$"


def test_name_with_a_slash_is_found_by_its_pointer() -> None:
    document = Document("process/sample/v1", {"paths": {"/a~b": {"get": {"operationId": "x"}}}})

    assert document.at((document.file, "/paths/~1a~0b/get")) == {"operationId": "x"}
