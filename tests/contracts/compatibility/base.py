"""The contract that the pairs start from: small, and with something of everything."""

from copy import deepcopy
from typing import Any

Node = dict[str, Any]


def ref(name: str) -> Node:
    return {"$ref": f"#/components/schemas/{name}"}


def json_of(schema: Node) -> Node:
    return {"application/json": {"schema": schema, "example": {}}}


PROBLEM = {"description": "Refused.", "content": {"application/problem+json": {"schema": ref("Problem")}}}
KEY = {"name": "Idempotency-Key", "in": "header", "description": "A fresh value.", "schema": {"type": "string"}}


def base() -> Node:
    """Return the contract, new each time: a pair changes it."""
    return deepcopy(_written())


def _written() -> Node:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Holds", "version": "1.0.0", "description": "What stops invoices."},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": "holds", "description": "Holds."}],
        "paths": {
            "/holds": {
                "get": {
                    "operationId": "list_holds",
                    "tags": ["holds"],
                    "summary": "See what is held",
                    "description": "Called by finance.",
                    "security": [{"bearer": ["holds:read"]}],
                    "x-problems": ["request.parameter_invalid"],
                    "parameters": [
                        {"name": "state", "in": "query", "description": "Only these.", "schema": ref("State")},
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
                        {"name": "project", "in": "query", "required": True, "schema": {"type": "string"}},
                    ],
                    "responses": {
                        "200": {"description": "Holds.", "content": json_of(ref("Page"))},
                        "400": PROBLEM,
                        "503": PROBLEM,
                    },
                },
                "post": {
                    "operationId": "place_hold",
                    "tags": ["holds"],
                    "summary": "Stop invoices",
                    "description": "Called by a CRM.",
                    "security": [{"bearer": ["holds:place", "holds:read"]}],
                    "x-further-scopes": ["holds:override"],
                    "x-problems": ["hold.scope_unknown"],
                    "x-max-body-bytes": 65536,
                    "parameters": [dict(KEY)],
                    "requestBody": {
                        "required": True,
                        "content": {
                            **json_of(ref("NewHold")),
                            "application/merge-patch+json": {"schema": ref("NewHold")},
                        },
                    },
                    "responses": {
                        "202": {
                            "description": "Accepted.",
                            "content": json_of(ref("Hold")),
                            "links": {
                                "location": {
                                    "operationId": "get_hold",
                                    "parameters": {"hold_id": "$response.body#/id"},
                                }
                            },
                        },
                        "400": PROBLEM,
                        "409": PROBLEM,
                    },
                },
            },
            "/holds/{hold_id}": {
                "parameters": [{"name": "hold_id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "get": {
                    "operationId": "get_hold",
                    "tags": ["holds"],
                    "summary": "See a hold",
                    "description": "Called by whoever placed it.",
                    "security": [{"bearer": ["holds:read"]}],
                    "x-problems": [],
                    "responses": {
                        "200": {
                            "description": "The hold.",
                            "headers": {"ETag": {"required": True, "schema": {"type": "string", "maxLength": 40}}},
                            "content": json_of(ref("Hold")),
                        },
                        "404": PROBLEM,
                    },
                },
                "patch": {
                    "operationId": "change_hold",
                    "summary": "Change a hold",
                    "description": "Called by whoever placed it.",
                    "x-problems": [],
                    "requestBody": {"content": json_of(ref("HoldChange"))},
                    "responses": {"200": {"description": "The hold.", "content": json_of(ref("Hold"))}},
                },
            },
            "/health": {
                "get": {
                    "operationId": "get_health",
                    "summary": "Ask for health",
                    "description": "Called by anybody.",
                    "security": [],
                    "x-public": True,
                    "x-problems": [],
                    "responses": {"204": {"description": "All is well."}},
                }
            },
        },
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}, "schemas": schemas()},
    }


def schemas() -> Node:
    """Return what is sent (NewHold, HoldChange, Scope) and what is answered (Page, Hold, Problem)."""
    return {
        "State": {"type": "string", "enum": ["active", "lifted"]},
        "Code": {"type": "string", "description": "Why."},
        "Money": {
            "type": "object",
            "additionalProperties": False,
            "required": ["amount", "currency"],
            "properties": {
                "amount": {"type": "string", "pattern": "^[0-9]+$"},
                "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            },
        },
        "Scope": {
            "type": "object",
            "additionalProperties": False,
            "required": ["type", "id"],
            "properties": {
                "type": {"type": "string", "enum": ["customer", "project", "fact"]},
                "id": {"type": "string", "minLength": 1, "maxLength": 40},
            },
        },
        "ByDay": {
            "type": "object",
            "additionalProperties": False,
            "required": ["kind", "on"],
            "properties": {"kind": {"const": "day"}, "on": {"type": "string", "format": "date"}},
        },
        "ByHand": {
            "type": "object",
            "additionalProperties": False,
            "required": ["kind"],
            "properties": {"kind": {"const": "hand"}, "by": {"type": "string", "maxLength": 40}},
        },
        "ByCase": {
            "type": "object",
            "additionalProperties": False,
            "required": ["kind"],
            "properties": {"kind": {"const": "case"}},
        },
        "NewHold": {
            "type": "object",
            "additionalProperties": False,
            "required": ["scope", "reason"],
            "properties": {
                "scope": ref("Scope"),
                "reason": {"type": "string", "enum": ["dispute", "credit"]},
                "note": {"type": ["string", "null"], "minLength": 1, "maxLength": 400, "pattern": "^[^<]+$"},
                "until": {"type": "string", "format": "date"},
                "priority": {"type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 1, "default": 5},
                "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                "limit": {"oneOf": [ref("Money"), {"type": "null"}]},
                "lines": {"type": "array", "minItems": 1, "maxItems": 100, "items": ref("Line")},
                "labels": {
                    "type": "object",
                    "maxProperties": 10,
                    "propertyNames": {"type": "string", "maxLength": 20},
                    "additionalProperties": {"type": "string", "maxLength": 40},
                },
                "lift": {
                    "oneOf": [ref("ByDay"), ref("ByHand")],
                    "discriminator": {
                        "propertyName": "kind",
                        "mapping": {"day": "#/components/schemas/ByDay", "hand": "#/components/schemas/ByHand"},
                    },
                },
                "free": {"type": "object"},
            },
        },
        "Line": {
            "type": "object",
            "additionalProperties": False,
            "required": ["id"],
            "properties": {
                "id": {"type": "string", "maxLength": 40},
                "parts": {"type": "array", "maxItems": 9, "items": ref("Line")},
            },
        },
        "HoldChange": {
            "allOf": [
                {"type": "object", "properties": {"reason": {"type": "string", "maxLength": 40}}},
                {"required": ["version"], "properties": {"version": {"type": "integer", "minimum": 1}}},
            ]
        },
        "Hold": {
            "type": "object",
            "description": "A hold.",
            "required": ["id", "state", "scope", "note", "placed_at", "events", "lifted", "cost", "facts"],
            "properties": {
                "id": {"type": "string", "pattern": "^hld_[0-9]+$", "maxLength": 30},
                "state": ref("State"),
                "scope": ref("Held"),
                "note": {"type": ["string", "null"], "description": "For colleagues."},
                "placed_at": {"type": "string", "format": "date-time"},
                "events": {"type": "array", "minItems": 1, "maxItems": 50, "items": ref("Event")},
                "lifted": {"oneOf": [ref("Lifted"), {"type": "null"}]},
                "cost": ref("Cost"),
                "facts": {"type": "object", "additionalProperties": {"type": "integer"}},
                "tries": {"type": "integer", "minimum": 0, "maximum": 5},
                "origin": {"anyOf": [ref("ByDay"), ref("ByHand")]},
                "version": {"type": "integer"},
            },
        },
        "Held": {
            "type": "object",
            "required": ["type", "id"],
            "properties": {"type": {"type": "string"}, "id": {"type": "string"}},
        },
        "Cost": {
            "type": "object",
            "additionalProperties": False,
            "required": ["amount"],
            "properties": {"amount": {"type": "string"}},
        },
        "Event": {
            "type": "object",
            "required": ["kind"],
            "properties": {"kind": {"type": "string", "enum": ["placed", "told"]}, "causes": ref("Events")},
        },
        "Events": {"type": "array", "items": ref("Event")},
        "Lifted": {"type": "object", "required": ["by"], "properties": {"by": {"type": "string"}}},
        "Page": {
            "type": "object",
            "required": ["items", "next_cursor"],
            "properties": {
                "items": {"type": "array", "items": ref("Hold")},
                "next_cursor": {"type": ["string", "null"]},
            },
        },
        "Problem": {
            "type": "object",
            "required": ["code", "status"],
            "properties": {"code": ref("Code"), "status": {"type": "integer"}, "detail": {"type": "string"}},
        },
    }
