"""What a request is compared with, read from our own tables: the last invoices, today's lines, what was approved."""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_apis.invoice_release.approvals import approved_of
from process_apis.invoice_release.order import ReleaseOrder
from process_apis.invoice_release.usual import ReleaseSettings, Usual
from process_apis.ledger.contracts import tb_contract
from process_apis.ledger.entities import LegalEntity
from process_apis.ledger.facts import Kind, tb_fact
from process_apis.ledger.money import total
from process_apis.ledger.requests import (
    IN_FLIGHT,
    RequestState,
    tb_invoice_request,
    tb_invoice_request_fact,
)

_REQUEST = tb_invoice_request.c
_ON = tb_invoice_request_fact.c
_FACT = tb_fact.c


async def usual_of(
    connection: AsyncConnection,
    order: ReleaseOrder,
    settings: ReleaseSettings,
    entity: LegalEntity,
    now: datetime,
    *,
    but: str,
) -> Usual:
    """Return what the order's request is compared with, as far as anything is; `but` is its own id."""
    most_lines = settings.lines_per_project_and_day
    return Usual(
        billed=await _billed(connection, order, settings.trailing) if settings.unusual_percent else [],
        lines_today=await _lines_since(connection, order, _began(entity, now), but) if most_lines else 0,
        approved=await approved_of(connection, order.key),
    )


async def _billed(connection: AsyncConnection, order: ReleaseOrder, trailing: int) -> list[Decimal]:
    """Return what work came to on the last invoices with any: their nets without what was agreed as an amount.

    So fees are read, which are few, and not the facts of time, which may be thousands.
    """
    worked = exists().where(_ON.request_id == _REQUEST.id, _FACT.id == _ON.fact_id, _FACT.kind == Kind.sale.value)
    theirs = (_REQUEST.contract == order.contract, _REQUEST.customer == order.customer)
    posted = select(_REQUEST.id, _REQUEST.net).where(*theirs, _REQUEST.state == RequestState.posted.value, worked)
    rows = (await connection.execute(posted.order_by(_REQUEST.id.desc()).limit(trailing))).all()
    fees = await _fees_on(connection, [row.id for row in rows])
    return [Decimal(row.net) - total(fees.get(row.id, [])) for row in rows]


async def _fees_on(connection: AsyncConnection, request_ids: Sequence[str]) -> dict[str, list[Decimal]]:
    agreed = (_ON.request_id.in_(request_ids), _FACT.kind == Kind.fee.value)
    asked = select(_ON.request_id, _FACT.net).join(tb_fact, _FACT.id == _ON.fact_id).where(*agreed)
    found: dict[str, list[Decimal]] = {}
    for row in await connection.execute(asked):
        found.setdefault(row.request_id, []).append(Decimal(row.net))
    return found


async def _lines_since(connection: AsyncConnection, order: ReleaseOrder, began: datetime, but: str) -> int:
    """Return how many lines of the project were posted since then, or are on their way: a line is counted once."""
    flying = _REQUEST.state.in_([state.value for state in IN_FLIGHT])
    posted = and_(_REQUEST.state == RequestState.posted.value, _REQUEST.posted_at >= began)
    # By contracts, of which a project has a few and for which there is an index.
    contracts = select(tb_contract.c.id).where(tb_contract.c.project == order.project)
    mine = (_REQUEST.contract.in_(contracts), _REQUEST.id != but, or_(flying, posted))
    numbered = select(func.max(_ON.line)).join(tb_invoice_request, _REQUEST.id == _ON.request_id)
    return sum((await connection.execute(numbered.where(*mine).group_by(_ON.request_id))).scalars())


def _began(entity: LegalEntity, now: datetime) -> datetime:
    """Return when the day began where the entity is."""
    return datetime.combine(entity.today(now), time(), ZoneInfo(entity.time_zone)).astimezone(UTC)
