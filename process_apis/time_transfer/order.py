"""What a run and a recall keep for life, and how patient and how thorough a transfer is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from gateway.store.inbox import Source

RUN: Final = "time_transfer"
RECALL: Final = "time_recall"
TIME_ENTRY: Final = "time_entry"


class TransferSettings(Struct, frozen=True, kw_only=True):
    """How time is taken over; an installation may set each."""

    look_s: float = 2.0
    """How often it is looked whether a run is due: where entries wait, the next one starts at once."""
    poll_s: float = 60.0
    sweep_s: float = 900.0
    overlap_s: float = 600.0
    """How far before the last change seen is asked again: what was committed late bears an earlier moment."""
    since_days: int = 62
    """How far back the first run and each sweep look."""
    window_days: int = 7
    """How far back a poll looks where the PSA does not tell when time has changed."""
    retry_rejected_s: float = 900.0
    leave_doubt_s: float = 45.0
    """How long a run waits for an answer that got lost: then it goes on, and each later one looks for what came of it.
    """
    batch_entries: int = 200
    batches: int = 12
    """After so many the run ends, and the next one goes on: the engine keeps what each step returned."""
    pages: int = 10
    page_size: int = 200
    keep_settled_days: int = 2


class TransferOrder(Struct, frozen=True, kw_only=True):
    """A run: the time of which PSA, and whether all of it is counted."""

    connection: str
    sweep: bool
    legal_entity: str
    """Whose time it is where the PSA's project is not known here."""
    settings: TransferSettings
    polled_at: datetime | None = None
    """When changes were read last, by the run that left more than it could work off: this one goes on, and reads none.
    """

    @property
    def source(self) -> Source:
        """Return where its changes wait."""
        return source_of(self.connection)


class RecallOrder(Struct, frozen=True, kw_only=True):
    """A recall of one revision."""

    connection: str
    entry_id: str
    revision: int
    withdraw: bool
    reason: str
    legal_entity: str
    requested_by: str


def source_of(connection: str) -> Source:
    """Return the inbox of a PSA's time."""
    return Source(connection=connection, object_type=TIME_ENTRY)


def lock_of(connection: str) -> str:
    """Return the lock that the run of a PSA holds while it works."""
    return f"time/{connection}"


class Counts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of entries; a run's are the sum of its steps'."""

    read: int = 0
    duplicate_ignored: int = 0
    unchanged: int = 0
    requeued: int = 0
    posted: int = 0
    rejected: int = 0
    ignored: int = 0
    recalled: int = 0
    reversed: int = 0
    in_doubt: int = 0
    """Left, for a later run to look what came of them."""
    told: int = 0
    amounts: dict[str, str] = {}
    """What was posted as sales, by currency."""
    at_risk: dict[str, str] = {}


def counted(numbers: Mapping[str, int], **amounts: dict[str, str]) -> Counts:
    """Return the counts with these names."""
    values: dict[str, Any] = {**numbers, **amounts}
    return Counts(**values)
