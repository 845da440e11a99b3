"""How commands print tables, and what stands in them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime


def in_columns(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the rows under their headings, each column as wide as what stands in it."""
    lines = [[printable(cell) for cell in line] for line in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def minute(moment: datetime) -> str:
    """Return the minute, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%MZ}"


def printable(text: str) -> str:
    """Return the text as a terminal may get it: what others wrote moves no cursor and ends no line."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " if each.isspace() else "\ufffd" for each in text)
