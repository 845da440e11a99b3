"""What is watched of approved time on its way into the ERP."""

from datetime import datetime
from typing import Final

from msgspec import json
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.work_items import UNRESOLVED_STATES, tb_work_item
from gateway.telemetry.metrics import POSTING_DELAY, Figures, series
from openapi.common.types import Code, Money
from process_apis.ledger.breaks import Break, shown
from process_apis.ledger.entries import UNDER_WAY, Approval, Transfer, tb_time_entry
from process_apis.time_transfer.order import RECALL, RUN
from process_apis.time_transfer.sweeping import SWEEP

UNPOSTED: Final = (*UNDER_WAY, Transfer.rejected_validation)
"""Approved work in these is not in the books yet, whoever it waits for."""
_ENTRY, _ITEM = tb_time_entry.c, tb_work_item.c


async def posting_delay(connection: AsyncConnection, now: datetime) -> Figures:
    """Return how long ago the oldest entry was approved that is not posted, by legal entity; 0 where none waits."""
    waits = (_ENTRY.transfer.in_([state.value for state in UNPOSTED]), _ENTRY.approval == Approval.approved.value)
    asked = select(_ENTRY.legal_entity, func.min(_ENTRY.first_approved_at).label("since")).where(*waits)
    rows = await connection.execute(asked.group_by(_ENTRY.legal_entity))
    return {
        series(POSTING_DELAY, legal_entity=row.legal_entity): max(0, int((now - row.since).total_seconds()))
        for row in rows
    }


async def breaks(connection: AsyncConnection, now: datetime) -> Figures:  # noqa: ARG001 - a monitor's signature
    """Return what stands in open work items of time: it is approved on one side and not in the books of the other."""
    asked = select(_ITEM.legal_entity, _ITEM.step, _ITEM.code, _ITEM.amount_at_risk).where(
        _ITEM.state.in_(UNRESOLVED_STATES), _ITEM.process_kind.in_([RUN, RECALL])
    )
    return shown(
        Break(
            legal_entity=row.legal_entity,
            category=_category(row.step, row.code),
            money=json.decode(row.amount_at_risk, type=Money) if row.amount_at_risk else None,
        )
        for row in await connection.execute(asked)
    )


def _category(step: str, code: str) -> str:
    if step == SWEEP:
        return "unexplained"  # Both sides were counted, looked at again, and still differ.
    return "stuck_in_doubt" if code == Code.upstream_timeout_uncertain.value else "missing_in_erp"
