"""Work items of entries: one for each entry, whichever of its revisions is meant and whichever run met it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import to_builtins

from gateway.store.work_items import NewItem
from openapi.common.types import Code, Violation
from process_apis.ledger.entities import LegalEntity
from process_apis.ledger.entries import TimeEntry
from process_apis.ledger.keys import business_key
from process_apis.ledger.money import money

STEP: Final = "transfer_entry"
"""What the items say for a step: it is the entry's own, and none of a run's."""
DECEMBER: Final = 12


def trace_key(psa: str, external_id: str) -> str:
    """Return the key of an entry's work item."""
    return business_key("tb", psa, external_id)


def item_for(
    row: TimeEntry,
    *,
    code: Code,
    detail: str,
    violations: Sequence[Violation],
    at_risk: Decimal | None,
    currency: str | None,
    deadline: datetime,
) -> NewItem:
    """Return what is asked about the entry."""
    return NewItem(
        step=STEP,
        trace_key=trace_key(row.psa, row.external_id),
        code=code,
        detail=detail,
        facts={
            "connection": row.psa,
            "entry_id": row.external_id,
            "revision": row.revision,
            "violations": to_builtins(list(violations)),
        },
        deadline=deadline,
        amount_at_risk=money(at_risk, currency) if at_risk is not None and currency else None,
        legal_entity=row.legal_entity,
        customer=row.customer,
        project=row.project,
    )


def summary(violations: Sequence[Violation]) -> str:
    """Return what a person is told: the first violation, and how many more there are."""
    more = len(violations) - 1
    return violations[0].detail + (f" And {more} more." if more else "")


def cut_off(work_date: date, now: datetime, entity: LegalEntity | None) -> datetime:
    """Return until when it matters: the end of the month of the work, or of this one, where the entity is."""
    zone = ZoneInfo(entity.time_zone) if entity else UTC
    day = max(work_date, now.astimezone(zone).date())
    first = date(day.year + day.month // DECEMBER, day.month % DECEMBER + 1, 1)
    return (datetime.combine(first, time(), zone) - timedelta(seconds=1)).astimezone(UTC)
