"""What is watched of invoices: each attempt is a row of its own that stays as it ended, so counts only grow."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.telemetry.metrics import INVOICE_FAILURES, Figures, series
from process_apis.ledger.breaks import Break, shown
from process_apis.ledger.money import money
from process_apis.ledger.requests import RequestState, tb_invoice_request

REFUSED: Final = (RequestState.rejected, RequestState.held)
MISMATCH: Final = "amount_mismatch"
"""The ERP's invoice is not of the amount that was asked for."""
_REQUEST = tb_invoice_request.c


async def failures(connection: AsyncConnection, now: datetime) -> Figures:  # noqa: ARG001 - a monitor's signature
    """Return how many requests were refused or held, by legal entity and code."""
    refused = _REQUEST.state.in_([state.value for state in REFUSED])
    asked = select(_REQUEST.legal_entity, _REQUEST.code, func.count()).where(refused)
    rows = await connection.execute(asked.group_by(_REQUEST.legal_entity, _REQUEST.code))
    return {
        series(INVOICE_FAILURES, legal_entity=entity, code=code or "unknown"): count for entity, code, count in rows
    }


async def mismatches(connection: AsyncConnection, now: datetime) -> Figures:  # noqa: ARG001 - a monitor's signature
    """Return by how much the ERP's invoices differ from what was asked for."""
    asked = select(_REQUEST.legal_entity, _REQUEST.currency, _REQUEST.gross, _REQUEST.erp_gross)
    rows = (await connection.execute(asked.where(_REQUEST.erp_gross != _REQUEST.gross))).all()
    differences = [(row, Decimal(row.erp_gross) - Decimal(row.gross)) for row in rows]
    return shown(
        Break(legal_entity=row.legal_entity, category=MISMATCH, money=money(difference, row.currency))
        for row, difference in differences
        if difference  # The ERP may write the same amount with other decimals.
    )
