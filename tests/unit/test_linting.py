"""Our rules for APIs: each is kept by our contracts, and each finds what is planted against it."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import yaml

from gateway.contract.document import Document
from gateway.contract.linting import RULES, findings_of
from gateway.lifecycle import load

Node = dict[str, Any]
CONTRACTS = sorted(load())
PROBLEM = {"$ref": "../../common/types.yaml#/components/responses/problem"}
REFUSALS = {str(status): PROBLEM for status in (400, 401, 403, 404, 406, 410, 414, 429, 431, 500, 503)}
TEXT = {"type": "string", "maxLength": 9}
CONTRACT: Node = yaml.safe_load("""
openapi: 3.1.0
info: {title: Holds, version: 1.0.0, description: What stops invoices.}
servers: [{url: /process/holds/v1}]
tags: [{name: holds, description: Holds.}]
paths:
  /holds:
    get:
      operationId: list_holds
      tags: [holds]
      summary: See what is held
      description: Called by finance.
      security: [{bearer: ["holds:read"]}]
      x-problems: [resource.not_found]
      parameters:
        - {$ref: "../../common/types.yaml#/components/parameters/limit"}
        - {$ref: "../../common/types.yaml#/components/parameters/cursor"}
      responses:
        "200":
          description: Holds.
          content: {application/json: {schema: {$ref: "#/components/schemas/Page"}, example: {}}}
    post:
      operationId: place_hold
      tags: [holds]
      summary: Stop invoices
      description: Called by a CRM.
      security: [{bearer: ["holds:place"]}]
      x-problems: [resource.not_found]
      parameters: [{$ref: "../../common/types.yaml#/components/parameters/idempotency_key"}]
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/NewHold"}, example: {}}}
      responses:
        "201":
          description: The hold.
          content: {application/json: {schema: {$ref: "#/components/schemas/Hold"}, example: {}}}
          links: {location: {operationId: get_hold}}
  /holds/{hold_id}:
    get:
      operationId: get_hold
      tags: [holds]
      summary: See a hold
      description: Called by finance.
      security: [{bearer: ["holds:read"]}]
      x-problems: [resource.not_found]
      parameters:
        - {name: hold_id, in: path, required: true, description: Its id., schema: {type: string, maxLength: 40}}
      responses:
        "200":
          description: The hold.
          headers: {ETag: {schema: {type: string}}}
          content: {application/json: {schema: {$ref: "#/components/schemas/Hold"}, example: {}}}
components:
  schemas:
    NewHold:
      type: object
      additionalProperties: false
      required: [reason]
      properties:
        reason: {type: string, enum: [dispute, credit]}
        note: {type: string, pattern: "^[a-z]{1,9}$"}
        until: {type: string, format: date}
        lines: {type: array, maxItems: 9, items: {type: integer, minimum: 1, maximum: 9}}
    Hold:
      type: object
      required: [id, version, placed_at, price]
      properties:
        id: {type: string}
        version: {type: integer}
        placed_at: {type: string, format: date-time}
        price: {$ref: "../../common/types.yaml#/components/schemas/Money"}
    Page:
      type: object
      required: [items, next_cursor]
      properties:
        items: {type: array, items: {$ref: "#/components/schemas/Hold"}}
        next_cursor: {type: [string, "null"]}
""")


def good() -> Node:
    contract = deepcopy(CONTRACT)
    for item in contract["paths"].values():
        for operation in item.values():
            operation["responses"] |= REFUSALS
    return contract


def found(contract: Node) -> set[str]:
    return {finding.rule for finding in findings_of(Document("process/holds/v1", contract))}


def put(*steps: Any) -> Callable[[Node], None]:  # noqa: ANN401 - names, and at the end a value
    """Return what writes a value, the last of the steps; None takes out what is there."""

    def plant(contract: Node) -> None:
        *way, key, value = steps
        for step in way:
            contract = contract[step]
        if value is None:
            del contract[key]
        else:
            contract[key] = value

    return plant


LIST, POST, GET = (("paths", *way) for way in (("/holds", "get"), ("/holds", "post"), ("/holds/{hold_id}", "get")))
NEW, HOLD = (("components", "schemas", name, "properties") for name in ("NewHold", "Hold"))
BODY = (*POST, "requestBody", "content", "application/json")
PLANTED: list[tuple[str, Callable[[Node], None]]] = [
    ("path.kebab_case", put("paths", "/my_things", {})),
    ("path.kebab_case", put("paths", "/holds/{holdId}", {})),
    ("path.plural", put("paths", "/stop/{stop_id}", {})),
    ("path.no_verb", put("paths", "/create", {"post": CONTRACT["paths"]["/holds"]["post"]})),
    ("path.version", put("info", "version", "2.0.0")),
    ("path.version", put("servers", [{"url": "/holds"}])),
    ("operation.id", put(*LIST, "operationId", "holds")),
    ("operation.id", put(*LIST, "operationId", "drop_holds")),
    ("operation.id", put(*LIST, "operationId", "get_hold")),
    ("operation.tag", put(*LIST, "tags", ["stops"])),
    ("operation.tag", put("tags", [{"name": "holds", "description": "Held", "for now": None}])),
    ("operation.tag", put("tags", [*CONTRACT["tags"], {"name": "stops", "description": "Stops."}])),
    ("operation.described", put(*LIST, "description", None)),
    ("operation.described", put(*LIST, "summary", "See what is held.")),
    ("operation.parameters_described", put(*GET, "parameters", 0, "description", "")),
    ("operation.secured", put(*LIST, "security", [])),
    ("operation.no_body_to_read", put(*LIST, "requestBody", CONTRACT["paths"]["/holds"]["post"]["requestBody"])),
    ("operation.paged", put(*LIST, "parameters", [])),
    ("operation.paged", put("components", "schemas", "Page", "required", ["items"])),
    ("operation.located", put(*POST, "responses", "201", "links", None)),
    ("operation.keyed", put(*POST, "parameters", [])),
    ("operation.etag", put(*GET, "responses", "200", "headers", None)),
    ("operation.etag", put(*POST, "parameters", [{"$ref": "../../common/types.yaml#/components/parameters/if_match"}])),
    ("operation.refusals", put(*LIST, "responses", "429", None)),
    ("operation.refusals", put(*LIST, "responses", "503", {"description": "Away."})),
    ("operation.known_problems", put(*LIST, "x-problems", ["coffee.cold"])),
    ("operation.examples", put(*BODY, "example", None)),
    ("operation.json", put(*POST, "requestBody", "content", "text/csv", {"schema": TEXT})),
    ("operation.json", put(*POST, "requestBody", "content", {})),
    ("field.snake_case", put(*NEW, "reasonCode", TEXT)),
    ("field.snake_case", put(*GET, "parameters", 0, "name", "holdId")),
    ("field.time", put(*HOLD, "placed", {"type": "string", "format": "date-time"})),
    ("field.time", put(*HOLD, "placed_at", {"type": "string"})),
    ("field.money", put(*HOLD, "price", {"type": "integer"})),
    ("field.money", put(*HOLD, "amount", {"type": "string"})),
    ("field.no_float", put(*HOLD, "price", {"type": "number"})),
    ("request.closed", put("components", "schemas", "NewHold", "additionalProperties", None)),
    ("request.bounded_text", put(*NEW, "note", {"type": "string"})),
    ("request.bounded_text", put(*NEW, "note", {"type": "string", "pattern": "^[a-z]+$"})),
    ("request.bounded_list", put(*NEW, "lines", "maxItems", None)),
    ("request.bounded_number", put(*NEW, "lines", "items", {"type": "integer", "minimum": 0})),
    ("schema.anchored", put(*NEW, "note", {**TEXT, "pattern": "[a-z]"})),
    ("schema.typed_enum", put(*NEW, "reason", {"enum": ["a"]})),
    ("schema.typed_enum", put(*NEW, "reason", {"type": "string", "enum": ["a", "a"]})),
    ("schema.named", put(*HOLD, "scope", {"type": "object", "properties": {}})),
    ("schema.list_of", put(*NEW, "lines", {"type": "array", "maxItems": 1})),
    ("schema.required_exists", put("components", "schemas", "NewHold", "required", ["reasons"])),
    ("answer.complete", put("components", "schemas", "Hold", "required", ["id", "version", "placed_at"])),
    ("x-lint-allow", put("x-lint-allow", [{"rule": "field.money"}])),
    ("x-lint-allow", put("x-lint-allow", [{"rule": "field.money", "at": ["Hold"], "because": "It was so."}])),
]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_our_contracts_keep_every_rule(contract: str) -> None:
    assert findings_of(Document(contract)) == [], "Run `tiebeam lint`: it says how to mend each."


def test_contract_that_keeps_every_rule_has_no_finding() -> None:
    assert found(good()) == set()


@pytest.mark.parametrize(
    ("rule", "plant"), PLANTED, ids=[f"{rule} {number}" for number, (rule, _) in enumerate(PLANTED)]
)
def test_what_breaks_a_rule_is_found(rule: str, plant: Callable[[Node], None]) -> None:
    contract = good()
    plant(contract)

    assert rule in found(contract)


def test_every_rule_has_something_planted_and_says_how_to_mend_it() -> None:
    assert {rule.id for rule in RULES} <= {rule for rule, _ in PLANTED}
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.title and rule.mend.endswith(".") for rule in RULES)


def test_rule_is_left_aside_where_the_contract_says_so_and_only_there() -> None:
    contract = good()
    contract["components"]["schemas"]["NewHold"]["properties"] |= {"note": {"type": "string"}, "by": {"type": "string"}}
    allowed = {"rule": "request.bounded_text", "at": ["NewHold.n*"], "because": "It is stored as a file."}

    findings = findings_of(Document("process/holds/v1", contract | {"x-lint-allow": [allowed]}))

    assert [(each.rule, each.place) for each in findings] == [("request.bounded_text", "NewHold.by")]
