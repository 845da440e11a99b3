"""The one form of a path that router, policies, cache keys and logs use. Refuses what it would have to repair."""

import re
from typing import Final

from gateway.errors import Refused
from openapi.common.types import Code

PLAIN: Final = re.compile(rb"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+\Z").match
"""Nothing to decode: most paths."""
ROOT: Final = b"/"
"""The one path with an empty segment: where people begin who type an address."""
FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f/\\]|^\.{1,2}$|^$").search
ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")


def normal(raw: bytes) -> str:
    """Return the path, decoded once; raises Refused. `%252F` becomes `%2F`, and stays a part of its segment."""
    if PLAIN(raw) or raw == ROOT:
        return raw.decode("ascii")
    if not raw.startswith(b"/"):
        raise _malformed()
    return "/" + "/".join(_segment(part) for part in raw[1:].split(b"/"))


def _segment(part: bytes) -> str:
    if part.count(b"%") != len(ESCAPE.findall(part)):
        raise _malformed()
    try:
        text = ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), part).decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed() from None
    if FORBIDDEN(text):
        raise _malformed()
    return text


def _malformed() -> Refused:
    return Refused(Code.request_path_malformed, "Encode each segment once; no empty or dot segments, no encoded slash.")
