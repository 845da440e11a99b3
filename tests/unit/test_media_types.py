"""`Accept` and `Content-Type`, a row for each form."""

import pytest

from gateway.contract.media_types import accepts_json, is_json


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        ([], True),
        ([""], True),
        (["*/*"], True),
        (["application/json"], True),
        (["APPLICATION/JSON"], True),
        (["application/json; charset=utf-8"], True),
        (["text/html, application/*;q=0.2"], True),
        (["text/html", "application/json;q=0.1"], True),
        (["text/html, */*;q=0.1"], True),
        (["text/html"], False),
        (["application/problem+json"], False),
        (["application/json;q=0"], False),
        (["application/json; q=0.0, */*"], False),
        (["application/json;q=x"], False),
        (["application/*;q=0, application/json"], True),
        ([","], False),
    ],
)
def test_accept_follows_the_most_specific_range(accept: list[str], accepted: bool) -> None:  # noqa: FBT001
    assert accepts_json(accept) is accepted


@pytest.mark.parametrize(
    ("content_type", "json"),
    [
        ("application/json", True),
        ("application/json;charset=utf-8", True),
        ('Application/JSON ; charset="UTF-8"', True),
        ("application/json; charset=latin-1", False),
        ("application/json,application/json", False),
        ("text/json", False),
        ("application/jsonp", False),
        ("application/problem+json", False),
    ],
)
def test_body_is_json_in_utf_8(content_type: str, json: bool) -> None:  # noqa: FBT001
    assert is_json(content_type) is json
