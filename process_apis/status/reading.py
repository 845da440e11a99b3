"""What our own tables know of projects and their billing, read for callers who were found to see it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.caller import Caller
from gateway.store.business_events import tb_business_event
from gateway.store.database import Store
from gateway.store.processes import Process, tb_process_instance
from gateway.store.visible import matching, seen_by
from gateway.store.work_items import UNRESOLVED, WorkItem, tb_work_item
from process_apis.ledger import hold_flags
from process_apis.ledger.entries import Approval, Transfer, tb_time_entry
from process_apis.ledger.facts import Fact, find_facts, tb_fact
from process_apis.ledger.requests import (
    OPEN,
    InvoiceRequest,
    RequestState,
    find_requests,
    tb_invoice_request,
    tb_invoice_request_fact,
)
from process_apis.status.amounts import SOLD

SHOWN: Final = 20
"""How much of a list stands in a project's status; what is beyond has a list of its own."""
PASSING: Final = ("accepted", "running", "in_doubt", "compensating")
"""What processes say between two things that happen."""
WITHOUT_AMOUNT: Final = (Transfer.ignored, Transfer.cancelled, Transfer.reversed)
"""In these nothing of an entry is waited for."""


class Happened(Struct, frozen=True, kw_only=True):
    """One event of a project."""

    at: datetime
    type: str
    subject: str


class Known(Struct, frozen=True, kw_only=True):
    """What our tables know of one project."""

    facts: list[Fact]
    entries_without_amount: int
    holds: list[Row[Any]]
    requests: list[InvoiceRequest]
    open_facts: frozenset[str]


async def known_of(connection: AsyncConnection, caller: Caller, project: str) -> Known:
    """Return what is known of the project's billing. Of several who pay for it, each sees its own part."""
    columns = tb_invoice_request.c
    invoiced = columns.state != RequestState.nothing_to_bill.value  # What nothing is on is no invoice.
    mine = (columns.project == project, invoiced, seen_by(caller, tb_invoice_request))
    holds = await hold_flags.holds_reaching(connection, project)
    return Known(
        facts=await facts_seen(connection, caller, tb_fact.c.project == project),
        entries_without_amount=await _entries_without_amount(connection, project),
        holds=[hold for hold in holds if caller.may_see(customer=hold.customer)],
        requests=(await find_requests(connection, *mine))[::-1],
        open_facts=await _open_facts(connection, project),
    )


async def onboardings_of(store: Store, caller: Caller, ids: Sequence[str]) -> dict[str, Process]:
    """Return those of the processes that the caller may see, by their ids."""
    wanted = tb_process_instance.c.id.in_(ids)
    async with store.begin() as connection:
        rows = await connection.execute(select(tb_process_instance).where(wanted, seen_by(caller, tb_process_instance)))
        return {row.id: Process.of(row) for row in rows}


async def items_of(store: Store, caller: Caller, projects: Sequence[str], processes: Sequence[str]) -> list[WorkItem]:
    """Return what waits for somebody in the projects, or in the processes, the newest first."""
    columns = tb_work_item.c
    inside = columns.project.in_(projects) | columns.process_id.in_(processes)
    waiting = columns.state.in_([state.value for state in UNRESOLVED])
    asked = select(tb_work_item).where(inside, waiting, seen_by(caller, tb_work_item)).order_by(columns.id.desc())
    async with store.begin() as connection:
        return [WorkItem.of(row) for row in await connection.execute(asked)]


async def timelines_of(store: Store, caller: Caller, projects: Sequence[str]) -> dict[str, list[Happened]]:
    """Return the newest events of each project that the caller may see, the newest first."""
    columns = tb_business_event.c
    place = func.row_number().over(partition_by=columns.project, order_by=columns.id.desc()).label("place")
    passing = [columns.type.not_like(f"tiebeam.%.{state}.v1") for state in PASSING]
    asked = select(columns.project, columns.time, columns.type, columns.subject, columns.id, place)
    counted = asked.where(columns.project.in_(projects), seen_by(caller, tb_business_event), *passing).subquery()
    newest = select(counted).where(counted.c.place <= SHOWN).order_by(counted.c.id.desc())
    found: defaultdict[str, list[Happened]] = defaultdict(list)
    async with store.begin() as connection:
        for row in await connection.execute(newest):
            found[row.project].append(Happened(at=row.time, type=row.type, subject=row.subject))
    return found


async def requests_seen(
    connection: AsyncConnection, caller: Caller, wanted: ColumnElement[bool], limit: int
) -> list[InvoiceRequest]:
    """Return the requests for invoices that the caller may see, the newest first."""
    seen = seen_by(caller, tb_invoice_request)
    asked = select(tb_invoice_request).where(wanted, seen).order_by(tb_invoice_request.c.id.desc())
    return [InvoiceRequest.of(row) for row in await connection.execute(asked.limit(limit))]


async def facts_seen(connection: AsyncConnection, caller: Caller, *wanted: ColumnElement[bool]) -> list[Fact]:
    """Return the sales and fees that the caller may see, the oldest first."""
    sold = tb_fact.c.kind.in_([kind.value for kind in SOLD])
    return await find_facts(connection, *wanted, sold, seen_by(caller, tb_fact))


async def on_lines(connection: AsyncConnection, request_ids: Sequence[str]) -> dict[str, dict[int, list[Fact]]]:
    """Return the facts of each line of each request."""
    columns = tb_invoice_request_fact.c
    asked = select(columns.request_id, columns.line, tb_fact).join(tb_fact, tb_fact.c.id == columns.fact_id)
    found: dict[str, dict[int, list[Fact]]] = {request_id: {} for request_id in request_ids}
    rows = await connection.execute(asked.where(columns.request_id.in_(request_ids)).order_by(tb_fact.c.id))
    for row in rows:
        found[row.request_id].setdefault(row.line, []).append(Fact.of(row))
    return found


async def _open_facts(connection: AsyncConnection, project: str) -> frozenset[str]:
    on = tb_invoice_request_fact.c
    asked = select(on.fact_id).join(tb_invoice_request, tb_invoice_request.c.id == on.request_id)
    states = [state.value for state in OPEN]
    wanted = matching(tb_invoice_request, project=project, state=states)
    return frozenset((await connection.execute(asked.where(wanted, on.live))).scalars())


async def _entries_without_amount(connection: AsyncConnection, project: str) -> int:
    """Return how many approved entries of the project are billable as far as is known, and have no fact."""
    columns, facts = tb_time_entry.c, tb_fact.c
    made = select(facts.id).where(facts.source_instance == columns.psa, facts.source_id == columns.external_id)
    waiting = columns.transfer.not_in([state.value for state in WITHOUT_AMOUNT])
    here = (columns.project == project, columns.approval == Approval.approved.value, waiting)
    counting = select(func.count()).select_from(tb_time_entry).where(*here, ~made.exists())
    return int((await connection.execute(counting)).scalar_one())
