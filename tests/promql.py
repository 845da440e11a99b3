"""What a PromQL expression asks for and gives, read from the tree that Prometheus' own grammar makes of it."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import promql_parser

OF_PROMETHEUS: Final = {"up": frozenset[str]()}
"""Metrics that Prometheus makes itself, of each that it asks."""
OF_SCRAPES: Final = frozenset({"instance", "job"})
"""Labels that Prometheus puts on every series."""
PARTS: Final = ("expr", "lhs", "rhs", "vector_selector", "param")
Node = Any


class Asked(NamedTuple):
    """One metric that an expression reads, and every label that it is chosen, grouped or matched by there."""

    metric: str
    labels: frozenset[str]


def asked_by(expression: str) -> list[Asked]:
    """Return what the expression reads; raises ValueError where it does not parse."""
    return list(_asked(promql_parser.parse(expression), frozenset()))


def metrics_in(expression: str) -> set[str]:
    """Return the metrics that an expression asks for; raises ValueError where it does not parse."""
    return {asked.metric for asked in asked_by(expression)}


def labels_of(expression: str) -> frozenset[str] | None:
    """Return the labels that every series of the answer has; None where they are those of a metric as it is."""
    return _given(promql_parser.parse(expression))


def _asked(node: Node, by: frozenset[str]) -> Iterator[Asked]:
    if isinstance(node, promql_parser.VectorSelector):
        yield Asked(str(node.name), by | {matcher.name for matcher in node.matchers.matchers})
    below = by | _named(node)
    for part in _parts(node):
        yield from _asked(part, below)


def _parts(node: Node) -> Iterator[Node]:
    for name in PARTS:
        part = getattr(node, name, None)
        if part is not None:
            yield part
    yield from getattr(node, "args", None) or ()


def _named(node: Node) -> frozenset[str]:
    """Return the labels that an aggregation groups by, or an operator matches."""
    modifier = getattr(node, "modifier", None)
    held = getattr(modifier, "matching", modifier)
    return frozenset(getattr(held, "labels", None) or ())


def _given(node: Node) -> frozenset[str] | None:
    if isinstance(node, promql_parser.AggregateExpr):
        return _named(node)
    if isinstance(node, promql_parser.BinaryExpr):
        left = isinstance(node.lhs, promql_parser.NumberLiteral)
        return _given(node.rhs if left else node.lhs)
    inner = next((part for part in _parts(node) if not isinstance(part, promql_parser.NumberLiteral)), None)
    return None if inner is None else _given(inner)
