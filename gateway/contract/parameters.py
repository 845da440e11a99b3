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
Texts = Callable[[HTTPScope, Mapping[str, Sequence[str]]], Sequence[str]]
"""What finds a parameter's texts: one for each time that it was sent."""


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
    decode: Callable[[str], object]
    """What makes the argument of its text; raises ValueError."""
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

    def read(self, texts: Sequence[str]) -> object:
        """Return the argument, or the Violation that keeps it from being one."""
        if not texts:
            return self._invalid("It is required.") if self.required else self.default
        if len(texts) > 1:
            return self._invalid("Send it once.")
        if "\0" in texts[0]:
            return violation(Code.request_nul_character, self.pointer, "Remove the character U+0000.")
        try:
            return self.decode(texts[0])
        except ValueError:  # msgspec's own is one, too.
            return self._invalid(f"Expected {self.expected}.")

    def _invalid(self, detail: str) -> Violation:
        return violation(Code.request_parameter_invalid, self.pointer, detail)


class Parameters:
    """Those of one operation, which is served at the template: where each one's text stands is known beforehand."""

    def __init__(self, template: str, parameters: Sequence[Parameter]) -> None:
        self.all = tuple(parameters)
        self._known = frozenset(each.name for each in parameters if each.place == "query")
        self._texts = tuple((each, _texts(each, template)) for each in parameters)

    def read(self, scope: HTTPScope) -> tuple[Values, list[Violation]]:
        """Return the arguments, and what is wrong; an argument with a violation is not among them."""
        query, violations = _query(scope["query_string"])
        values: Values = {}
        for parameter, texts in self._texts:
            found = parameter.read(texts(scope, query))
            if isinstance(found, Violation):
                violations.append(found)
            else:
                values[parameter.argument] = found
        if not query.keys() <= self._known:
            violations += [_unknown(name) for name in query if name not in self._known]
        return values, violations


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
        decode=_decoder(node["in"], bare, kind, meaning),
        expected=_expectation(schema),
        required=bool(node.get("required", False)),
        default=schema.get("default"),
    )


def _query(raw: bytes) -> tuple[dict[str, list[str]], list[Violation]]:
    found: dict[str, list[str]] = {}
    if not raw:
        return found, []
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


def _texts(parameter: Parameter, template: str) -> Texts:
    """Return what finds the parameter's texts in a request."""
    name = parameter.name
    match parameter.place:
        case "path":
            segment = template.split("/").index(f"{{{name}}}")
            return lambda scope, _query: (scope["path"].split("/")[segment],)
        case "query":
            return lambda _scope, query: query.get(name, ())
        case _:
            field = name.lower().encode()
            return lambda scope, _query: header_values(scope, field)


def _decoder(place: str, bare: Any, kind: Any, meaning: Meaning | None) -> Callable[[str], object]:  # noqa: ANN401 - types.
    """Return what makes a text the argument: read as JSON spells it, held against the schema, given its meaning."""
    read = _READERS.get(bare, str)
    # A type with limits is gone through in each conversion; that of a field is known, which takes a tenth of the time.
    checked = msgspec.defstruct("Checked", [("value", kind)], array_like=True)

    def decode(text: str) -> object:
        plain = decode_segment(text) if place == "path" else text
        value: Any = getattr(msgspec.convert((read(plain),), checked), "value")  # noqa: B009 - made just now.
        return meaning.of(value) if meaning else value

    return decode


def _unknown(name: str) -> Violation:
    return violation(Code.request_parameter_unknown, f"#query/{name[:100]}", "There is no such parameter.")


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
