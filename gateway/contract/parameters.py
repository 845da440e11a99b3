"""Parameters from path, query and header: compiled from the contract, decoded, and all that is wrong with them."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

import msgspec
from litestar.types import HTTPScope
from msgspec import Struct

from gateway.contract.document import Document, Node
from gateway.contract.entity_tags import version_in
from gateway.contract.generated import CONSTRAINTS, scalar_type
from gateway.contract.media_types import header_values
from gateway.contract.path_segments import decode_segment
from gateway.contract.violations import violation
from openapi.common.types import Code, Violation

EDGE_HEADERS = frozenset({"Idempotency-Key"})
"""Declared for callers; dealt with before the binder."""
MAX_FIELDS = 64

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})\Z")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?\Z")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")

Values = dict[str, Any]


class Meaning(NamedTuple):
    """What a header of HTTP means to a handler."""

    argument: str
    kind: type
    of: Callable[[str], object]


MEANINGS: Mapping[str, Meaning] = {
    "If-Match": Meaning("if_match", str, version_in),
    "Prefer": Meaning("wait_s", int, lambda preference: int(preference.removeprefix("wait="))),
}


class Parameter(Struct, frozen=True, kw_only=True):
    """One parameter, ready to be read."""

    name: str
    place: Literal["path", "query", "header"]
    argument: str
    """What the handler calls it."""
    argument_kind: Any
    """Of which type it is there, without constraints."""
    bare: Any
    """The type that its text is read as."""
    kind: Any
    """The same, with the contract's constraints."""
    expected: str
    required: bool
    default: Any

    @property
    def pointer(self) -> str:
        """Return how violations name it."""
        return f"#{self.place}/{self.name}"

    @property
    def may_be_absent(self) -> bool:
        """Tell whether the argument can be None."""
        return not self.required and self.default is None


def compiled(document: Document, node: Node) -> Parameter:
    """Return the parameter; raises NoType where its schema cannot stand in a URL or a header."""
    node = document.resolved(node)
    name: str = node["name"]
    schema = document.resolved(node["schema"])
    bare, kind = scalar_type(document, node["schema"])
    meaning = MEANINGS.get(name)
    return Parameter(
        name=name,
        place=node["in"],
        argument=meaning.argument if meaning else name.lower().replace("-", "_"),
        argument_kind=meaning.kind if meaning else bare,
        bare=bare,
        kind=kind,
        expected=_expectation(schema),
        required=bool(node.get("required", False)),
        default=schema.get("default"),
    )


def read_all(
    parameters: Sequence[Parameter], scope: HTTPScope, path: Mapping[str, str]
) -> tuple[Values, list[Violation]]:
    """Return the arguments, and what is wrong; an argument with a violation is not among them."""
    query, violations = _query(scope["query_string"])
    values: Values = {}
    for parameter in parameters:
        texts = _texts(parameter, scope, path, query)
        found = read_one(parameter, texts)
        if isinstance(found, Violation):
            violations.append(found)
        else:
            values[parameter.argument] = found
    known = {parameter.name for parameter in parameters if parameter.place == "query"}
    unknown = [name for name in query if name not in known]
    advice = "There is no such parameter."
    violations += [violation(Code.request_parameter_unknown, f"#query/{name[:100]}", advice) for name in unknown]
    return values, violations


def read_one(parameter: Parameter, texts: Sequence[str]) -> object:
    """Return the argument, or the Violation that keeps it from being one."""
    if not texts:
        return _invalid(parameter, "It is required.") if parameter.required else parameter.default
    if len(texts) > 1:
        return _invalid(parameter, "Send it once.")
    if "\0" in texts[0]:
        return violation(Code.request_nul_character, parameter.pointer, "Remove the character U+0000.")
    try:
        text = decode_segment(texts[0]) if parameter.place == "path" else texts[0]
        value = msgspec.convert(_READERS.get(parameter.bare, str)(text), parameter.kind)
    except ValueError:  # msgspec's own is one, too.
        return _invalid(parameter, f"Expected {parameter.expected}.")
    meaning = MEANINGS.get(parameter.name)
    return meaning.of(value) if meaning else value


def _texts(
    parameter: Parameter, scope: HTTPScope, path: Mapping[str, str], query: Mapping[str, list[str]]
) -> Sequence[str]:
    match parameter.place:
        case "path":
            return [path[parameter.name]]
        case "query":
            return query.get(parameter.name, [])
        case _:
            return header_values(scope, parameter.name.lower().encode())


def _query(raw: bytes) -> tuple[dict[str, list[str]], list[Violation]]:
    found: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(_escaped(raw), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        detail = f"Send at most {MAX_FIELDS} parameters, percent-encoded UTF-8."
        return found, [violation(Code.request_parameter_invalid, "#query", detail)]
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found, []


def _escaped(raw: bytes) -> str:
    if _BROKEN_ESCAPE.search(raw):
        raise ValueError(raw)
    return raw.decode("ascii")


def _invalid(parameter: Parameter, detail: str) -> Violation:
    return violation(Code.request_parameter_invalid, parameter.pointer, detail)


def _expectation(schema: Node) -> str:
    """Return the schema in words: a value is not repeated to whoever sent it."""
    if "enum" in schema:
        return "one of " + ", ".join(str(choice) for choice in schema["enum"])
    kind = schema.get("format") or schema["type"]
    limits = ", ".join(f"{key} {schema[key]}" for key in CONSTRAINTS if key in schema)
    return f"a value of the type {kind}" + (f" with {limits}" if limits else "")


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


def _integer(text: str) -> int:
    if not _INTEGER.match(text):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.match(text):
        raise ValueError(text)
    return float(text)


_READERS: Mapping[Any, Callable[[str], object]] = {bool: _boolean, int: _integer, float: _number}
"""JSON's spelling and no other: msgspec's lax mode would take `TRUE`, `1e1` and `5.0`."""
