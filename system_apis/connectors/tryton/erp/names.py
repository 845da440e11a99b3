"""A part of a name in any case: SQLite folds ASCII alone, so that other letters are compared here. Pure."""

from system_apis.connectors.tryton.wire import escaped


def pattern(name: str) -> str:
    """Return the pattern for `ilike`; it may find more than `matches` says."""
    return f"%{''.join(escaped(letter) if letter.isascii() else '_' for letter in name.strip())}%"


def matches(found: str | None, name: str) -> bool:
    """Tell whether the name is a part of the one found."""
    return name.strip().casefold() in (found or "").casefold()
