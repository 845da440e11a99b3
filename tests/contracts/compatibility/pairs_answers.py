"""Pairs that differ in what is answered: it must go on being understood."""

from typing import Final

from gateway.contract.compatibility import Kind
from tests.contracts.compatibility.base import PROBLEM, json_of, ref
from tests.contracts.compatibility.edits import BREAKS, SAFE, Pair, add, drop, field, move, pair, put, take

POST, GET, LIST = "paths /holds post responses", "paths /holds/{hold_id} get responses", "paths /holds get responses"
ID, STATE, NOTE, TRIES = (field(f"Hold.{name}") for name in ("id", "state", "note", "tries"))
EVENTS, LIFTED, ORIGIN, FACTS = (field(f"Hold.{name}") for name in ("events", "lifted", "origin", "facts"))
REQUIRED, PROPERTIES = "components schemas Hold required", "components schemas Hold properties"
TEXT = {"type": "string"}
ANY = field("Hold.any")
"""A field that the base does not have: a pair puts it into both."""
TOLD = {"propertyName": "kind", "mapping": {"day": "#/components/schemas/ByDay", "hand": "#/components/schemas/ByHand"}}
WAITING = {**PROBLEM, "headers": {"Retry-After": {"schema": TEXT}}}

STATUSES: Final[list[Pair]] = [
    pair("another success", BREAKS, Kind.status_removed, move(f"{POST} 202", "201")),
    pair(
        "one more success",
        BREAKS,
        Kind.status_added,
        put(f"{POST} 200", {"description": "There.", "content": json_of(ref("Hold"))}),
    ),
    pair("an answer without a status", BREAKS, Kind.status_added, put(f"{POST} default", PROBLEM)),
    pair("a redirection", BREAKS, Kind.status_added, put(f"{GET} 303", {"description": "There."})),
    pair("not modified", SAFE, Kind.refusal_added, put(f"{GET} 304", {"description": "As it was."})),
    pair("a refusal more", SAFE, Kind.refusal_added, put(f"{POST} 422", PROBLEM)),
    pair("a refusal less", SAFE, Kind.refusal_removed, drop(f"{POST} 409")),
    pair("no body", BREAKS, Kind.answer_media_type_removed, drop(f"{GET} 200 content")),
    pair(
        "a body where there was none",
        SAFE,
        Kind.answer_media_type_added,
        put("paths /health get responses 204 content", json_of({})),
    ),
    pair(
        "another media type",
        BREAKS,
        Kind.answer_media_type_removed,
        move(f"{GET} 200 content application/json", "text/csv"),
    ),
    pair(
        "one more media type", SAFE, Kind.answer_media_type_added, put(f"{GET} 200 content text/csv", {"schema": TEXT})
    ),
    pair(
        "refusals of another form",
        BREAKS,
        Kind.answer_media_type_removed,
        put(f"{POST} 409 content", json_of(ref("Problem"))),
    ),
    pair("a header is gone", BREAKS, Kind.header_removed, drop(f"{GET} 200 headers ETag")),
    pair("a header is new", SAFE, Kind.header_added, put(f"{GET} 200 headers Age", {"schema": TEXT})),
    pair("a header not always", BREAKS, Kind.header_optional, put(f"{GET} 200 headers ETag required", False)),
    pair(
        "a header always",
        SAFE,
        Kind.header_required,
        put(f"{GET} 200 headers ETag required", True),
        first=(put(f"{GET} 200 headers ETag required", False),),
    ),
    pair(
        "a header in another case",
        SAFE,
        Kind.answer_words_changed,
        move(f"{GET} 200 headers ETag", "etag"),
        put(f"{GET} 200 description", "It."),
    ),
    pair("a longer header", BREAKS, Kind.answer_rule_widened, put(f"{GET} 200 headers ETag schema maxLength", 80)),
    pair("a shorter header", SAFE, Kind.answer_rule_narrowed, put(f"{GET} 200 headers ETag schema maxLength", 20)),
    pair("no link to where it is", BREAKS, Kind.link_removed, drop(f"{POST} 202 links location")),
    pair(
        "a link to something else", BREAKS, Kind.link_changed, put(f"{POST} 202 links location operationId", "get_stop")
    ),
    pair(
        "a link by another value",
        BREAKS,
        Kind.link_changed,
        put(f"{POST} 202 links location parameters hold_id", "$response.body#/key"),
    ),
    pair("a link is new", SAFE, Kind.link_added, put(f"{POST} 202 links status", {"operationId": "get_health"})),
    pair("an answer described", SAFE, Kind.answer_words_changed, put(f"{GET} 200 description", "It.")),
    pair(
        "an example of an answer",
        SAFE,
        Kind.answer_words_changed,
        put(f"{GET} 200 content application/json example", {"a": 1}),
    ),
    pair(
        "a header of a refusal is gone",
        BREAKS,
        Kind.header_removed,
        put(f"{POST} 409", PROBLEM),
        first=(put(f"{POST} 409", WAITING),),
    ),
    pair("a range of successes", BREAKS, Kind.status_removed, move(f"{GET} 200", "2XX")),
    pair("a range of refusals", SAFE, Kind.refusal_added, move(f"{POST} 409", "4XX")),
    pair("a header is deprecated", SAFE, Kind.answer_words_changed, put(f"{GET} 200 headers ETag deprecated", True)),
    pair(
        "a header as JSON",
        BREAKS,
        Kind.answer_type_widened,
        put(f"{GET} 200 headers ETag", {"required": True, "content": {"application/json": {"schema": TEXT}}}),
    ),
]

FIELDS: Final[list[Pair]] = [
    pair("a field is new", SAFE, Kind.answer_property_added, put(f"{PROPERTIES} by", TEXT)),
    pair(
        "a field is new, always there",
        SAFE,
        Kind.answer_property_added,
        put(f"{PROPERTIES} by", TEXT),
        add(REQUIRED, "by"),
    ),
    pair(
        "a field is new where no other was to come",
        BREAKS,
        Kind.answer_property_added_to_closed,
        put(field("Cost.currency"), TEXT),
    ),
    pair("a field is gone", BREAKS, Kind.answer_property_removed, drop(NOTE), take(REQUIRED, "note")),
    pair("a field that was not always there is gone", BREAKS, Kind.answer_property_removed, drop(TRIES)),
    pair("a field called otherwise", BREAKS, Kind.answer_property_removed, move(NOTE, "remark")),
    pair("a field not always there", BREAKS, Kind.answer_property_optional, take(REQUIRED, "note")),
    pair("a field always there", SAFE, Kind.answer_property_required, add(REQUIRED, "tries")),
    pair(
        "a field of an item is gone",
        BREAKS,
        Kind.answer_property_removed,
        drop(field("Event.kind")),
        put("components schemas Event required", []),
    ),
    pair(
        "no others any more",
        SAFE,
        Kind.answer_object_closed,
        put("components schemas Hold additionalProperties", False),
    ),
    pair("others too", BREAKS, Kind.answer_object_opened, drop("components schemas Cost additionalProperties")),
    pair("a map of any values", BREAKS, Kind.answer_object_opened, put(f"{FACTS} additionalProperties", True)),
    pair(
        "a map of other values", BREAKS, Kind.answer_type_widened, put(f"{FACTS} additionalProperties type", "string")
    ),
    pair("a text among a map of numbers", BREAKS, Kind.answer_type_widened, put(f"{FACTS} properties", {"a": TEXT})),
    pair("a page without a cursor", BREAKS, Kind.answer_property_removed, drop(field("Page.next_cursor"))),
    pair("a field of a problem is gone", BREAKS, Kind.answer_property_removed, drop(field("Problem.detail"))),
    pair(
        "a field of a problem is new",
        SAFE,
        Kind.answer_property_added,
        put(field("Problem.retryable"), {"type": "boolean"}),
    ),
    pair("another description of a field", SAFE, Kind.answer_words_changed, put(f"{NOTE} description", "For all.")),
    pair("a field of an answer is deprecated", SAFE, Kind.answer_words_changed, put(f"{NOTE} deprecated", True)),
    pair(
        "put together of parts",
        SAFE,
        Kind.answer_words_changed,
        put(field("Hold.scope"), {"title": "S", "allOf": [ref("Held")]}),
    ),
    pair(
        "put together of more",
        SAFE,
        Kind.answer_property_added,
        put(field("Hold.scope"), {"allOf": [ref("Held"), {"properties": {"by": TEXT}}]}),
    ),
    pair("only to write", BREAKS, Kind.answer_keyword_changed, put(f"{NOTE} writeOnly", True)),
    pair(
        "a field is listed that was always there, and may be away now",
        BREAKS,
        Kind.answer_property_optional,
        put(field("Held.by"), TEXT),
        take("components schemas Held required", "by"),
        first=(add("components schemas Held required", "by"),),
    ),
]

VALUES: Final[list[Pair]] = [
    pair("null too", BREAKS, Kind.answer_null_added, put(f"{ID} type", ["string", "null"])),
    pair("null never", SAFE, Kind.answer_null_removed, put(f"{NOTE} type", "string")),
    pair(
        "null too, of an object",
        BREAKS,
        Kind.answer_null_added,
        put(field("Hold.cost"), {"oneOf": [ref("Cost"), {"type": "null"}]}),
    ),
    pair("null never, of an object", SAFE, Kind.answer_null_removed, put(LIFTED, ref("Lifted"))),
    pair("fractions too", BREAKS, Kind.answer_type_widened, put(f"{TRIES} type", "number")),
    pair(
        "whole numbers only",
        SAFE,
        Kind.answer_type_narrowed,
        put(f"{TRIES} type", "integer"),
        first=(put(f"{TRIES} type", "number"),),
    ),
    pair("text instead", BREAKS, Kind.answer_type_widened, put(f"{TRIES} type", "string")),
    pair("anything", BREAKS, Kind.answer_type_widened, drop(f"{TRIES} type")),
    pair("a value more", BREAKS, Kind.answer_value_added, add("components schemas Event properties kind enum", "lost")),
    pair(
        "a value less", SAFE, Kind.answer_value_removed, take("components schemas Event properties kind enum", "told")
    ),
    pair(
        "a value of a parameter more, which is answered too",
        BREAKS,
        Kind.answer_value_added,
        add("components schemas State enum", "expired"),
    ),
    pair("any value", BREAKS, Kind.answer_value_added, put("components schemas Event properties kind", TEXT)),
    pair(
        "listed values only",
        SAFE,
        Kind.answer_value_removed,
        put(field("Problem.code enum"), ["a"]),
        put(field("Problem.code type"), "string"),
        drop(field("Problem.code $ref")),
    ),
    pair("longer", BREAKS, Kind.answer_rule_widened, put(f"{ID} maxLength", 60)),
    pair("shorter", SAFE, Kind.answer_rule_narrowed, put(f"{ID} maxLength", 20)),
    pair("another pattern", BREAKS, Kind.answer_rule_changed, put(f"{ID} pattern", "^hold_[0-9]+$")),
    pair("no pattern", BREAKS, Kind.answer_rule_widened, drop(f"{ID} pattern")),
    pair("a pattern is new", SAFE, Kind.answer_rule_narrowed, put(f"{NOTE} pattern", "^[^<]+$")),
    pair("no format", BREAKS, Kind.answer_rule_widened, drop(field("Hold.placed_at format"))),
    pair("a day instead of an instant", BREAKS, Kind.answer_rule_changed, put(field("Hold.placed_at format"), "date")),
    pair("a format is new", SAFE, Kind.answer_rule_narrowed, put(field("Lifted.by format"), "email")),
    pair("a higher maximum", BREAKS, Kind.answer_rule_widened, put(f"{TRIES} maximum", 9)),
    pair("a lower maximum", SAFE, Kind.answer_rule_narrowed, put(f"{TRIES} maximum", 3)),
    pair("a lower minimum", BREAKS, Kind.answer_rule_widened, put(f"{TRIES} minimum", -1)),
    pair("never zero", SAFE, Kind.answer_rule_narrowed, put(f"{TRIES} exclusiveMinimum", 0)),
    pair("an empty list", BREAKS, Kind.answer_rule_widened, drop(f"{EVENTS} minItems")),
    pair("a longer list", BREAKS, Kind.answer_rule_widened, put(f"{EVENTS} maxItems", 99)),
    pair("a shorter list", SAFE, Kind.answer_rule_narrowed, put(f"{EVENTS} maxItems", 9)),
    pair("other items", BREAKS, Kind.answer_type_widened, put(f"{EVENTS} items", TEXT)),
    pair("any items", BREAKS, Kind.answer_type_widened, drop(f"{EVENTS} items")),
    pair("an object instead of a list", BREAKS, Kind.answer_type_widened, put(EVENTS, {"type": "object"})),
    pair("a form more", BREAKS, Kind.answer_choice_added, add(f"{ORIGIN} anyOf", ref("ByCase"))),
    pair("a form less", SAFE, Kind.answer_choice_removed, drop(f"{ORIGIN} anyOf 1")),
    pair(
        "a form beside the one there was",
        BREAKS,
        Kind.answer_choice_added,
        put(LIFTED, {"oneOf": [ref("Lifted"), ref("ByCase"), {"type": "null"}]}),
    ),
    pair("one of the forms only", SAFE, Kind.answer_choice_removed, put(ORIGIN, ref("ByDay"))),
    pair("a default is said", SAFE, Kind.answer_default_changed, put(f"{TRIES} default", 0)),
    pair(
        "items that contain one another",
        BREAKS,
        Kind.answer_rule_widened,
        put("components schemas Events", {"type": "array", "items": ref("Event")}),
        first=(put("components schemas Events maxItems", 3),),
    ),
    pair(
        "a condition", BREAKS, Kind.answer_keyword_changed, put("components schemas Hold if", {"required": ["tries"]})
    ),
    pair(
        "anything without a rule", BREAKS, Kind.answer_rule_widened, put(ANY, {}), first=(put(ANY, {"pattern": "a"}),)
    ),
    pair(
        "a rule where it was anything",
        SAFE,
        Kind.answer_rule_narrowed,
        put(ANY, {"pattern": "a"}),
        first=(put(ANY, {}),),
    ),
    pair(
        "forms where it was anything",
        SAFE,
        Kind.answer_rule_narrowed,
        put(ANY, {"oneOf": [ref("ByDay"), ref("ByHand")]}),
        first=(put(ANY, {}),),
    ),
    pair(
        "anything instead of forms",
        BREAKS,
        Kind.answer_rule_widened,
        put(ANY, {}),
        first=(put(ANY, {"oneOf": [ref("ByDay"), ref("ByHand")]}),),
    ),
    pair(
        "null too, as a constant",
        BREAKS,
        Kind.answer_null_added,
        put(LIFTED, {"anyOf": [ref("Lifted"), {"const": None}]}),
        first=(put(LIFTED, ref("Lifted")),),
    ),
    pair(
        "null never, of listed values",
        SAFE,
        Kind.answer_null_removed,
        put(f"{NOTE} enum", ["a"]),
        first=(put(f"{NOTE} enum", ["a", None]),),
    ),
    pair(
        "greater numbers",
        BREAKS,
        Kind.answer_rule_changed,
        put(f"{TRIES} format", "int64"),
        first=(put(f"{TRIES} format", "int32"),),
    ),
    pair(
        "no default is said",
        SAFE,
        Kind.answer_default_changed,
        drop(f"{TRIES} default"),
        first=(put(f"{TRIES} default", 0),),
    ),
    pair(
        "not told apart by a field any more",
        BREAKS,
        Kind.answer_keyword_changed,
        drop(f"{ORIGIN} discriminator"),
        first=(put(f"{ORIGIN} discriminator", {"propertyName": "kind"}),),
    ),
    pair(
        "a second name of a form",
        BREAKS,
        Kind.answer_keyword_changed,
        put(f"{ORIGIN} discriminator", {**TOLD, "mapping": {**TOLD["mapping"], "date": "#/components/schemas/ByDay"}}),
        first=(put(f"{ORIGIN} discriminator", TOLD),),
    ),
]
