"""Series as OpenMetrics 1.0 writes them: those of a family together, after a line that says what it is."""

from collections.abc import Mapping
from itertools import groupby
from typing import Final

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TOTAL: Final = "_total"
"""How the samples of a counter end; its family is named without it. What has no such end is a gauge."""


def text_of(snapshot: Mapping[str, int]) -> str:
    """Return the series as text."""
    lines = []
    for name, series in groupby(sorted(snapshot, key=_by_family), _name_of):
        kind = "counter" if name.endswith(TOTAL) else "gauge"
        lines.append(f"# TYPE {name.removesuffix(TOTAL)} {kind}")
        lines += [f"{each} {snapshot[each]}" for each in series]
    return "\n".join([*lines, "# EOF", ""])


def _name_of(series: str) -> str:
    return series.partition("{")[0]


def _by_family(series: str) -> tuple[str, str]:
    return _name_of(series), series
