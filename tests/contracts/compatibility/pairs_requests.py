"""Pairs that differ in what is sent: it must go on being accepted."""

from typing import Final

from gateway.contract.compatibility import Kind
from tests.contracts.compatibility.base import Node, json_of, ref
from tests.contracts.compatibility.edits import BREAKS, SAFE, Pair, add, drop, field, move, pair, put, take

POST, PATCH, LIST = "paths /holds post", "paths /holds/{hold_id} patch", "paths /holds get"
BODY = f"{POST} requestBody"
NOTE, PRIORITY, SHARE, LINES = (field(f"NewHold.{name}") for name in ("note", "priority", "share", "lines"))
LABELS, LIFT, LIMIT, UNTIL = (field(f"NewHold.{name}") for name in ("labels", "lift", "limit", "until"))
REQUIRED, PROPERTIES = "components schemas NewHold required", "components schemas NewHold properties"
TEXT = {"type": "string", "maxLength": 9}
BOTH = {"required": ["reason"], "properties": {"reason": {"type": "string"}}}
ANY = field("NewHold.any")
"""A field that the base does not have: a pair puts it into both."""
DECISION = "components schemas Decision"
"""A schema that no operation names: it is sent by way of another contract."""
DECIDED = {"type": "object", "additionalProperties": False, "properties": {"note": TEXT, "cancel": {"type": "boolean"}}}
SAID = {
    "type": ["string", "null"],
    "title": "N",
    "minLength": 1,
    "maxLength": 400,
    "pattern": "^[^<]+$",
    "readOnly": False,
}
OPEN = {"type": "object", "title": "F", "additionalProperties": True}
LOOSE = {"type": "array", "title": "L", "minItems": 1, "maxItems": 100, "uniqueItems": False, "items": ref("Line")}
NIL = {"oneOf": [ref("Money"), {"enum": [None]}]}
ONES = {"enum": [1]}
TWICE = {"oneOf": [ref("ByDay"), ref("ByHand")], "anyOf": [{"required": ["on"]}, {"required": ["by"]}]}


def parts(**properties: Node) -> Node:
    """Return an object in two parts, which cannot be merged."""
    return {"allOf": [{"additionalProperties": False, "properties": properties}, {"required": ["by"]}]}


def form(kind: str, longest: int) -> Node:
    """Return a form of an object that has no name."""
    properties = {"kind": {"const": kind}, "text": {"type": "string", "maxLength": longest}}
    return {"type": "object", "properties": properties}


BODIES: Final[list[Pair]] = [
    pair("a body is new", SAFE, Kind.body_added, put(f"{LIST} requestBody", {"content": json_of(ref("Scope"))})),
    pair("a required body is new", BREAKS, Kind.body_required_added, put(f"{LIST} requestBody", {"required": True})),
    pair("the body is gone", BREAKS, Kind.body_removed, drop(BODY)),
    pair("the body is required", BREAKS, Kind.body_required, put(f"{PATCH} requestBody required", True)),
    pair("the body may be left out", SAFE, Kind.body_optional, put(f"{BODY} required", False)),
    pair("a decision is new", SAFE, Kind.body_added, put(DECISION, DECIDED)),
    pair("a decision is gone", BREAKS, Kind.body_removed, drop(DECISION), first=(put(DECISION, DECIDED),)),
    pair(
        "a field of a decision is new",
        SAFE,
        Kind.request_property_added,
        put(f"{DECISION} properties accept", {"type": "boolean"}),
        first=(put(DECISION, DECIDED),),
    ),
    pair(
        "a field of a decision is gone",
        BREAKS,
        Kind.request_property_removed,
        drop(f"{DECISION} properties cancel"),
        first=(put(DECISION, DECIDED),),
    ),
    pair(
        "a decision is named by an operation",
        SAFE,
        Kind.body_added,
        put(f"{LIST} requestBody", {"content": json_of(ref("Decision"))}),
        first=(put(DECISION, DECIDED),),
    ),
    pair("a smaller body", BREAKS, Kind.body_size_lowered, put(f"{POST} x-max-body-bytes", 1024)),
    pair("a larger body", SAFE, Kind.body_size_raised, put(f"{POST} x-max-body-bytes", 131072)),
    pair("a limit of bytes", BREAKS, Kind.body_size_lowered, put(f"{PATCH} x-max-body-bytes", 100)),
    pair("a media type is gone", BREAKS, Kind.request_media_type_removed, drop(f"{BODY} content application/json")),
    pair("a media type is new", SAFE, Kind.request_media_type_added, put(f"{BODY} content text/csv", {"schema": {}})),
    pair(
        "another example", SAFE, Kind.request_words_changed, put(f"{BODY} content application/json example", {"a": 1})
    ),
    pair("another description of the body", SAFE, Kind.request_words_changed, put(f"{BODY} description", "A hold.")),
    pair(
        "an encoding", BREAKS, Kind.request_keyword_changed, put(f"{BODY} content application/json encoding", {"a": {}})
    ),
]

FIELDS: Final[list[Pair]] = [
    pair("a field is new", SAFE, Kind.request_property_added, put(f"{PROPERTIES} by", TEXT)),
    pair(
        "a required field is new",
        BREAKS,
        Kind.request_property_required_added,
        put(f"{PROPERTIES} by", TEXT),
        add(REQUIRED, "by"),
    ),
    pair("a field is gone", BREAKS, Kind.request_property_removed, drop(NOTE)),
    pair(
        "a required field is gone",
        BREAKS,
        Kind.request_property_removed,
        drop(f"{PROPERTIES} reason"),
        take(REQUIRED, "reason"),
    ),
    pair("a field called otherwise", BREAKS, Kind.request_property_removed, move(NOTE, "remark")),
    pair("a field is required now", BREAKS, Kind.request_property_required, add(REQUIRED, "until")),
    pair("a field may be left out", SAFE, Kind.request_property_optional, take(REQUIRED, "reason")),
    pair(
        "required in another order",
        SAFE,
        Kind.request_words_changed,
        put(REQUIRED, ["reason", "scope"]),
        put(f"{NOTE} title", "N"),
    ),
    pair("a field of a field is gone", BREAKS, Kind.request_property_removed, drop(field("Scope.id"))),
    pair(
        "a field of an item is required",
        BREAKS,
        Kind.request_property_required,
        add("components schemas Line required", "parts"),
    ),
    pair(
        "a field in all parts is new",
        SAFE,
        Kind.request_property_added,
        put(field("HoldChange allOf 0 properties by"), TEXT),
    ),
    pair(
        "a part asks for a field",
        BREAKS,
        Kind.request_property_required,
        add("components schemas HoldChange allOf 1 required", "reason"),
    ),
    pair(
        "one more part asks", BREAKS, Kind.request_property_required, add("components schemas HoldChange allOf", BOTH)
    ),
    pair(
        "others are refused", BREAKS, Kind.request_object_closed, put(field("NewHold.free additionalProperties"), False)
    ),
    pair(
        "others are of one form",
        BREAKS,
        Kind.request_object_closed,
        put(field("NewHold.free additionalProperties"), TEXT),
    ),
    pair("others are taken", SAFE, Kind.request_object_opened, drop("components schemas NewHold additionalProperties")),
    pair("others of any form", SAFE, Kind.request_object_opened, put(f"{LABELS} additionalProperties", True)),
    pair("others no longer", BREAKS, Kind.request_object_closed, put(f"{LABELS} additionalProperties", False)),
    pair(
        "shorter values of a map",
        BREAKS,
        Kind.request_rule_narrowed,
        put(f"{LABELS} additionalProperties maxLength", 9),
    ),
    pair(
        "longer values of a map", SAFE, Kind.request_rule_widened, put(f"{LABELS} additionalProperties maxLength", 99)
    ),
    pair("fewer values in a map", BREAKS, Kind.request_rule_narrowed, put(f"{LABELS} maxProperties", 5)),
    pair("shorter names in a map", BREAKS, Kind.request_rule_narrowed, put(f"{LABELS} propertyNames maxLength", 5)),
    pair("longer names in a map", SAFE, Kind.request_rule_widened, put(f"{LABELS} propertyNames maxLength", 50)),
    pair(
        "a number among a map of texts",
        BREAKS,
        Kind.request_type_narrowed,
        put(f"{LABELS} properties", {"a": {"type": "integer"}}),
    ),
    pair("names by pattern", BREAKS, Kind.request_keyword_changed, put(f"{LABELS} patternProperties", {"^a": {}})),
    pair(
        "a field depends on another",
        BREAKS,
        Kind.request_keyword_changed,
        put(field("NewHold dependentRequired"), {"note": ["until"]}),
    ),
    pair("a condition", BREAKS, Kind.request_keyword_changed, put(field("NewHold not"), {"required": ["note"]})),
    pair("only to read", BREAKS, Kind.request_keyword_changed, put(f"{NOTE} readOnly", True)),
    pair("described", SAFE, Kind.request_words_changed, put(f"{NOTE} description", "For colleagues.")),
    pair("a field is deprecated", SAFE, Kind.request_words_changed, put(f"{NOTE} deprecated", True)),
    pair(
        "a schema by another name",
        SAFE,
        Kind.request_words_changed,
        move("components schemas Scope", "Thing"),
        put(field("NewHold.scope"), {**ref("Thing"), "description": "What."}),
    ),
    pair(
        "a schema in its place",
        SAFE,
        Kind.request_words_changed,
        put(
            field("NewHold.scope"),
            {
                "type": "object",
                "title": "Scope",
                "additionalProperties": False,
                "required": ["id", "type"],
                "properties": {
                    "type": {"enum": ["customer", "project", "fact"]},
                    "id": {"type": "string", "minLength": 1, "maxLength": 40},
                },
            },
        ),
    ),
    pair(
        "a field called like a keyword is gone from a part",
        BREAKS,
        Kind.request_keyword_changed,
        put(ANY, parts(by=TEXT)),
        first=(put(ANY, parts(title=TEXT, by=TEXT)),),
    ),
    pair(
        "a field called like a keyword, shorter in a part",
        BREAKS,
        Kind.request_keyword_changed,
        put(ANY, parts(title={"type": "string", "maxLength": 3}, by=TEXT)),
        first=(put(ANY, parts(title=TEXT, by=TEXT)),),
    ),
    pair(
        "a title of a field of a part",
        SAFE,
        Kind.request_words_changed,
        put(ANY, {"title": "A", **parts(title={**TEXT, "title": "T"}, by=TEXT)}),
        first=(put(ANY, parts(title=TEXT, by=TEXT)),),
    ),
    pair(
        "a field called like a keyword depends on another",
        BREAKS,
        Kind.request_keyword_changed,
        put(field("NewHold dependentRequired"), {"description": ["note"]}),
        first=(put(field("NewHold dependentRequired"), {}),),
    ),
    pair(
        "a field is listed that had to be sent before",
        SAFE,
        Kind.request_property_added,
        put(f"{PROPERTIES} by", TEXT),
        first=(add(REQUIRED, "by"),),
    ),
    pair("not only to read, said", SAFE, Kind.request_words_changed, put(NOTE, SAID)),
    pair("at least three fields", BREAKS, Kind.request_rule_narrowed, put(field("NewHold minProperties"), 3)),
    pair("others are taken, said", SAFE, Kind.request_words_changed, put(field("NewHold.free"), OPEN)),
    pair(
        "others are no fields of a part",
        BREAKS,
        Kind.request_object_closed,
        put(field("NewHold.free unevaluatedProperties"), False),
    ),
    pair(
        "others are long enough",
        BREAKS,
        Kind.request_object_closed,
        put(field("NewHold.free additionalProperties"), {"minLength": 2}),
    ),
]

VALUES: Final[list[Pair]] = [
    pair("null no longer", BREAKS, Kind.request_null_removed, put(f"{NOTE} type", "string")),
    pair("null too", SAFE, Kind.request_null_added, put(f"{UNTIL} type", ["string", "null"])),
    pair(
        "null written otherwise",
        SAFE,
        Kind.request_words_changed,
        put(
            NOTE,
            {
                "title": "N",
                "anyOf": [{"type": "string", "minLength": 1, "maxLength": 400, "pattern": "^[^<]+$"}, {"type": "null"}],
            },
        ),
    ),
    pair("null no longer, of an object", BREAKS, Kind.request_null_removed, put(LIMIT, ref("Money"))),
    pair("numbers too", SAFE, Kind.request_type_widened, put(f"{PRIORITY} type", "number")),
    pair("whole numbers only", BREAKS, Kind.request_type_narrowed, put(f"{SHARE} type", "integer")),
    pair("text too", SAFE, Kind.request_type_widened, put(f"{PRIORITY} type", ["integer", "string"])),
    pair("text instead", BREAKS, Kind.request_type_narrowed, put(f"{PRIORITY} type", "string")),
    pair("anything", SAFE, Kind.request_type_widened, drop(f"{PRIORITY} type")),
    pair(
        "a list instead", BREAKS, Kind.request_type_narrowed, put(NOTE, {"type": "array", "items": {"type": "string"}})
    ),
    pair("a value more", SAFE, Kind.request_value_added, add(field("NewHold.reason enum"), "other")),
    pair("a value less", BREAKS, Kind.request_value_removed, take(field("NewHold.reason enum"), "credit")),
    pair("another value", BREAKS, Kind.request_value_removed, put(field("NewHold.reason enum"), ["dispute", "loan"])),
    pair(
        "values in another order",
        SAFE,
        Kind.request_words_changed,
        put(field("NewHold.reason"), {"type": "string", "title": "R", "enum": ["credit", "dispute"]}),
    ),
    pair("any value", SAFE, Kind.request_value_added, drop(field("NewHold.reason enum"))),
    pair("listed values only", BREAKS, Kind.request_value_removed, put(f"{NOTE} enum", ["a", "b", None])),
    pair("one value only", BREAKS, Kind.request_value_removed, put(field("NewHold.reason"), {"const": "dispute"})),
    pair(
        "a constant as a list of one",
        SAFE,
        Kind.request_words_changed,
        put(field("ByDay.kind"), {"enum": ["day"], "title": "K"}),
    ),
    pair("another constant", BREAKS, Kind.request_value_removed, put(field("ByDay.kind"), {"const": "date"})),
    pair("shorter", BREAKS, Kind.request_rule_narrowed, put(f"{NOTE} maxLength", 100)),
    pair("longer", SAFE, Kind.request_rule_widened, put(f"{NOTE} maxLength", 1000)),
    pair("as long as one likes", SAFE, Kind.request_rule_widened, drop(f"{NOTE} maxLength")),
    pair("a greatest length", BREAKS, Kind.request_rule_narrowed, put(f"{UNTIL} maxLength", 10)),
    pair("at least two", BREAKS, Kind.request_rule_narrowed, put(f"{NOTE} minLength", 2)),
    pair("may be empty", SAFE, Kind.request_rule_widened, drop(f"{NOTE} minLength")),
    pair(
        "no length said as none",
        SAFE,
        Kind.request_words_changed,
        put(UNTIL, {"type": "string", "format": "date", "minLength": 0, "title": "U"}),
    ),
    pair(
        "shorter and longer",
        BREAKS,
        Kind.request_rule_narrowed,
        put(f"{NOTE} maxLength", 100),
        drop(f"{NOTE} minLength"),
    ),
    pair("another pattern", BREAKS, Kind.request_rule_changed, put(f"{NOTE} pattern", "^[^>]+$")),
    pair("no pattern", SAFE, Kind.request_rule_widened, drop(f"{NOTE} pattern")),
    pair("a pattern is new", BREAKS, Kind.request_rule_narrowed, put(field("Line.id pattern"), "^[0-9]+$")),
    pair("a format is new", BREAKS, Kind.request_rule_narrowed, put(field("Line.id format"), "uuid")),
    pair("no format", SAFE, Kind.request_rule_widened, drop(f"{UNTIL} format")),
    pair("another format", BREAKS, Kind.request_rule_changed, put(f"{UNTIL} format", "date-time")),
    pair("a higher minimum", BREAKS, Kind.request_rule_narrowed, put(f"{PRIORITY} minimum", 2)),
    pair("a lower minimum", SAFE, Kind.request_rule_widened, put(f"{PRIORITY} minimum", 0)),
    pair("a lower maximum", BREAKS, Kind.request_rule_narrowed, put(f"{PRIORITY} maximum", 8)),
    pair("no maximum", SAFE, Kind.request_rule_widened, drop(f"{PRIORITY} maximum")),
    pair("zero too", SAFE, Kind.request_rule_widened, drop(f"{SHARE} exclusiveMinimum"), put(f"{SHARE} minimum", 0)),
    pair(
        "one not any more",
        BREAKS,
        Kind.request_rule_narrowed,
        drop(f"{PRIORITY} maximum"),
        put(f"{PRIORITY} exclusiveMaximum", 9),
    ),
    pair(
        "a whole minimum said otherwise",
        SAFE,
        Kind.request_words_changed,
        drop(f"{PRIORITY} minimum"),
        put(f"{PRIORITY} exclusiveMinimum", 0),
        put(f"{PRIORITY} title", "P"),
    ),
    pair("even numbers only", BREAKS, Kind.request_rule_narrowed, put(f"{PRIORITY} multipleOf", 2)),
    pair("halves too", SAFE, Kind.request_rule_widened, put(f"{PRIORITY} multipleOf", 0.5)),
    pair(
        "other steps",
        BREAKS,
        Kind.request_rule_changed,
        put(f"{PRIORITY} multipleOf", 3),
        first=(put(f"{PRIORITY} multipleOf", 2),),
    ),
    pair("no steps", SAFE, Kind.request_rule_widened, drop(f"{PRIORITY} multipleOf")),
    pair("another default", BREAKS, Kind.request_default_changed, put(f"{PRIORITY} default", 1)),
    pair("no default", BREAKS, Kind.request_default_changed, drop(f"{PRIORITY} default")),
    pair("fewer items", BREAKS, Kind.request_rule_narrowed, put(f"{LINES} maxItems", 50)),
    pair("more items", SAFE, Kind.request_rule_widened, put(f"{LINES} maxItems", 500)),
    pair("an empty list", SAFE, Kind.request_rule_widened, drop(f"{LINES} minItems")),
    pair("different items only", BREAKS, Kind.request_rule_narrowed, put(f"{LINES} uniqueItems", True)),
    pair("other items", BREAKS, Kind.request_type_narrowed, put(f"{LINES} items", {"type": "string"})),
    pair("any items", SAFE, Kind.request_type_widened, drop(f"{LINES} items")),
    pair("first items of their own", BREAKS, Kind.request_keyword_changed, put(f"{LINES} prefixItems", [{}])),
    pair("a rule within itself", BREAKS, Kind.request_rule_narrowed, put(field("Line.parts maxItems"), 5)),
    pair("a form more", SAFE, Kind.request_choice_added, add(f"{LIFT} oneOf", ref("ByCase"))),
    pair(
        "a form more, by its field",
        SAFE,
        Kind.request_choice_added,
        add(f"{LIFT} oneOf", ref("ByCase")),
        put(f"{LIFT} discriminator mapping case", "#/components/schemas/ByCase"),
    ),
    pair("a form less", BREAKS, Kind.request_choice_removed, drop(f"{LIFT} oneOf 0")),
    pair("a form with a rule", BREAKS, Kind.request_rule_narrowed, put(field("ByHand.by maxLength"), 5)),
    pair(
        "forms in another order",
        SAFE,
        Kind.request_words_changed,
        put(f"{LIFT} oneOf", [ref("ByHand"), ref("ByDay")]),
        put(f"{LIFT} title", "L"),
    ),
    pair("any of the forms", BREAKS, Kind.request_keyword_changed, move(f"{LIFT} oneOf", "anyOf")),
    pair(
        "told apart by another field",
        BREAKS,
        Kind.request_keyword_changed,
        put(f"{LIFT} discriminator propertyName", "on"),
    ),
    pair(
        "a name of another form",
        BREAKS,
        Kind.request_keyword_changed,
        put(f"{LIFT} discriminator mapping day", "#/components/schemas/ByHand"),
    ),
    pair(
        "a form beside the one there was",
        SAFE,
        Kind.request_choice_added,
        put(field("NewHold.scope"), {"oneOf": [ref("Scope"), ref("ByCase")]}),
    ),
    pair(
        "a form beside, and null",
        SAFE,
        Kind.request_choice_added,
        put(LIMIT, {"oneOf": [ref("Money"), ref("ByCase"), {"type": "null"}]}),
    ),
    pair(
        "forms beside fields",
        BREAKS,
        Kind.request_keyword_changed,
        put(field("Scope oneOf"), [{"required": ["id"]}, {"required": ["type"]}]),
    ),
    pair(
        "a field twice, with a rule",
        BREAKS,
        Kind.request_keyword_changed,
        add("components schemas HoldChange allOf", {"properties": {"reason": {"maxLength": 5}}}),
    ),
    pair("no items at all", BREAKS, Kind.request_keyword_changed, put(f"{LINES} items", False)),
    pair(
        "a form without a name, told apart by its constant",
        BREAKS,
        Kind.request_rule_narrowed,
        put(f"{LIFT} oneOf", [form("hand", 5), form("day", 9)]),
        first=(put(f"{LIFT} oneOf", [form("day", 9), form("hand", 9)]),),
    ),
    pair(
        "other forms altogether",
        BREAKS,
        Kind.request_choice_removed,
        put(f"{LIFT} oneOf", [form("a", 9), form("b", 9), form("c", 9)]),
    ),
    pair(
        "a rule where anything was taken",
        BREAKS,
        Kind.request_rule_narrowed,
        put(ANY, {"minLength": 3}),
        first=(put(ANY, {"title": "A"}),),
    ),
    pair("a field where anything was taken", BREAKS, Kind.request_rule_narrowed, put(ANY, BOTH), first=(put(ANY, {}),)),
    pair(
        "a condition where anything was taken",
        BREAKS,
        Kind.request_rule_narrowed,
        put(ANY, {"not": TEXT}),
        first=(put(ANY, {}),),
    ),
    pair(
        "forms where anything was taken",
        BREAKS,
        Kind.request_rule_narrowed,
        put(ANY, {"oneOf": [ref("ByDay"), ref("ByHand")]}),
        first=(put(ANY, True),),
    ),
    pair(
        "nothing where anything was taken", BREAKS, Kind.request_rule_narrowed, put(ANY, False), first=(put(ANY, {}),)
    ),
    pair("anything without a rule", SAFE, Kind.request_rule_widened, put(ANY, {}), first=(put(ANY, {"minLength": 3}),)),
    pair(
        "anything instead of forms",
        SAFE,
        Kind.request_rule_widened,
        put(ANY, {}),
        first=(put(ANY, {"oneOf": [ref("ByDay"), ref("ByHand")]}),),
    ),
    pair(
        "a rule for items of any kind",
        BREAKS,
        Kind.request_rule_narrowed,
        put(ANY, {"type": "array", "items": {"minLength": 3}}),
        first=(put(ANY, {"type": "array"}),),
    ),
    pair(
        "a form less where two keywords choose",
        BREAKS,
        Kind.request_keyword_changed,
        put(ANY, {**TWICE, "anyOf": [{"required": ["by"]}]}),
        first=(put(ANY, TWICE),),
    ),
    pair(
        "null only",
        BREAKS,
        Kind.request_type_narrowed,
        put(NOTE, {"anyOf": [{"type": "null"}]}),
    ),
    pair(
        "text where there was only null",
        SAFE,
        Kind.request_type_widened,
        put(ANY, {"type": ["string", "null"]}),
        first=(put(ANY, {"oneOf": [{"type": "null"}]}),),
    ),
    pair(
        "null no longer, as a value", BREAKS, Kind.request_null_removed, put(ANY, ref("Money")), first=(put(ANY, NIL),)
    ),
    pair(
        "true instead of one", BREAKS, Kind.request_type_narrowed, put(ANY, {"enum": [True]}), first=(put(ANY, ONES),)
    ),
    pair(
        "one no longer, beside true",
        BREAKS,
        Kind.request_value_removed,
        put(ANY, {"type": ["integer", "boolean"], "enum": [True]}),
        first=(put(ANY, {"type": ["integer", "boolean"], "enum": [1, True]}),),
    ),
    pair(
        "listed values beside a constant",
        BREAKS,
        Kind.request_type_narrowed,
        put(ANY, {"const": 1, "enum": ["a", None]}),
        first=(put(ANY, {"const": 1}),),
    ),
    pair("a length as a fraction", SAFE, Kind.request_words_changed, put(NOTE, {**SAID, "maxLength": 400.0})),
    pair("a share from a half on", BREAKS, Kind.request_rule_narrowed, put(f"{SHARE} minimum", 0.5)),
    pair("not only different items, said", SAFE, Kind.request_words_changed, put(LINES, LOOSE)),
    pair("written in base64", BREAKS, Kind.request_keyword_changed, put(f"{NOTE} contentEncoding", "base64")),
    pair(
        "a second name of a form is gone",
        BREAKS,
        Kind.request_keyword_changed,
        drop(f"{LIFT} discriminator mapping date"),
        first=(put(f"{LIFT} discriminator mapping date", "#/components/schemas/ByDay"),),
    ),
    pair(
        "a second name of a form",
        SAFE,
        Kind.request_words_changed,
        put(f"{LIFT} discriminator mapping date", "#/components/schemas/ByDay"),
        put(f"{LIFT} title", "L"),
    ),
    pair(
        "told apart by another field, where no form is listed",
        BREAKS,
        Kind.request_keyword_changed,
        put(ANY, {"type": "object", "discriminator": {"propertyName": "type"}}),
        first=(put(ANY, {"type": "object", "discriminator": {"propertyName": "kind"}}),),
    ),
]
