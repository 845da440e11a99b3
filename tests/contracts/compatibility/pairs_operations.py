"""Pairs that differ in operations, security and parameters, or in words alone."""

from typing import Final

from gateway.contract.compatibility import Kind
from tests.contracts.compatibility.base import ref
from tests.contracts.compatibility.edits import BREAKS, SAFE, Pair, add, drop, field, move, pair, put, take

LIST, POST = "paths /holds get", "paths /holds post"
ONE, HEALTH = "paths /holds/{hold_id}", "paths /health get"
SECURITY, SCHEMES = f"{LIST} security", "components securitySchemes"

OPERATIONS: Final[list[Pair]] = [
    pair("a path is gone", BREAKS, Kind.operation_removed, drop("paths /health")),
    pair("an operation is gone", BREAKS, Kind.operation_removed, drop(POST)),
    pair("a path is called otherwise", BREAKS, Kind.operation_removed, move("paths /holds", "/stops")),
    pair("another method", BREAKS, Kind.operation_removed, move(f"{ONE} patch", "put")),
    pair("a path is new", SAFE, Kind.operation_added, put("paths /stops", {"get": {"operationId": "list_stops"}})),
    pair("an operation is new", SAFE, Kind.operation_added, put(f"{ONE} delete", {"operationId": "drop_hold"})),
    pair("another operationId", BREAKS, Kind.operation_renamed, put(f"{LIST} operationId", "find_holds")),
    pair("no operationId", BREAKS, Kind.operation_renamed, drop(f"{LIST} operationId")),
    pair("deprecated", SAFE, Kind.operation_deprecated, put(f"{LIST} deprecated", True)),
    pair(
        "deprecated no longer",
        SAFE,
        Kind.operation_restored,
        drop(f"{LIST} deprecated"),
        first=(put(f"{LIST} deprecated", True),),
    ),
    pair("another summary", SAFE, Kind.operation_words_changed, put(f"{LIST} summary", "List")),
    pair("another description", SAFE, Kind.operation_words_changed, put(f"{LIST} description", "For all.")),
    pair("another tag", SAFE, Kind.operation_words_changed, put(f"{LIST} tags", ["stops"])),
    pair("another title", SAFE, Kind.contract_words_changed, put("info title", "Stops")),
    pair("another list of tags", SAFE, Kind.contract_words_changed, put("tags", [])),
    pair("a newer OpenAPI", SAFE, Kind.contract_words_changed, put("openapi", "3.1.1")),
    pair("webhooks", BREAKS, Kind.contract_keyword_changed, put("webhooks", {"told": {}})),
    pair("callbacks", BREAKS, Kind.operation_keyword_changed, put(f"{POST} callbacks", {"told": {}})),
    pair("an extension nobody knows", BREAKS, Kind.operation_keyword_changed, put(f"{POST} x-magic", 1)),
    pair("servers of a path", BREAKS, Kind.operation_keyword_changed, put(f"{ONE} servers", [{"url": "/b"}])),
    pair("a problem more", SAFE, Kind.operation_problem_added, add(f"{LIST} x-problems", "resource.not_found")),
    pair("a problem less", SAFE, Kind.operation_problem_removed, put(f"{LIST} x-problems", [])),
    pair("a scope more", BREAKS, Kind.operation_scope_added, put(SECURITY, [{"bearer": ["holds:read", "all:read"]}])),
    pair("a scope less", SAFE, Kind.operation_scope_removed, put(f"{POST} security", [{"bearer": ["holds:place"]}])),
    pair("another scope", BREAKS, Kind.operation_scope_added, put(SECURITY, [{"bearer": ["all:read"]}])),
    pair("a scope where there was none", BREAKS, Kind.operation_scope_added, put("security", [{"bearer": ["x:y"]}])),
    pair("a scope, for strangers", BREAKS, Kind.operation_closed, put(f"{HEALTH} security", [{"bearer": ["x:y"]}])),
    pair("open to strangers", SAFE, Kind.operation_opened, put(SECURITY, [])),
    pair("another scheme", BREAKS, Kind.operation_security_tightened, put(SECURITY, [{"key": []}])),
    pair(
        "a second scheme beside", BREAKS, Kind.operation_security_tightened, put(SECURITY, [{"bearer": [], "key": []}])
    ),
    pair("one more way", SAFE, Kind.operation_security_loosened, add(SECURITY, {"key": []})),
    pair(
        "one way less",
        BREAKS,
        Kind.operation_security_tightened,
        take(SECURITY, {"key": []}),
        first=(add(SECURITY, {"key": []}),),
    ),
    pair("a further scope", SAFE, Kind.operation_further_scope_added, add(f"{POST} x-further-scopes", "holds:all")),
    pair("no further scope", BREAKS, Kind.operation_further_scope_removed, drop(f"{POST} x-further-scopes")),
    pair("a scheme of another kind", BREAKS, Kind.contract_scheme_changed, put(f"{SCHEMES} bearer scheme", "basic")),
    pair("a scheme is gone", BREAKS, Kind.contract_scheme_changed, drop(f"{SCHEMES} bearer")),
    pair(
        "strangers no longer, beside others",
        BREAKS,
        Kind.operation_closed,
        put(SECURITY, [{"bearer": ["holds:read"]}]),
        first=(put(SECURITY, [{}, {"bearer": ["holds:read"]}]),),
    ),
    pair(
        "a scope more in one of two ways",
        BREAKS,
        Kind.operation_security_tightened,
        put(SECURITY, [{"bearer": ["all:read"]}, {"key": []}]),
    ),
    pair(
        "a link to another server",
        BREAKS,
        Kind.link_changed,
        put(f"{POST} responses 202 links location server", {"url": "/b"}),
    ),
]

QUERY = f"{LIST} parameters"
PROJECT = {"name": "project", "in": "query", "required": True}
FORM = {"style": "form", "explode": True, "allowReserved": False, "allowEmptyValue": False}
PARAMETERS: Final[list[Pair]] = [
    pair("a parameter is gone", BREAKS, Kind.parameter_removed, drop(f"{QUERY} 0")),
    pair("a parameter is new", SAFE, Kind.parameter_added, add(QUERY, {"name": "by", "in": "query", "schema": {}})),
    pair(
        "a required parameter is new",
        BREAKS,
        Kind.parameter_required_added,
        add(QUERY, {"name": "by", "in": "query", "required": True, "schema": {}}),
    ),
    pair("another name", BREAKS, Kind.parameter_removed, put(f"{QUERY} 0 name", "standing")),
    pair("another case in the query", BREAKS, Kind.parameter_removed, put(f"{QUERY} 0 name", "State")),
    pair("in the header instead", BREAKS, Kind.parameter_removed, put(f"{QUERY} 0 in", "header")),
    pair("required now", BREAKS, Kind.parameter_required, put(f"{QUERY} 0 required", True)),
    pair("required no longer", SAFE, Kind.parameter_optional, put(f"{QUERY} 2 required", False)),
    pair("Idempotency-Key required", BREAKS, Kind.parameter_required, put(f"{POST} parameters 0 required", True)),
    pair("no Idempotency-Key", BREAKS, Kind.parameter_removed, drop(f"{POST} parameters 0")),
    pair("a lower maximum", BREAKS, Kind.request_rule_narrowed, put(f"{QUERY} 1 schema maximum", 50)),
    pair("a higher maximum", SAFE, Kind.request_rule_widened, put(f"{QUERY} 1 schema maximum", 200)),
    pair("a pattern", BREAKS, Kind.request_rule_narrowed, put(f"{QUERY} 2 schema pattern", "^p")),
    pair("text where there were numbers", BREAKS, Kind.request_type_narrowed, put(f"{QUERY} 1 schema type", "string")),
    pair("a default", SAFE, Kind.request_default_added, put(f"{QUERY} 1 schema default", 20)),
    pair("lists written otherwise", BREAKS, Kind.request_keyword_changed, put(f"{QUERY} 0 explode", False)),
    pair("a parameter described", SAFE, Kind.request_words_changed, put(f"{QUERY} 1 description", "How many.")),
    pair("a parameter with an example", SAFE, Kind.request_words_changed, put(f"{QUERY} 1 example", 5)),
    pair(
        "a part of the path called otherwise",
        BREAKS,
        Kind.parameter_renamed,
        put(f"{ONE} parameters 0 name", "id"),
        move(ONE, "/holds/{id}"),
    ),
    pair(
        "a rule for a part of the path",
        BREAKS,
        Kind.request_rule_narrowed,
        put(f"{ONE} parameters 0 schema maxLength", 9),
    ),
    pair("a value of a parameter less", BREAKS, Kind.request_value_removed, take(field("State enum"), "lifted")),
    pair(
        "a parameter by reference",
        SAFE,
        Kind.request_words_changed,
        put(f"{QUERY} 0", {"name": "state", "in": "query", "schema": {"allOf": [ref("State")]}}),
    ),
    pair(
        "as JSON in the query",
        BREAKS,
        Kind.request_keyword_changed,
        put(f"{QUERY} 2", {**PROJECT, "content": {"application/json": {"schema": {"type": "string"}}}}),
    ),
    pair(
        "written as it always was, said",
        SAFE,
        Kind.request_words_changed,
        put(f"{QUERY} 0", {"name": "state", "in": "query", "schema": ref("State"), **FORM}),
    ),
    pair("lists with spaces", BREAKS, Kind.request_keyword_changed, put(f"{QUERY} 0 style", "spaceDelimited")),
    pair(
        "a part of the path written otherwise",
        BREAKS,
        Kind.request_keyword_changed,
        put(f"{ONE} parameters 0 style", "label"),
    ),
    pair("in a cookie instead", BREAKS, Kind.parameter_removed, put(f"{QUERY} 0 in", "cookie")),
]
