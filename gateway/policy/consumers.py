"""Which client is known by which row."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from gateway.policy.document import Row
from gateway.policy.kinds.consumer import Consumer


class KnownConsumer(NamedTuple):
    """A consumer, and the row that it is known by."""

    policy: Consumer
    row: Row


class Consumers:
    """The rows of the kind `consumer`: one that names the client stands before a glob, among equals the last."""

    def __init__(self, rows: Sequence[Row]) -> None:
        known = [KnownConsumer(row.policy, row) for row in rows if isinstance(row.policy, Consumer)]
        self.known = tuple(known)
        self.tiers = frozenset(one.policy.tier for one in known)
        self._by_name = {one.policy.client_id: one for one in known}

    def find(self, client_id: str) -> KnownConsumer | None:
        """Return the client's row; None for a client that no row knows."""
        if client_id in self._by_name:
            return self._by_name[client_id]
        return next((one for one in reversed(self.known) if fnmatchcase(client_id, one.policy.client_id)), None)

    def matching(self, client_id: str) -> tuple[KnownConsumer, ...]:
        """Return every row that is for the client, also those in whose place a more specific one stands."""
        return tuple(one for one in self.known if fnmatchcase(client_id, one.policy.client_id))
