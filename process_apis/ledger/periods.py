"""Which day the books show for what falls into a period that is closed."""

from datetime import date

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.erp.v1 import PeriodState
from process_apis.ledger.entities import LegalEntity
from system_apis.ports import Erp

AT_ONCE = 100


async def accounting_date(erp: Erp, entity: LegalEntity, day: date) -> date:
    """Return the day where its period is open, or the first day of the next open one where the entity allows it.

    Raises Refused(period_closed or period_not_open_yet).
    """
    mine = (await erp.list_periods(entity.code, on=day)).items
    if any(period.state is PeriodState.open for period in mine):
        return day
    if not mine or any(period.state is PeriodState.future for period in mine):
        raise Refused(Code.period_not_open_yet, f"The books have no open period for {day} yet.")
    later = await _next_open(erp, entity.code, day) if entity.period_policy == "next_open" else None
    if later is None:
        raise Refused(Code.period_closed, f"The period of {day} is closed.")
    return later


async def _next_open(erp: Erp, legal_entity: str, day: date) -> date | None:
    """Return the first day of the first open period that begins later; periods come the earliest first."""
    after: str | None = None
    while True:
        page = await erp.list_periods(legal_entity, after=after, limit=AT_ONCE)
        for period in page.items:
            if period.start > day and period.state is PeriodState.open:
                return period.start
        if page.after is None:
            return None
        after = page.after
