"""Every violation of a body that was refused, each with its place: the second pass, which only bad bodies pay for."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

import jsonschema_rs
from jsonschema_rs import ValidationErrorKind as Kind

from gateway.errors import Refused
from gateway.json_pointer import escaped
from openapi.common.types import Code, Violation

MAX_EXPLAINED = 65_536
"""Bytes: a body of 900 kB with 60,000 violations would take more than a second."""
MAX_NAMED = 100
DECIMALS = frozenset({"Money", "Rate"})
"""Schemas of exact amounts: a JSON number in their place is a mistake of its own."""

PLAIN_IN_FRAGMENT = "!$&'()*+,;=:@~"  # RFC 3986 §3.5, `/` and `?` aside.


class Explainer:
    """Names what is wrong with bodies of one schema, which stands alone (`Document.schema`)."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._validator = jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, offline=True, mask="the value"
        )

    def accepts(self, document: object) -> bool:
        """Tell whether the document follows the schema, with all that types cannot say."""
        return self._validator.is_valid(document)

    def explain(self, body: bytes, document: object, first: str | None) -> list[Violation]:
        """Return at most MAX_NAMED violations; `first` is what the decoder said, for what cannot be explained."""
        found = [] if len(body) > MAX_EXPLAINED else list(self._all(document))
        if not found and first is not None:
            found = [violation(Code.request_body_invalid, "#", first)]
        return list(dict.fromkeys(found))[:MAX_NAMED]

    def _all(self, document: object) -> Iterator[Violation]:
        for error in self._validator.iter_errors(document):
            yield from _violations(error)


def violation(code: Code, pointer: str, detail: str) -> Violation:
    """Return the violation."""
    return Violation(code=code, pointer=pointer, detail=detail)


def malformed(violations: Sequence[Violation]) -> Refused:
    """Return the refusal of a request that breaks its contract."""
    return Refused(Code.request_malformed, "Mend what `errors` names, then send it again.", *violations)


def pointer_to(path: Iterable[str | int]) -> str:
    """Return the path as a JSON Pointer of RFC 6901, in a fragment."""
    parts = (escaped(str(part)) for part in path)
    return "#" + "".join(f"/{quote(part, safe=PLAIN_IN_FRAGMENT)}" for part in parts)


def _violations(error: jsonschema_rs.ValidationError) -> Iterator[Violation]:
    kind, path = error.kind, error.instance_path
    match kind:
        case Kind.AdditionalProperties(unexpected=names) | Kind.UnevaluatedProperties(unexpected=names):
            for name in names:
                yield violation(Code.request_unknown_field, pointer_to([*path, name]), "There is no such field.")
        case Kind.Required(property=name):
            yield violation(Code.request_body_invalid, pointer_to([*path, name]), "The field is required.")
        case Kind.OneOfNotValid(context=branches) | Kind.AnyOf(context=branches):
            yield from _of_branches(error, branches)
        case Kind.Type() if _is_amount(error):
            yield violation(Code.money_float_not_allowed, pointer_to(path), "Send the amount as a decimal string.")
        case _:
            detail = f"{error.message[0].upper()}{error.message[1:]}."
            yield violation(Code.request_body_invalid, pointer_to(path), detail)


def _of_branches(
    error: jsonschema_rs.ValidationError, branches: list[list[jsonschema_rs.ValidationError]]
) -> Iterator[Violation]:
    """Yield what is wrong with the branch that was meant: the one that at least has the value's type."""
    meant = [branch for branch in branches if not any(_is_other_type(each, error) for each in branch)]
    amounts = [[each] for branch in branches for each in branch if _is_amount(each)]
    likely = meant if len(meant) == 1 else amounts[:1]
    if likely:
        for each in likely[0]:
            yield from _violations(each)
    else:
        detail = "The value has none of the forms that the contract allows."
        yield violation(Code.request_body_invalid, pointer_to(error.instance_path), detail)


def _is_other_type(inner: jsonschema_rs.ValidationError, outer: jsonschema_rs.ValidationError) -> bool:
    return inner.kind.name == "type" and inner.instance_path == outer.instance_path


def _is_amount(error: jsonschema_rs.ValidationError) -> bool:
    root, name = (*error.schema_path, "", "")[:2]
    is_number = isinstance(error.instance, int | float) and not isinstance(error.instance, bool)
    return error.kind.name == "type" and root == "$defs" and name in DECIMALS and is_number
