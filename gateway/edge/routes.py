"""From a normalised path and a method to an operation's plan: a tree of segments, built once."""

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.policy.operation import UNMATCHED
from gateway.policy.plan import Plan

GOVERNED: Final = ("/system/", "/process/", "/platform/", "/metrics/")
"""Everything below needs a token, also what does not exist; everything else is a page that is open to everybody."""


class Node:
    """A place in the tree: what may follow, and the plans of the operations that end here."""

    __slots__ = ("literal", "parameter", "plans")

    def __init__(self) -> None:
        self.literal: dict[str, Node] = {}
        self.parameter: Node | None = None
        self.plans: dict[str, Plan] = {}

    def follow(self, segment: str) -> "Node":
        """Return the place that a segment of a template leads to, made where it is missing."""
        if segment.startswith("{"):
            self.parameter = self.parameter or Node()
            return self.parameter
        return self.literal.setdefault(segment, Node())


class Routes:
    """Every operation by its path and method."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        self._root = Node()
        for plan in plans.values():
            if plan.operation is not UNMATCHED:
                self._add(plan)

    def find(self, path: str) -> Mapping[str, Plan]:
        """Return the plans at a path by method; empty where there is none. A literal segment beats a parameter."""
        return _walk(self._root, path[1:].split("/"), 0)

    def _add(self, plan: Plan) -> None:
        node = self._root
        for segment in plan.operation.path[1:].split("/"):
            node = node.follow(segment)
        node.plans[plan.operation.method] = plan


def is_governed(path: str) -> bool:
    """Tell whether the path lies where operations do."""
    return path.startswith(GOVERNED) or path + "/" in GOVERNED


def allowed(methods: Iterable[str]) -> str:
    """Return the methods as `Allow` lists them: HEAD wherever GET is, OPTIONS everywhere."""
    found = set(methods)
    return ", ".join(sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set())))


def _walk(node: Node, segments: list[str], depth: int) -> Mapping[str, Plan]:
    if depth == len(segments):
        return node.plans
    literal = node.literal.get(segments[depth])
    found = _walk(literal, segments, depth + 1) if literal else {}
    if found or node.parameter is None:
        return found
    return _walk(node.parameter, segments, depth + 1)
