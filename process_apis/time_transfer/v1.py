"""Handlers of `openapi/process/time_transfer/v1.yaml`: start or meet a run, look at entries, take one back."""

import hashlib
from typing import Final

from msgspec import UNSET, json

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.durable import Engine, Process, enqueue, get_process, list_processes, wait_until_resting
from gateway.errors import Refused
from gateway.listing import Listing
from gateway.store.database import Store
from gateway.store.pages import Window
from gateway.store.visible import seen_by
from openapi.common.types import Code, OwnerQueue, Violation
from openapi.process.time_transfer.v1 import (
    EntryPage,
    NewRecall,
    NewRun,
    Recall,
    RunPage,
    RunState,
    TransferRun,
    TransferState,
)
from process_apis.ledger.entries import TimeEntry, find_entries, tb_time_entry
from process_apis.ledger.keys import business_key
from process_apis.time_transfer import answers, entry_answers, runs
from process_apis.time_transfer.histories import histories
from process_apis.time_transfer.order import RECALL, RUN, RecallOrder, TransferOrder, TransferSettings
from process_apis.time_transfer.recalling import obstacle_to
from process_apis.time_transfer.schedules import order_for
from process_apis.time_transfer.workflow import recall_time, transfer_time
from system_apis.ports import Landscape

ENTRY: Final = tb_time_entry.c


async def start_run(  # noqa: PLR0913 - the contract's parameters, and what the installation provides
    *,
    landscape: Landscape,
    store: Store,
    engine: Engine,
    transfer_settings: TransferSettings,
    caller: Caller,
    correlation_id: str,
    body: NewRun,
    wait_s: int | None,
) -> TransferRun:
    """Return the run of the PSA that is open: accepted now, or met."""
    order = _order(landscape, transfer_settings, caller, body)
    process = await runs.start(store, engine, transfer_time, order, caller.client_id, correlation_id)
    if wait_s:
        process = await wait_until_resting(store, process.id, wait_s)
    return (await answers.runs(store, caller, [process]))[0]


async def list_runs(
    *,
    store: Store,
    caller: Caller,
    cursors: Cursors,
    connection: str | None,
    state: RunState | None,
    limit: int,
    cursor: str | None,
) -> RunPage:
    """Return the runs that the caller may see, the newest first."""
    listing = Listing(cursors, "process/time_transfer/v1:list_runs", caller, connection=connection, state=state)
    window = Window(after=listing.after(cursor), limit=limit)
    found = await list_processes(store, caller, window, kind=RUN, source=connection, state=state)
    items = await answers.runs(store, caller, found.items)
    return RunPage(items=items, next_cursor=listing.next_cursor(found.after))


async def get_run(*, store: Store, caller: Caller, run_id: str) -> TransferRun:
    """Return the run with its steps."""
    process = await _require(store, caller, run_id, RUN)
    return (await answers.runs(store, caller, [process]))[0]


async def list_entries(  # noqa: PLR0913 - the contract's parameters
    *,
    store: Store,
    caller: Caller,
    cursors: Cursors,
    connection: str | None,
    external_id: str | None,
    project: str | None,
    transfer: TransferState | None,
    limit: int,
    cursor: str | None,
) -> EntryPage:
    """Return the revisions of entries that the caller may see, the newest first, with their facts."""
    _require_pair(connection, external_id)
    filters = {"psa": connection, "external_id": external_id, "project": project, "transfer": transfer}
    listing = Listing(cursors, "process/time_transfer/v1:list_entries", caller, **filters)
    window = Window(after=listing.after(cursor), limit=limit)
    found = await entry_answers.list_shown(store, caller, window, filters)
    return EntryPage(items=found.items, next_cursor=listing.next_cursor(found.after))


async def recall_entry(
    *,
    store: Store,
    engine: Engine,
    caller: Caller,
    correlation_id: str,
    body: NewRecall,
    wait_s: int | None,
) -> Recall:
    """Return the recall, accepted now or earlier; an entry that is on an invoice is refused, and the invoice named."""
    entry, withdraw = await _recallable(store, caller, body), body.withdraw is True
    order = RecallOrder(
        connection=body.connection,
        entry_id=body.entry_id,
        revision=entry.revision,
        withdraw=withdraw,
        reason=body.reason,
        legal_entity=entry.legal_entity,
        requested_by=caller.subject,
    )
    process = await enqueue(
        store,
        engine,
        recall_time,
        order,
        key=business_key("rec", body.connection, body.entry_id, f"r{entry.revision}"),
        payload_sha256=hashlib.sha256(json.encode(withdraw)).hexdigest(),
        caller_client_id=caller.client_id,
        correlation_id=correlation_id,
        legal_entity=entry.legal_entity,
        owner=OwnerQueue.PMO,
        customer=entry.customer,
        project=entry.project,
        source=body.connection,
        external_id=body.entry_id,
    )
    if wait_s:
        process = await wait_until_resting(store, process.id, wait_s)
    return await answers.recall(store, caller, process)


async def get_recall(*, store: Store, caller: Caller, recall_id: str) -> Recall:
    """Return the recall."""
    return await answers.recall(store, caller, await _require(store, caller, recall_id, RECALL))


def _order(landscape: Landscape, settings: TransferSettings, caller: Caller, body: NewRun) -> TransferOrder:
    """Return the order; raises Refused where no PSA is known by the name that the caller may see, or it tells no time.

    A run is of all time in its PSA: whoever may see a part of it only is not told what it counts and sums.
    """
    detail = f"There is no PSA with the name {body.connection}, or its time is of more than you may see."
    unknown = Refused(
        Code.connection_not_known,
        detail,
        Violation(code=Code.connection_not_known, pointer="#/connection", detail=detail),
    )
    try:
        psa = landscape.psa(body.connection)
    except Refused as refused:
        raise unknown from refused
    order = order_for(psa, settings, sweep=body.sweep is not UNSET and body.sweep)
    if caller.is_limited or not caller.may_see(legal_entity=order.legal_entity):
        raise unknown
    if not psa.capabilities.time_entries:
        raise Refused(Code.capability_missing, "This PSA tells of no time.")
    return order


async def _recallable(store: Store, caller: Caller, body: NewRecall) -> TimeEntry:
    """Return the newest revision; raises Refused where there is none that the caller may see, or it is invoiced."""
    mine = (ENTRY.psa == body.connection, ENTRY.external_id == body.entry_id, seen_by(caller, tb_time_entry))
    async with store.begin() as connection:
        found = await find_entries(connection, *mine)
        if not found:
            detail = "No such entry was taken over, or you may not see it."
            violation = Violation(code=Code.entry_not_known, pointer="#/entry_id", detail=detail)
            raise Refused(Code.entry_not_known, detail, violation)
        history = (await histories(connection, body.connection, [body.entry_id]))[body.entry_id]
        obstacle = await obstacle_to(connection, history.standing, caller, withdraw=body.withdraw is True)
    if obstacle:
        raise obstacle
    return max(found, key=lambda entry: entry.revision)


async def _require(store: Store, caller: Caller, process_id: str, kind: str) -> Process:
    process = await get_process(store, caller, process_id)
    if process.kind != kind:
        raise Refused(Code.resource_not_found, "There is none with this id, or you may not see it.")
    return process


def _require_pair(connection: str | None, external_id: str | None) -> None:
    if external_id is not None and connection is None:
        detail = "Give `connection` with `external_id`: an id means something in its system only."
        violation = Violation(code=Code.request_parameter_invalid, pointer="#query/connection", detail=detail)
        raise Refused(Code.request_malformed, detail, violation)
