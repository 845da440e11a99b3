"""How many callers may be connected at once, and how much of a request is held before it is whole.

Whoever connects and sends nothing has a place for as long as the server waits for a head, 30 s: so places are many, and
each costs little. None is given that the process has no file for, since the database needs files as well.
"""

import resource
from typing import Final

MOST: Final = 4_096
"""Connections of a web process, idle ones too; who comes beyond waits until one is over."""
HEAD_BYTES: Final = 65_536
"""What the server holds of a head. More than the edge takes, which refuses in words: see `edge.limits`."""
OTHER_FILES: Final = 512
"""For the database, counters, connected systems and whatever else is open."""
FEWEST: Final = 64


def allowed() -> int:
    """Return how many connections there may be, after as many files were asked for as they need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST
    files = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(FEWEST, files - OTHER_FILES)
