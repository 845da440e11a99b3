"""The transfer of time, batch by batch: taken in, prepared, posted, settled, told. And the recall of one entry.

Names of steps are stored for years. A run ends after so many batches, and the next one goes on: what a run keeps stays
small. Each post is a pivot: what is in the books is reversed, never undone.
"""

from collections.abc import Sequence
from functools import partial

from msgspec import Struct, json

from gateway.caller import INSTALLATION
from gateway.durable import Engine, Leave, Process, finish, get_process, skip, step, submit_many, workflow
from gateway.errors import Refusal
from gateway.store import inbox
from gateway.store.database import Store
from gateway.store.work_items import WorkItem
from gateway.trace import correlation_id_of, current_correlation_id
from gateway.writes import Item
from openapi.process.time_transfer.v1 import RecallState
from process_apis.ledger.entities import Entities
from process_apis.ledger.mappings import Mappings
from process_apis.time_transfer import (
    looking_up,
    posting,
    preparing,
    recalling,
    runs,
    settling,
    sweeping,
    taking_in,
    telling,
)
from process_apis.time_transfer.building import Group
from process_apis.time_transfer.looking_up import Around
from process_apis.time_transfer.order import RECALL, RUN, RecallOrder, TransferOrder
from process_apis.time_transfer.posting import Booked
from process_apis.time_transfer.settling import Outcomes, Work
from system_apis.looks import feedback_shown
from system_apis.ports import Landscape, Psa, posting_slot

CAPABILITY = "capability"
AGREED = ("legal_entity", "project_id", "date", "net")
STEPS = 160
"""After so many the run ends: the engine reads all of them back when it takes a run up again."""
STEPS_OF_A_BATCH = 5
TOLD_AT_ONCE = 200


class Transferred(Struct, frozen=True, kw_only=True):
    """What came of a run, beside what its steps have counted."""

    more: bool


class Recalled(Struct, frozen=True, kw_only=True):
    """What came of a recall."""

    reversals: int


class Tools(Struct, frozen=True, kw_only=True):
    """What the parts of both workflows have in common."""

    store: Store
    landscape: Landscape
    entities: Entities
    psa: Psa


async def take_up(store: Store, engine: Engine, item: WorkItem) -> Process:
    """Return the run that looks at the item's entries anew."""
    asked = json.decode(item.facts, type=Asked)
    process = await get_process(store, INSTALLATION, item.process_id)
    order = json.decode(process.order, type=TransferOrder)
    async with store.begin() as connection:
        ids = [one for one in (asked.entry_id, *asked.entry_ids) if one]
        await inbox.put_again(connection, store, order.source, ids)
    correlation_id = current_correlation_id.get() or correlation_id_of(None)
    return await runs.start(store, engine, transfer_time, order, process.caller_client_id, correlation_id)


class Asked(Struct, frozen=True, kw_only=True):
    """Which entries a work item is about."""

    entry_id: str = ""
    entry_ids: list[str] = []


@workflow(name=RUN, refusals="park", take_up=take_up)
async def transfer_time(
    landscape: Landscape, store: Store, mappings: Mappings, entities: Entities, order: TransferOrder
) -> Transferred:
    """Take over what has changed in a PSA: each approved entry becomes facts and postings, once."""
    tools = Tools(store=store, landscape=landscape, entities=entities, psa=landscape.psa(order.connection))

    await step(runs.BEGIN, taking_in.begin, store, order)
    if order.polled_at is None:
        await take_changes_in(tools, order)
    if order.sweep:
        await step("sweep_totals", sweeping.look_again, store, tools.psa, order, on=order.connection)
    more = await step("anything_waits", taking_in.more_waits, store, order)
    if more:
        more = await work_off(tools, order, mappings)
    await tell(tools, order.connection, leave_after_s=order.settings.leave_doubt_s)
    if order.sweep and not more:
        await step("explain_differences", sweeping.explain, store, tools.psa, entities, order, on=order.connection)
    return Transferred(more=more)


async def take_changes_in(tools: Tools, order: TransferOrder) -> None:
    """Put what has changed into the inbox, page by page; what is more than a run takes comes with the next."""
    taken = None
    for _ in range(order.settings.batches):
        taken = await step(
            "take_in_changes", taking_in.take_in, tools.store, tools.psa, order, taken, on=order.connection
        )
        if taken.after is None:
            return


async def work_off(tools: Tools, order: TransferOrder, mappings: Mappings) -> bool:
    """Tell whether anything is left after as many batches as a run takes."""
    store, landscape = tools.store, tools.landscape
    periods = await step("read_periods", looking_up.read_periods, store, landscape, order.connection)
    around = Around.of(order.connection, tools.entities, mappings, periods)
    several = len({looking_up.erp_of(landscape, code) for code in periods}) > 1
    used = 0
    for number in range(order.settings.batches):
        if used > STEPS:
            break
        prepared = await step(
            "prepare_batch", preparing.prepare, store, tools.psa, landscape, order, around, number, on=order.connection
        )
        if not prepared.claimed:
            return False
        work = Work(connection=order.connection, batch=preparing.batch_name(number))
        await post_and_settle(tools, work, prepared.groups, leave_after_s=order.settings.leave_doubt_s, several=several)
        used += STEPS_OF_A_BATCH + len(prepared.groups)
        if number + 1 < order.settings.batches and used <= STEPS:
            await tell(tools, order.connection, leave_after_s=order.settings.leave_doubt_s)
    return await step("more_waits", taking_in.more_waits, store, order)


async def post_and_settle(
    tools: Tools, work: Work, groups: Sequence[Group], *, leave_after_s: float | None = None, several: bool = False
) -> None:
    """Post what was prepared, and record what came of it; one that the ERP refuses stops none of the others.

    With `leave_after_s` one of which nobody knows does not either: after so long it is left to a later run. So is one
    whose ERP is away, where `several` ERPs get the PSA's time.
    """
    done: dict[str, Booked] = {}
    refused: dict[str, Refusal] = {}
    in_doubt: dict[str, bool] = {}
    for group in groups:
        erp = tools.landscape.erp(group.erp)
        batch = await submit_many(
            "post_billable_transactions",
            on=erp,
            items=[Item(key=one.business_key, payload=one) for one in group.to_post],
            look=partial(posting.posted_only, erp),
            act=partial(posting.posted, tools.store, erp.post_billable_transactions),
            agree=AGREED,
            serial=posting_slot(erp, group.legal_entity),
            pivot=True,
            leave=leave(leave_after_s, again=group.in_doubt, away=several),
        )
        done |= batch.done
        refused |= batch.refused
        in_doubt |= dict.fromkeys(batch.left, batch.overdue)
    outcomes = Outcomes(done=done, refused=refused, in_doubt=in_doubt)
    await finish(step("settle_batch", settling.settle, tools.store, tools.entities, work, outcomes))


def leave(after_s: float | None, *, again: bool = False, away: bool = False) -> Leave | None:
    """Return when a write of unknown outcome is left: what was left before gets one look.

    With `away` it is left too where the system cannot be reached.
    """
    return None if after_s is None else Leave(after_s=0.0 if again else after_s, unreached=again or away)


async def tell(tools: Tools, connection: str, *, leave_after_s: float | None = None) -> None:
    """Tell the PSA what became of entries, where that is not what it was told last.

    What it may not have heard is told again by a later run, which keeps nobody else's time waiting.
    """
    psa = tools.psa
    if not psa.capabilities.time_feedback:
        skip("write_time_feedback", CAPABILITY, on=connection)
        return
    pending = await finish(step("collect_feedback", telling.pending, tools.store, connection, TOLD_AT_ONCE))
    if not pending.feedback:
        return
    wanted = {one.entry_id: one for one in pending.feedback}
    batch = await finish(
        submit_many(
            "write_time_feedback",
            on=psa,
            items=[Item(key=one, payload=feedback) for one, feedback in wanted.items()],
            look=partial(feedback_shown, psa, wanted),
            act=psa.write_time_feedback,
            makes=False,
            leave=leave(leave_after_s),
        )
    )
    told = {one: telling.digest(wanted[one]) for one in batch.done}
    later = sorted([*batch.refused, *batch.left])
    await finish(step("note_feedback", telling.note_told, tools.store, connection, told, later, overdue=batch.overdue))


@workflow(name=RECALL, refusals="park", completed=RecallState.recalled)
async def recall_time(
    landscape: Landscape, store: Store, mappings: Mappings, entities: Entities, order: RecallOrder
) -> Recalled:
    """Take one revision back: not posted, it never is; posted, it is reversed."""
    psa = landscape.psa(order.connection)
    tools = Tools(store=store, landscape=landscape, entities=entities, psa=psa)
    periods = await step("read_periods", looking_up.read_periods, store, landscape, order.connection)
    around = Around.of(order.connection, entities, mappings, periods)
    groups = await step("withdraw_entry", recalling.withdraw, store, landscape, order, around)
    await post_and_settle(tools, Work(connection=order.connection, entry_id=order.entry_id), groups)
    await tell(tools, order.connection)
    return Recalled(reversals=sum(len(group.lines) for group in groups))
