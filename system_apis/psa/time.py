"""Time: what has changed, one entry, and what is approved of each project and day."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.errors import Refused
from gateway.listing import Listing
from openapi.common.types import Code, Violation
from openapi.instant import datetime
from openapi.system.psa.v1 import ApprovalState, TimeEntry, TimeEntryPage, TimeTotal, TimeTotals
from system_apis.access import not_there, require, sees_entity
from system_apis.ports import Psa
from system_apis.psa.projects import get_project

NO_TIME: Final = "This PSA keeps no time."
MOST_DAYS: Final = 62
"""Two months, so that a sweep looks at this one and the one before."""


async def list_time_entries(
    *,
    psa: Psa,
    caller: Caller,
    cursors: Cursors,
    changed_since: datetime,
    approval: ApprovalState | None,
    limit: int,
    cursor: str | None,
) -> TimeEntryPage:
    """Return the time that has changed since, the earliest change first, of the entities that the caller may see."""
    require(capability=psa.capabilities.time_entries, advice=NO_TIME)
    filters = {"connection": psa.connection, "changed_since": changed_since.isoformat(), "approval": approval}
    listing = Listing(cursors, "system/psa/v1:list_time_entries", caller, **filters)
    after = listing.after(cursor)
    found = await psa.list_time_entries(changed_since=changed_since, approval=approval, after=after, limit=limit)
    seen = [entry for entry in found.items if sees_entity(caller, psa.capabilities, entry.legal_entity)]
    return TimeEntryPage(items=seen, next_cursor=listing.next_cursor(found.after))


async def get_time_entry(*, psa: Psa, caller: Caller, entry_id: str) -> TimeEntry:
    """Return the time entry; one of another entity is not there."""
    require(capability=psa.capabilities.time_entries, advice=NO_TIME)
    found = await psa.get_time_entries([entry_id])
    if entry_id not in found or not sees_entity(caller, psa.capabilities, found[entry_id].legal_entity):
        raise not_there()
    return found[entry_id]


async def list_time_totals(*, psa: Psa, caller: Caller, first: date, last: date) -> TimeTotals:
    """Return one row for each project and day that has approved time, of the projects that the caller may see."""
    require(capability=psa.capabilities.time_entries, advice=NO_TIME)
    if not 0 <= (last - first).days <= MOST_DAYS:
        detail = f"Give a day on or after `first`, at most {MOST_DAYS} days later."
        violation = Violation(code=Code.request_parameter_invalid, pointer="#query/last", detail=detail)
        raise Refused(Code.request_malformed, detail, violation)
    return TimeTotals(totals=await _seen(psa, caller, await psa.list_time_totals(first, last)))


async def _seen(psa: Psa, caller: Caller, totals: Sequence[TimeTotal]) -> list[TimeTotal]:
    """Return the rows of projects that the caller may see: a row does not say whose it is, its project does."""
    if sees_entity(caller, psa.capabilities, None):
        return list(totals)
    ids = sorted({total.project_id for total in totals})
    seen = {project_id for project_id in ids if await _sees_project(psa, caller, project_id)}
    return [total for total in totals if total.project_id in seen]


async def _sees_project(psa: Psa, caller: Caller, project_id: str) -> bool:
    """Tell whether the project is there for the caller."""
    try:
        await get_project(psa=psa, caller=caller, project_id=project_id)
    except Refused as refused:
        if refused.code is Code.resource_not_found:
            return False
        raise
    return True
