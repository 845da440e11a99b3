"""Which violation a value is, by the schema that it broke."""

from typing import Any

import msgspec
import pytest

from gateway.contract import Document
from gateway.contract.violations import MAX_EXPLAINED, MAX_NAMED, Explainer

SCHEMA = Document(
    "process/sample/v1",
    {
        "components": {
            "schemas": {
                "Order": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "value": {"$ref": "../../common/types.yaml#/components/schemas/Money"},
                        "cap": {
                            "oneOf": [{"$ref": "../../common/types.yaml#/components/schemas/Money"}, {"type": "null"}]
                        },
                        "rate": {"$ref": "../../common/types.yaml#/components/schemas/Rate"},
                        "count": {"type": "string"},
                        "either": {
                            "oneOf": [
                                {"type": "string", "maxLength": 1},
                                {"type": "array", "items": {"type": "string"}},
                            ]
                        },
                        "list": {"type": "array", "items": {"type": "string"}},
                    },
                }
            }
        }
    },
)
EXPLAINER = Explainer(SCHEMA.schema({"$ref": "process/sample/v1.yaml#/components/schemas/Order"}))


@pytest.mark.parametrize(
    ("document", "violations"),
    [
        ({"value": 12.5}, [("money.float_not_allowed", "#/value")]),
        ({"value": {"amount": 12, "currency": "EUR"}}, [("money.float_not_allowed", "#/value/amount")]),
        ({"rate": 12.5}, [("money.float_not_allowed", "#/rate")]),
        ({"cap": 12.5}, [("money.float_not_allowed", "#/cap")]),
        ({"cap": {"amount": 1.5, "currency": "EUR"}}, [("money.float_not_allowed", "#/cap/amount")]),
        ({"cap": {"amount": "1.50"}}, [("request.body_invalid", "#/cap/currency")]),
        ({"value": True}, [("request.body_invalid", "#/value")]),
        ({"count": 12.5}, [("request.body_invalid", "#/count")]),
        ({"either": [1]}, [("request.body_invalid", "#/either/0")]),
        ({"either": "ab"}, [("request.body_invalid", "#/either")]),
        ({"either": 1}, [("request.body_invalid", "#/either")]),
        ({"colour": 1, "color": 2}, [("request.unknown_field", "#/colour"), ("request.unknown_field", "#/color")]),
        ([], [("request.body_invalid", "#")]),
    ],
)
def test_violation_says_what_was_broken_and_where(document: Any, violations: list[tuple[str, str]]) -> None:  # noqa: ANN401
    found = EXPLAINER.explain(b"", document, None)

    assert [(each.code, each.pointer) for each in found] == violations


def test_number_of_violations_is_bounded() -> None:
    assert len(EXPLAINER.explain(b"", {"list": [1] * 1_000}, None)) == MAX_NAMED


def test_body_too_large_to_explain_gets_what_the_decoder_said() -> None:
    body = msgspec.json.encode({"list": [1] * MAX_EXPLAINED})

    found = EXPLAINER.explain(body, {"list": [1]}, "Expected `str`, got `int`")

    assert [(each.pointer, each.detail) for each in found] == [("#", "Expected `str`, got `int`")]


def test_what_only_the_decoder_refuses_is_told_in_its_words() -> None:
    found = EXPLAINER.explain(b"{}", {}, "Expected something else")

    assert [each.detail for each in found] == ["Expected something else"]
