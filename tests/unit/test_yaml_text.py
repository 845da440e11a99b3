"""YAML that cannot be read is told in words, whatever is the matter with it; it ends no process."""

import json
from datetime import date

import pytest

from gateway.lifecycle.overlay import changes_in
from gateway.policy.document import PolicyError, rows_in
from gateway.yaml_text import MOST_VALUES, NotYaml, loaded

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
)
BAD = {
    "no date": "policies: 2020-13-45",
    "no number": "policies: [!!int x]",
    "an empty number": "policies: [!!float '']",
    "no truth": "policies: [!!bool x]",
    "no instant": "policies: [!!timestamp x]",
    "an object": "policies: [!!python/object:x {}]",
    "bytes": "policies: [!!binary aGVsbG8=]",
    "a set": "policies: [!!set {a}]",
    "too deep": "[" * 3_000,
    "deep and whole": "[" * 60 + "]" * 60,
    "itself": "policies: &a [*a]",
    "a bomb": BOMB,
    "a key twice": "policies: []\npolicies: []",
    "a key twice, deep": "policies:\n- {kind: audit, kind: cache}",
    "a key twice, quoted": "policies: []\n'policies': []",
    "a number to base 60 that is larger than any": "a: " + "1:" * 200 + "1.5",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_text_that_is_no_yaml_of_ours_is_told_in_words(text: str) -> None:
    with pytest.raises(NotYaml) as refused:
        loaded(text)
    with pytest.raises(PolicyError) as mistaken:
        rows_in({"a.yaml": text})

    assert str(refused.value)
    assert str(mistaken.value).startswith("a.yaml: this is no YAML")
    assert changes_in(text)[1][0].detail.startswith("this is no YAML")


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("", None),
        ("- 1.5\n- 2026-11-25\n- null\n- yes", [1.5, date(2026, 11, 25), None, True]),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("[" * 40 + "]" * 40, json.loads("[" * 40 + "]" * 40)),
        ("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}", {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}),
        ("1: a\n'1': b", {1: "a", "1": "b"}),
    ],
    ids=["nothing", "values", "an alias", "deep", "something merged", "a number and a text"],
)
def test_text_that_is_yaml_is_read(text: str, document: object) -> None:
    assert loaded(text) == document


@pytest.mark.parametrize(("times", "many"), [(99, False), (100, True)])
def test_values_are_counted_as_often_as_they_are_repeated(times: int, many: bool) -> None:  # noqa: FBT001 - a case
    text = f"- &a [{'1,' * 998}]\n" + "- *a\n" * times

    if many:
        with pytest.raises(NotYaml, match=f"more than {MOST_VALUES} values"):
            loaded(text)
    else:
        assert len(loaded(text)) == times + 1


@pytest.mark.parametrize(
    "row", ["{kind: cache, fresh_s: 2020-01-01, when_unavailable: bypass}", "{kind: audit, match: {1: [a]}}"]
)
def test_row_with_a_value_that_json_has_not_is_a_mistake_in_that_row(row: str) -> None:
    with pytest.raises(PolicyError) as mistaken:
        rows_in({"a.yaml": f"policies: [{row}]"})

    assert str(mistaken.value).startswith("a.yaml, row 1 (")


def test_key_that_stands_twice_is_told_with_both_lines() -> None:
    with pytest.raises(NotYaml) as refused:
        loaded("http:\n  port: 1\n  host: a\n  port: 2\n")

    assert str(refused.value) == "line 4: the key port stands on line 2 already."
