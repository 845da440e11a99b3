r"""Ids in paths. An edge refuses encoded slashes, and rightly; ids of other systems may hold them all the same.

So what a path segment must not hold is written in the id itself, before the usual encoding: `%` as `%25`, `/` as `%2F`,
`\` as `%5C`, a blank as `%20`. The project `A/1` is `…/projects/A%252F1`. Ids without these four are written as ever.
"""

import re
from urllib.parse import quote

_WRITTEN = {"%": "%25", "/": "%2F", "\\": "%5C", " ": "%20"}
_READ = {text: character for character, text in _WRITTEN.items()}
_TO_WRITE = re.compile(r"[%/\\ ]")
_TO_READ = re.compile("|".join(_READ))
_WELL_WRITTEN = re.compile(r"(?:[^%/\\ ]|%(?:25|2F|5C|20))+\Z")
RELATIVE = frozenset({".", ".."})


def decode_segment(segment: str) -> str:
    """Return the id that a segment stands for, once the segment itself is decoded; each id has one spelling.

    Raises ValueError.
    """
    if "%" not in segment:
        return segment
    if not _WELL_WRITTEN.match(segment) or (found := _TO_READ.sub(lambda text: _READ[text[0]], segment)) in RELATIVE:
        raise ValueError(segment)
    return found


def encode_segment(identifier: str) -> str:
    """Return the id as a segment of a URL, encoded all the way."""
    return quote(_TO_WRITE.sub(lambda text: _WRITTEN[text[0]], identifier), safe="")
