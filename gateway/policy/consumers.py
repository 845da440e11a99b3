"""Which client is known by which row."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.policy.document import Row
from gateway.policy.globs import closeness
from gateway.policy.kinds.consumer import Consumer


class KnownConsumer(NamedTuple):
    """A consumer, and the row that it is known by."""

    policy: Consumer
    row: Row


class Consumers:
    """The rows of the kind `consumer`: the closest to the client's name holds, then to its issuer's, then the last.

    So `partner-*` stands before `*` wherever either is written: what narrows a client is not undone by a wider row.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        known = [KnownConsumer(row.policy, row) for row in rows if isinstance(row.policy, Consumer)]
        self.known = tuple(known)
        self.tiers = frozenset(one.policy.tier for one in known)

    def find(self, client_id: str, issuer: str) -> KnownConsumer | None:
        """Return the row of the client for whom the issuer vouches; None for one that no row knows."""
        found = self.matching(client_id, issuer)
        return found[-1] if found else None

    def matching(self, client_id: str, issuer: str) -> tuple[KnownConsumer, ...]:
        """Return every row that is for the client; the last one holds, and stands in the others' place."""
        ranked = [
            (by_client, by_issuer, place, one)
            for place, one in enumerate(self.known)
            if (by_client := closeness([one.policy.client_id], client_id)) is not None
            and (by_issuer := closeness(one.policy.issuers, issuer)) is not None
        ]
        return tuple(one for *_, one in sorted(ranked, key=lambda found: found[:3]))
