"""What was written down, looked up: by the id of a decision, or page by page."""

from datetime import datetime

from gateway.store.audit import Entry
from gateway.store.database import Store
from gateway.store.pages import Listed, Window


class Recorded(Entry, frozen=True, kw_only=True):
    """An entry as it stands in its writer's chain."""

    at: datetime
    writer: str
    sequence: int
    hash: str


async def get_entry(store: Store, decision_id: str) -> Recorded:
    """Return what was decided under the id, as a problem's `instance` names it; else Refused(resource_not_found)."""
    raise NotImplementedError


async def list_entries(
    store: Store, window: Window, *, client_id: str | None = None, code: str | None = None, since: datetime | None = None
) -> Listed[Recorded]:
    """Return the entries, the newest first; `since` is the moment of the oldest one that is wanted."""
    raise NotImplementedError
