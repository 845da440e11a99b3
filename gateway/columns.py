"""How commands print tables."""

from collections.abc import Iterable, Sequence


def in_columns(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the rows under their headings, each column as wide as what stands in it."""
    lines = [headings, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
