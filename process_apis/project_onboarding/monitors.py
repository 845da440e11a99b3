"""What is watched of onboardings."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.work_items import UNRESOLVED_STATES, tb_work_item
from gateway.telemetry.metrics import ONBOARDING_ITEMS, Figures, series
from process_apis.project_onboarding.workflow import KIND

_ITEM = tb_work_item.c


async def work_items(connection: AsyncConnection, now: datetime) -> Figures:  # noqa: ARG001 - a monitor's signature
    """Return how many work items of onboardings somebody has to resolve, by owner queue and code."""
    asked = (
        select(_ITEM.owner_queue, _ITEM.code, func.count())
        .where(_ITEM.state.in_(UNRESOLVED_STATES), _ITEM.process_kind == KIND)
        .group_by(_ITEM.owner_queue, _ITEM.code)
    )
    rows = await connection.execute(asked)
    return {series(ONBOARDING_ITEMS, owner_queue=queue, code=code): count for queue, code, count in rows}
