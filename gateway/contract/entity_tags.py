"""Versions as entity tags and back. What a tag cannot hold is percent-encoded, so that any version survives the way."""

from string import punctuation
from urllib.parse import quote, unquote

_PLAIN = punctuation.replace('"', "").replace("%", "")


def entity_tag(version: str) -> str:
    """Return the version as a strong tag (RFC 9110 §8.8.3)."""
    return f'"{quote(version, safe=_PLAIN)}"'


def version_in(tag: str) -> str:
    """Return the version in a strong tag."""
    return unquote(tag[1:-1])
