"""Changes as people read them: what several operations have in common stands there once."""

from collections.abc import Iterable, Iterator

from gateway.contract.compatibility.change import Change
from gateway.contract.compatibility.kinds import WORDS


def told(changes: Iterable[Change], mark: str = "") -> Iterator[str]:
    """Yield a line for each change: the operations that have it, each between marks, then the sentence."""
    for one, operations in _grouped(changes).values():
        named = ", ".join(f"{mark}{operation}{mark}" for operation in operations)
        yield f"{named}: {one.words}" if named else one.words


def breaking(changes: Iterable[Change]) -> list[Change]:
    """Return those that break callers."""
    return [change for change in changes if change.breaking]


def growth(changes: Iterable[Change]) -> list[Change]:
    """Return those that programs may use, and that break none."""
    return [change for change in changes if not change.breaking and change.kind not in WORDS]


def markdown_of(changes: Iterable[Change]) -> Iterator[str]:
    """Yield the lines of a list in Markdown: what breaks, what is there now, and whether words changed."""
    listed = list(changes)
    for title, found in (("Breaking", breaking(listed)), ("Changed", growth(listed))):
        if found:
            yield from ("", f"### {title}", "", *(f"- {line}" for line in told(found, "`")))
    if any(change.kind in WORDS for change in listed):
        yield from ("", "Descriptions and examples read differently in places.")
    if not listed:
        yield from ("", "Nothing.")


def _grouped(changes: Iterable[Change]) -> dict[tuple[str, ...], tuple[Change, list[str]]]:
    """Return each change once, with the operations that have it."""
    groups: dict[tuple[str, ...], tuple[Change, list[str]]] = {}
    for change in changes:
        _, operations = groups.setdefault(_same(change), (change, []))
        if change.operation and change.operation not in operations:
            operations.append(change.operation)
    return groups


def _same(change: Change) -> tuple[str, ...]:
    """Return what a change has in common for all operations: of a schema, not the place that it has in each of them."""
    if change.pointer.startswith("/components"):
        return change.kind, change.pointer, change.detail
    return change.kind, change.words
