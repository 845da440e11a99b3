"""Where the code counts something it gives the labels that the catalogue has of it, and each of them."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.telemetry import metrics
from gateway.telemetry.catalogue import HELP, LABELS

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("gateway", "process_apis", "system_apis")
Counted = tuple[str, frozenset[str], bool]
"""A metric, the labels that are written out, and whether there may be more."""


def counted_in(source: str) -> Iterator[Counted]:
    """Yield what the source counts, or names as a series."""
    for node in ast.walk(ast.parse(source)):
        name = _metric(node.args[0]) if isinstance(node, ast.Call) and _counts(node.func) and node.args else None
        if isinstance(node, ast.Call) and name:
            written = {keyword.arg for keyword in node.keywords}
            yield name, frozenset(label for label in written if label), None in written


def _counts(called: ast.expr) -> bool:
    """Tell whether it is `series(…)` or `….metrics.count(…)`."""
    return (isinstance(called, ast.Name) and called.id == "series") or (
        isinstance(called, ast.Attribute) and called.attr == "count"
    )


def _metric(argument: ast.expr) -> str | None:
    name = getattr(metrics, argument.id, None) if isinstance(argument, ast.Name) else getattr(argument, "value", None)
    return name if isinstance(name, str) and name in HELP else None


def test_labels_are_those_of_the_catalogue() -> None:
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    counted = [each for path in sources for each in counted_in(path.read_text("utf-8"))]

    for name, labels, more in counted:
        known = {*LABELS.get(name, ())}
        assert labels <= known if more else labels == known, name
    assert {name for name, *_ in counted} >= LABELS.keys()


def test_labels_are_read_however_they_are_given() -> None:
    source = 'series(SUNSET, contract=1)\nkit.metrics.count(UPSTREAM_CALLS, **labels, outcome=2)\n"a".count("b")\n'

    assert [*counted_in(source)] == [
        ("tiebeam_sunset_seconds", frozenset({"contract"}), False),
        ("tiebeam_upstream_calls_total", frozenset({"outcome"}), True),
    ]


def test_every_metric_with_labels_is_one_that_there_is() -> None:
    assert LABELS.keys() <= HELP.keys()
