"""What commands print of what others wrote."""

import pytest

from gateway.columns import in_columns, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grünwald & Söhne", "Grünwald & Söhne"),
        ("1\u00a0000 €", "1 000 €"),
        ("a\nwki_1  done", "a wki_1  done"),
        ("\x1b[2J\x1b]0;x\x07", "\ufffd[2J\ufffd]0;x\ufffd"),
        ("\x9b31m\x7f", "\ufffd31m\ufffd"),
        ("abc\u202edef", "abc\ufffddef"),
    ],
)
def test_nothing_that_others_wrote_moves_the_cursor(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert in_columns(["a"], [[text]]) == ["a", shown]


def test_columns_are_as_wide_as_what_stands_in_them() -> None:
    assert in_columns(["id", "state"], [["wki_1", "open"], ["w", "resolved"]]) == [
        "id     state",
        "wki_1  open",
        "w      resolved",
    ]
