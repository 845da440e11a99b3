"""Every row of Tryton's refusals, on answers that were recorded. A new refusal is a new entry in `refusals.json`."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.egress.response import Response
from gateway.errors import ApiError, Refused, Unavailable, Uncertain
from openapi.common.types import Code
from system_apis.connectors.tryton.errors import CLASSES, STATUSES, TEXTS, WARNINGS, had_no_effect, result_of

FAMILIES = {"Refused": Refused, "Unavailable": Unavailable, "Uncertain": Uncertain}
CASES = json.loads((Path(__file__).parent / "tryton/refusals.json").read_text())


def answer(case: dict[str, Any]) -> Response:
    body = case["body"]
    return Response(status=case["status"], content=(body if isinstance(body, str) else json.dumps(body)).encode())


def refusal(error: list[object]) -> Response:
    return answer({"status": 200, "body": {"id": 1, "error": error}})


def texts() -> list[str]:
    errors = [case["body"]["error"] for case in CASES if isinstance(case["body"], dict)]
    return [arguments[0] for name, arguments in errors if name == "UserError"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_refusal_is_told_by_family_and_code(case: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as raised:
        result_of(answer(case), list[int], write=case["write"])

    assert (type(raised.value), raised.value.code) == (FAMILIES[case["family"]], case["code"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_refusal_holds_no_text_of_tryton(case: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as raised:
        result_of(answer(case), list[int], write=case["write"])

    assert not any(part in raised.value.detail for part in ('"', "Harbour", "999999", "Bad", "<"))


@pytest.mark.parametrize("name", WARNINGS)
def test_warning_is_told_in_words_of_its_own(name: str) -> None:
    (case,) = [case for case in CASES if f".{name}" in json.dumps(case["body"])]

    with pytest.raises(Refused) as refused:
        result_of(answer(case), list[int], write=True)

    assert refused.value.detail == WARNINGS[name] != CLASSES["UserWarning"][2]


def test_every_row_has_a_recorded_answer() -> None:
    names = {case["body"]["error"][0] for case in CASES if isinstance(case["body"], dict)}
    statuses = {case["status"] for case in CASES}

    assert set(CLASSES) <= names
    assert set(STATUSES) <= statuses
    assert [pattern.pattern for pattern, _, _ in TEXTS if not any(map(pattern.match, texts()))] == []


def test_text_of_a_caller_does_not_pass_for_one_of_tryton() -> None:
    text = (
        'A value is required for "The VAT Number "1" for party "x" is not valid." and The code on party must be unique.'
    )
    response = refusal(["UserError", [text, "", None]])

    with pytest.raises(Refused) as refused:
        result_of(response, list[int], write=True)

    assert refused.value.code is Code.upstream_rejected


@pytest.mark.parametrize("error", [[], ["UserError"], ["UserError", []], ["UserError", "text"]])
def test_refusal_in_a_strange_shape_is_one_all_the_same(error: list[object]) -> None:
    with pytest.raises(ApiError):
        result_of(refusal(error), list[int], write=True)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"<html>", b"[1]", b'{"id": 1}', b'{"id": 1, "result": "seven"}', b'{"result": [\xff]}'),
        *(b'{"result": [{"__class__": "date", "year": 1}]}', b'{"result": [{"__class__": "Decimal", "decimal": "x"}]}'),
    ],
)
@pytest.mark.parametrize(("write", "family"), [(True, Uncertain), (False, Unavailable)])
def test_answer_that_nobody_can_read_leaves_a_write_uncertain(
    content: bytes,
    write: bool,  # noqa: FBT001 - a parameter of the case
    family: type[ApiError],
) -> None:
    with pytest.raises(family) as raised:
        result_of(Response(status=200, content=content), list[int], write=write)

    assert raised.value.code is Code.upstream_contract_violation


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (503, "could not obtain lock on row in relation &#34;ir_sequence_strict&#34;", True),
        (503, "could not serialize access due to concurrent update", True),
        (503, "Database &#39;nosuch&#39; doesn&#39;t exist!", False),
        (500, "could not obtain lock on row", False),
        (504, "", False),
    ],
)
def test_only_a_lock_that_was_not_given_proves_that_nothing_was_written(
    status: int,
    text: str,
    expected: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    assert had_no_effect(Response(status=status, content=text.encode())) is expected
