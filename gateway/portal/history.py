"""What changed: from release to release of a version, and from one version to the next. Made of the contracts."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from gateway.contract.compatibility import Change
from gateway.contract.released import Entry
from gateway.portal.html import link, table, text

NOTHING: Final = "<p>Nothing that programs meet.</p>"
ONLY_WORDS: Final = "words_changed"
"""How the kinds of changes end that no program meets."""


def section(entries: Sequence[Entry], successor: Entry | None, to: str) -> str:
    """Return the changelog, and what a caller meets who moves from the version before, or on to the next.

    `to` is the address of the successor's page.
    """
    first = entries[-1]
    own = [entry for entry in entries if entry is not first]
    parts = [f'<h2 id="changelog">Changelog</h2>{"".join(map(_release, own))}{_first(first)}']
    if first.since:
        parts.append(f'<h2 id="differences">What is other than in {escape(first.since)}</h2>{changes(first.changes)}')
    if successor:
        heading = f"What will be other in {escape(successor.contract)}"
        moved = f"<p>{link(to, 'Its page')} has the whole contract.</p>"
        parts.append(f'<h2 id="successor">{heading}</h2>{changes(successor.changes)}{moved}')
    return "".join(parts)


def changes(found: Iterable[Change]) -> str:
    """Return changes as a table, those first that break callers; what only reads differently is left out."""
    told = dict[tuple[bool, str], list[str]]()
    for each in sorted(found, key=lambda each: not each.breaking):
        if not each.kind.endswith(ONLY_WORDS):
            told.setdefault((each.breaking, each.words), []).append(each.operation or "the whole")
    rows = [
        ("breaks" if breaks else "compatible", text(words), "<br>".join(map(_operation, operations)))
        for (breaks, words), operations in told.items()
    ]
    return table("Changes", ("Verdict", "What changes", "Where"), rows) if rows else NOTHING


def _release(entry: Entry) -> str:
    when = f", {entry.released_on:%d %B %Y}" if entry.released_on else ", not released yet"
    return f"<h3>{escape(entry.version)}{when}</h3>{changes(entry.changes)}"


def _first(entry: Entry) -> str:
    when = f"on {entry.released_on:%d %B %Y}" if entry.released_on else "not released yet"
    return f"<h3>{escape(entry.version)}</h3><p>The first release of this version, {when}.</p>"


def _operation(name: str) -> str:
    return f"<code>{escape(name)}</code>"
