"""What was written down, looked up: by the id of a decision, or page by page."""

from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, Row, and_, or_, select, true

from gateway.errors import Refused
from gateway.store.audit import TABLE, Entry
from gateway.store.database import Store
from gateway.store.pages import Listed, Window
from gateway.store.visible import matching
from openapi.common.types import Code

_COLUMNS: Final = TABLE.c


class Recorded(Entry, frozen=True, kw_only=True):
    """An entry as it stands in its writer's chain."""

    at: datetime
    writer: str
    sequence: int
    hash: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the entry that a row holds."""
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


async def get_entry(store: Store, decision_id: str) -> Recorded:
    """Return what was decided under the id, as a problem's `instance` names it; else Refused(resource_not_found)."""
    async with store.begin() as connection:
        row = (await connection.execute(select(TABLE).where(_COLUMNS.id == decision_id))).one_or_none()
    if row is None:
        raise Refused(Code.resource_not_found, "There is no such decision: reads that were answered have no row.")
    return Recorded.of(row)


async def list_entries(
    store: Store,
    window: Window,
    *,
    client_id: str | None = None,
    code: str | None = None,
    since: datetime | None = None,
) -> Listed[Recorded]:
    """Return the entries, the newest first; those from before `since` are left out."""
    wanted = matching(TABLE, client_id=client_id, code=code)
    late = true() if since is None else _COLUMNS.at >= since
    asked = select(TABLE).where(wanted, late, _older_than(window.after))
    newest = asked.order_by(_COLUMNS.at.desc(), _COLUMNS.id.desc()).limit(window.limit + 1)
    async with store.begin() as connection:
        rows = (await connection.execute(newest)).all()
    shown = rows[: window.limit]
    more = len(rows) > window.limit and bool(shown)
    return Listed(items=[Recorded.of(row) for row in shown], after=str(shown[-1].id) if more else None)


def _older_than(after: str | None) -> ColumnElement[bool]:
    """Return the condition for the next page: a decision's id does not tell its age, so the entry is asked for it."""
    if after is None:
        return true()
    at = select(_COLUMNS.at).where(_COLUMNS.id == after).scalar_subquery()
    return or_(_COLUMNS.at < at, and_(_COLUMNS.at == at, _COLUMNS.id < after))
