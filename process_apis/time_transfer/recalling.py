"""Taking back one revision at somebody's request: before it is posted, or by reversing what was posted."""

from collections.abc import Sequence
from typing import Final

from msgspec import structs
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION, Caller
from gateway.errors import Refused, Unavailable
from gateway.store.database import Store
from gateway.store.locks import tb_lock
from openapi.common.types import Code, Violation
from process_apis.ledger.entries import Approval, TimeEntry, Transfer, move_entries
from process_apis.ledger.facts import Adjustment, Billing, Fact, Posting, move_facts, tb_fact
from process_apis.ledger.holds import lock_scopes, scopes_of
from process_apis.ledger.requests import (
    OPEN,
    InvoiceRequest,
    find_requests,
    tb_invoice_request,
    tb_invoice_request_fact,
)
from process_apis.time_transfer.building import Group, groups_of
from process_apis.time_transfer.content import UNFINISHED, History
from process_apis.time_transfer.histories import histories, locked_histories
from process_apis.time_transfer.looking_up import Around
from process_apis.time_transfer.order import RecallOrder, lock_of
from process_apis.time_transfer.reversing import reversals_of, write_reversals
from system_apis.ports import Landscape

NOT_POSTED: Final = (Transfer.queued, Transfer.validating, Transfer.rejected_validation, Transfer.ignored)
WAITS: Final = "A posting of the entry is under way. Once its outcome is known the recall goes on by itself."


async def withdraw(store: Store, landscape: Landscape, order: RecallOrder, around: Around) -> list[Group]:
    """Return the reversals that are to be posted, the entry taken back with them in one transaction."""
    async with store.begin() as connection:
        if order.withdraw:  # Before anything that counts is read: the release locks alike.
            standing = (await histories(connection, order.connection, [order.entry_id]))[order.entry_id].standing
            if standing:
                await lock_scopes(connection, scopes_of(standing))
        history = (await locked_histories(connection, order.connection, [order.entry_id]))[order.entry_id]
        await _require_recallable(connection, order, history)
        to_post = await _withdrawn(connection, store, order, around, history)

    def size(erp: str) -> int:
        return landscape.erp(erp).capabilities.batch_size

    return groups_of(to_post, size, lambda fact: str(fact.accounting_date))


async def _require_recallable(connection: AsyncConnection, order: RecallOrder, history: History) -> None:
    latest = history.latest
    if latest is None or latest.revision != order.revision:
        raise Refused(Code.entry_revision_stale, "The entry has a newer revision. Recall that one.")
    under_way = [fact for fact in history.unfinished if fact.adjustment is not Adjustment.reversal]
    if under_way:
        await _wait_for_run(connection, order)
    # The work item that comes of it is the entry's customer's to read: nobody else's invoice is named.
    reader = structs.replace(INSTALLATION, customers=frozenset({latest.customer}) if latest.customer else "*")
    obstacle = await obstacle_to(connection, history.standing, reader, withdraw=order.withdraw)
    if obstacle is not None:
        raise obstacle


async def _wait_for_run(connection: AsyncConnection, order: RecallOrder) -> None:
    """Raise what lets the recall go on once the run has let go of the PSA's time."""
    name = lock_of(order.connection)
    holder = (await connection.execute(select(tb_lock.c.process_id).where(tb_lock.c.name == name))).scalar_one_or_none()
    if holder is None:
        raise Unavailable(Code.dependency_not_ready, WAITS)
    which = Violation(code=Code.lock_held, pointer="#/entry_id", detail=WAITS, actual=name)
    raise Refused(Code.lock_held, WAITS, which, process_id=holder)


async def obstacle_to(
    connection: AsyncConnection, facts: Sequence[Fact], caller: Caller = INSTALLATION, *, withdraw: bool
) -> Refused | None:
    """Return why the facts cannot be taken back; `withdraw` takes them off an invoice that is still being prepared.

    Of several who pay, each is told of its own invoice.
    """
    invoiced = [fact for fact in facts if fact.billing in {Billing.on_request, Billing.billed}]
    if not invoiced:
        return None
    requests = await requests_of(connection, [fact.id for fact in invoiced])
    early = all(request.state in OPEN for request in requests) and all(
        fact.billing is Billing.on_request for fact in invoiced
    )
    if early and withdraw:
        return None
    told = [one for one in requests if caller.may_see(customer=one.customer, project=one.project)]
    named = next((f"the invoice {one.invoice_number or one.business_key}" for one in told), "an invoice")
    advice = (
        "Recall it with `withdraw`, or cancel that invoice." if early else "Credit the invoice, then change the time."
    )
    detail = f"The time is on {named}. {advice}"
    violations = [
        Violation(code=Code.entry_already_billed, pointer="#/entry_id", detail=detail, actual=request.business_key)
        for request in told
    ]
    return Refused(Code.entry_already_billed, detail, *violations)


async def requests_of(connection: AsyncConnection, fact_ids: Sequence[str]) -> list[InvoiceRequest]:
    """Return the live requests that the facts are on."""
    columns = tb_invoice_request_fact.c
    mine = select(columns.request_id).where(columns.fact_id.in_(fact_ids), columns.live.is_(True))
    return await find_requests(connection, tb_invoice_request.c.id.in_(mine))


async def _withdrawn(
    connection: AsyncConnection, store: Store, order: RecallOrder, around: Around, history: History
) -> list[Fact]:
    # Run twice, or a run was quicker, or the ERP has refused an earlier one: reversals are there, and are posted.
    left = [*history.unfinished, *history.refused_reversals]
    ids = tb_fact.c.id.in_([fact.id for fact in left])
    await move_facts(connection, store, ids, posting=Posting.posting.value, code=None, detail=None)
    latest, standing = history.revisions[-1], history.standing
    asked = {"approval": Approval.recall_requested.value}
    if not standing:
        if latest.approval is Approval.approved:
            transfer = Transfer.cancelled if latest.transfer in NOT_POSTED else latest.transfer
            await move_entries(connection, store, [latest.id], **asked, transfer=transfer.value, code=None, detail=None)
        return left
    if order.withdraw:
        await _take_off(connection, store, standing)
    reversals = await write_reversals(connection, store, standing, reversals_of(store, around, standing))
    mine = _with_facts(history, standing)
    queued = Transfer.reversal_queued.value
    await move_entries(connection, store, [entry.id for entry in mine], transfer=queued)
    await move_entries(connection, store, [latest.id], **asked)
    return [*left, *(one for one in reversals if one.posting in UNFINISHED)]


def _with_facts(history: History, facts: Sequence[Fact]) -> list[TimeEntry]:
    revisions = {fact.revision for fact in facts}
    return [entry for entry in history.revisions if entry.revision in revisions]


async def _take_off(connection: AsyncConnection, store: Store, facts: Sequence[Fact]) -> None:
    """Take the facts off the invoices that are being prepared: the fence of their release sees it."""
    ids = [fact.id for fact in facts]
    columns = tb_invoice_request_fact.c
    leaving = update(tb_invoice_request_fact).where(columns.fact_id.in_(ids), columns.live.is_(True))
    await connection.execute(leaving.values(live=False))
    on_request = tb_fact.c.id.in_(ids) & (tb_fact.c.billing == Billing.on_request.value)
    await move_facts(connection, store, on_request, billing=Billing.ready.value)
