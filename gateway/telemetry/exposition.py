"""Series as OpenMetrics 1.0 writes them: those of a family together, after lines that say what it is."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Final

from gateway.telemetry.catalogue import HELP
from gateway.telemetry.metrics import Figures

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TOTAL: Final = "_total"
"""How the samples of a counter end; its family is named without it. What has no such end is a gauge."""
UNITS: Final = ("seconds", "bytes")
"""What a family is measured in, where its name ends so."""


def text_of(figures: Figures) -> str:
    """Return the series as text."""
    lines: list[str] = []
    for name, series in groupby(sorted(figures, key=_by_family), _name_of):
        lines += _said_of(name)
        lines += [f"{each} {_number(figures[each])}" for each in series]
    return "\n".join([*lines, "# EOF", ""])


def _said_of(name: str) -> Iterator[str]:
    family = name.removesuffix(TOTAL)
    yield f"# TYPE {family} {'counter' if name.endswith(TOTAL) else 'gauge'}"
    yield from (f"# UNIT {family} {unit}" for unit in UNITS if family.endswith(f"_{unit}"))
    if name in HELP:
        yield f"# HELP {family} {HELP[name]}"


def _number(value: int | Decimal) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)  # A decimal might write itself as 1E+3.


def _name_of(series: str) -> str:
    return series.partition("{")[0]


def _by_family(series: str) -> tuple[str, str]:
    return _name_of(series), series
