"""Which day the books show for what falls into a period that is closed."""

from collections.abc import Sequence
from datetime import date
from typing import Self

from msgspec import Struct

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.erp.v1 import Period, PeriodState
from process_apis.ledger.entities import LegalEntity, PeriodPolicy
from system_apis.ports import Erp

AT_ONCE = 100


class KnownPeriod(Struct, frozen=True, kw_only=True):
    """An interval of an entity's books."""

    legal_entity: str
    start: date
    end: date
    state: PeriodState

    @classmethod
    def of(cls, period: Period) -> Self:
        """Return as much of the ERP's period as the rule goes by."""
        return cls(legal_entity=period.legal_entity, start=period.start, end=period.end, state=period.state)


def accounting_date(day: date, periods: Sequence[KnownPeriod], policy: PeriodPolicy, *, today: date) -> date:
    """Return the day where its period is open, or the first day of the next open one where the policy allows it.

    What has happened is not dated into the future, whatever the books have opened ahead: a period that has not begun is
    waited for. Raises Refused(period_closed or period_not_open_yet).
    """
    mine = [period for period in periods if period.start <= day <= period.end]
    if any(period.state is PeriodState.open for period in mine):
        return day
    if not mine or any(period.state is PeriodState.future for period in mine):
        raise Refused(Code.period_not_open_yet, f"The books have no open period for {day} yet.")
    later = sorted(one.start for one in periods if one.state is PeriodState.open and one.start > day)
    if policy == "reject" or not later:
        raise Refused(Code.period_closed, f"The period of {day} is closed.")
    if later[0] > today:
        raise Refused(Code.period_not_open_yet, f"The period of {day} is closed, and the next begins on {later[0]}.")
    return later[0]


async def accounting_date_in(erp: Erp, entity: LegalEntity, day: date, *, today: date) -> date:
    """Return the day that the ERP's books show; its other periods are asked for only where they may matter."""
    periods = [KnownPeriod.of(one) for one in (await erp.list_periods(entity.code, on=day)).items]
    if entity.period_policy == "next_open" and not any(one.state is PeriodState.open for one in periods):
        periods = await periods_of(erp, entity.code)
    return accounting_date(day, periods, entity.period_policy, today=today)


async def periods_of(erp: Erp, legal_entity: str) -> list[KnownPeriod]:
    """Return all periods that the entity's books have, the earliest first."""
    found: list[KnownPeriod] = []
    after: str | None = None
    while True:
        page = await erp.list_periods(legal_entity, after=after, limit=AT_ONCE)
        found += [KnownPeriod.of(one) for one in page.items]
        after = page.after
        if after is None:
            return found
