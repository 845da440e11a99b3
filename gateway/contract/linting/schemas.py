"""What schemas say: of what is sent everything that is checked, of what is answered everything that is promised."""

import re
from collections.abc import Iterator
from typing import Final

from gateway.contract.linting.paths import SNAKE
from gateway.contract.linting.rule import Hit
from gateway.contract.linting.subject import Subject, kinds_of

MONEY: Final = re.compile(r"(^|_)(amount|price|cost|fee|revenue|margin|budget)($|_)")
BOUNDED_FORMATS: Final = frozenset({"date", "date-time", "uuid"})
ENDLESS: Final = re.compile(r"(?<!\\)[*+]|\{\d*,\}")
INSTANTS: Final = re.compile(r".*_(at|since)$|^(at|since|from|until|first_seen|last_seen|deadline|as_of)$")
DAYS: Final = re.compile(r".*_(on|date|from|to)$|^(on|first|last|date|due|start|end|from|until|through)$")


def snake_case(subject: Subject) -> Iterator[Hit]:
    """Yield fields and parameters that are not written_like_this; headers have their own way."""
    for part in subject.parts:
        yield from ((part.place, f"`{n}`") for n in part.schema.get("properties", {}) if not SNAKE.fullmatch(n))
    for operation in subject.operations:
        for parameter in operation.parameters:
            if parameter["in"] != "header" and not SNAKE.fullmatch(parameter["name"]):
                yield str(operation), f"`{parameter['name']}`"


def closed(subject: Subject) -> Iterator[Hit]:
    """Yield objects in requests that take fields nobody has declared."""
    for part in subject.sent:
        if "object" in kinds_of(part.schema) and part.schema.get("additionalProperties", True) is True:
            yield part.place, "it takes any other field"


def bounded_strings(subject: Subject) -> Iterator[Hit]:
    """Yield strings in requests that may be of any length."""
    for part in subject.sent:
        if "string" in kinds_of(part.schema) and not _is_bounded(part.schema):
            yield part.place, "it may be of any length"


def _is_bounded(schema: dict[str, object]) -> bool:
    return (
        bool({"maxLength", "enum", "const"} & schema.keys())
        or schema.get("format") in BOUNDED_FORMATS
        or ("pattern" in schema and not ENDLESS.search(re.sub(r"\[[^\]]*\]", "x", str(schema["pattern"]))))
    )


def bounded_lists(subject: Subject) -> Iterator[Hit]:
    """Yield lists in requests that may have any number of items."""
    for part in subject.sent:
        if "array" in kinds_of(part.schema) and "maxItems" not in part.schema:
            yield part.place, "it may have any number of items"


def bounded_numbers(subject: Subject) -> Iterator[Hit]:
    """Yield integers in requests without a least and a greatest value."""
    for part in subject.sent:
        if "integer" in kinds_of(part.schema) and not {"minimum", "maximum"} <= part.schema.keys():
            yield part.place, "it has no `minimum` and `maximum`"


def anchored(subject: Subject) -> Iterator[Hit]:
    """Yield patterns that are found anywhere in a value, while they look as if they were the whole of it."""
    for part in subject.parts:
        pattern = str(part.schema.get("pattern", "^$"))
        if not (pattern.startswith("^") and pattern.endswith("$")):
            yield part.place, f"`{pattern}` does not hold for the whole value"


def no_floats(subject: Subject) -> Iterator[Hit]:
    """Yield binary numbers: they have no exact decimals."""
    for part in subject.parts:
        if "number" in kinds_of(part.schema):
            yield part.place, "it is a binary number"


def money(subject: Subject) -> Iterator[Hit]:
    """Yield money that is not exact decimal text, and amounts without their currency."""
    for part in subject.parts:
        properties = part.schema.get("properties", {})
        amount = subject.document.resolved(properties.get("amount", {}))
        if kinds_of(amount) - {"object"} and "currency" not in properties:
            yield part.place, "`amount` has no `currency` beside it"
        if MONEY.search(part.name) and kinds_of(part.schema) & {"integer", "number"}:
            yield part.place, "it is money, and no text"
        if part.name == "amount" and "string" in kinds_of(part.schema) and "pattern" not in part.schema:
            yield part.place, "it is decimal text without a pattern"


def time(subject: Subject) -> Iterator[Hit]:
    """Yield instants and days whose names do not say which of both they are."""
    names = {"date-time": INSTANTS, "date": DAYS}
    for part in subject.parts:
        wanted = names.get(str(part.schema.get("format")))
        if wanted and part.name and not part.is_named and not wanted.match(part.name):
            yield part.place, f"it is a {part.schema['format']}"
        elif (
            part.name.endswith("_at")
            and part.schema.get("format") != "date-time"
            and kinds_of(part.schema) == {"string"}
        ):
            yield part.place, "it is called an instant, and has no format `date-time`"


def typed_enums(subject: Subject) -> Iterator[Hit]:
    """Yield lists of values without a type, or with a value twice."""
    for part in subject.parts:
        values = part.schema.get("enum")
        if values is not None and (not kinds_of(part.schema) or len(values) != len({*map(str, values)})):
            yield part.place, "it has no `type`, or one of its values twice"


def named_objects(subject: Subject) -> Iterator[Hit]:
    """Yield objects with fields that have no name of their own: no program can have a good one for them."""
    for part in subject.parts:
        if "properties" in part.schema and not part.is_named:
            yield part.place, "it is an object without a name"


def lists_of_something(subject: Subject) -> Iterator[Hit]:
    """Yield lists that do not say of what."""
    for part in subject.parts:
        if "array" in kinds_of(part.schema) and "items" not in part.schema:
            yield part.place, "it does not say what it is a list of"


def complete_answers(subject: Subject) -> Iterator[Hit]:
    """Yield fields that an answer may leave out: absent and null would be two things for who reads it."""
    sent = {part.place for part in subject.sent}
    for part in subject.answered:
        if part.place not in sent:
            left_out = part.schema.get("properties", {}).keys() - {*part.schema.get("required", [])}
            yield from ((part.place, f"`{name}` is not required") for name in sorted(left_out))


def required_exists(subject: Subject) -> Iterator[Hit]:
    """Yield required fields that are no fields."""
    for part in subject.parts:
        if "properties" in part.schema:
            unknown = {*part.schema.get("required", [])} - part.schema["properties"].keys()
            yield from ((part.place, f"`{name}` is required, and is no field") for name in sorted(unknown))
