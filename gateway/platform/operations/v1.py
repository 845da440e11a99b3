"""Handlers of `openapi/platform/operations/v1.yaml`: what is under way, and what waits for somebody."""

from collections.abc import Sequence

from msgspec import structs

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.durable import Engine, Workflows, resume
from gateway.listing import Listing
from gateway.store import process_steps, processes, work_items
from gateway.store.database import Store
from gateway.store.pages import Window
from gateway.store.process_steps import ProcessStep
from gateway.store.processes import Process
from gateway.store.work_items import ItemState
from openapi.common.types import OwnerQueue
from openapi.platform.operations.v1 import (
    Assignment,
    Object,
    Object1,
    ProcessInstance,
    ProcessInstancePage,
    ProcessState,
    Resolution,
    Resumption,
    Step,
    WorkItem,
    WorkItemPage,
    WorkItemState,
)


async def list_process_instances(  # noqa: PLR0913 - the contract's parameters
    *,
    store: Store,
    caller: Caller,
    cursors: Cursors,
    state: ProcessState | None,
    kind: str | None,
    business_key: str | None,
    limit: int,
    cursor: str | None,
) -> ProcessInstancePage:
    """Return the instances that the caller may see, the newest first."""
    operation = "platform/operations/v1:list_process_instances"
    listing = Listing(cursors, operation, caller, state=state, kind=kind, business_key=business_key)
    window = Window(after=listing.after(cursor), limit=limit)
    found = await processes.list_all(store, caller, window, state=state, kind=kind, business_key=business_key)
    items = await _shown(store, caller, found.items)
    return ProcessInstancePage(items=items, next_cursor=listing.next_cursor(found.after))


async def get_process_instance(*, store: Store, caller: Caller, process_id: str) -> ProcessInstance:
    """Return the instance with its steps."""
    process = await processes.get(store, caller, process_id)
    return (await _shown(store, caller, [process]))[0]


async def list_work_items(  # noqa: PLR0913 - the contract's parameters
    *,
    store: Store,
    caller: Caller,
    cursors: Cursors,
    state: WorkItemState | None,
    owner_queue: OwnerQueue | None,
    process_id: str | None,
    limit: int,
    cursor: str | None,
) -> WorkItemPage:
    """Return the items that the caller may see, the newest first; without a state, the unresolved ones."""
    operation = "platform/operations/v1:list_work_items"
    listing = Listing(cursors, operation, caller, state=state, owner_queue=owner_queue, process_id=process_id)
    window = Window(after=listing.after(cursor), limit=limit)
    wanted = ItemState(state) if state else None
    found = await work_items.list_all(
        store, caller, window, state=wanted, owner_queue=owner_queue, process_id=process_id
    )
    items = [_item(item) for item in found.items]
    return WorkItemPage(items=items, next_cursor=listing.next_cursor(found.after))


async def get_work_item(*, store: Store, caller: Caller, work_item_id: str) -> WorkItem:
    """Return the item."""
    return _item(await work_items.get(store, caller, work_item_id))


async def assign_work_item(*, store: Store, caller: Caller, work_item_id: str, body: Assignment) -> WorkItem:
    """Return the item, now the assignee's."""
    return _item(await work_items.assign(store, caller, work_item_id, body.assignee))


async def resume_work_item(
    *, store: Store, engine: Engine, workflows: Workflows, caller: Caller, work_item_id: str, body: Resumption
) -> ProcessInstance:
    """Return the process, going on from where it was parked; or the one that takes up what outlived its process."""
    item = await work_items.get(store, caller, work_item_id)
    workflow = workflows[item.process_kind]
    if item.lasting and workflow.take_up:
        process = await workflow.take_up(store, engine, item)
    else:
        process = await resume(store, engine, workflow, caller, item.process_id, body.decision)
    return (await _shown(store, caller, [process]))[0]


async def _shown(store: Store, caller: Caller, found: Sequence[Process]) -> list[ProcessInstance]:
    """Return the processes as the contract tells them, with their steps and open items read at once."""
    ids = [process.id for process in found]
    steps = await process_steps.list_all(store, caller, ids)
    open_items = await work_items.list_all(store, caller, Window(limit=10 * max(1, len(ids))), process_id=ids)
    return [
        _instance(process, steps[process.id], [item.id for item in open_items.items if item.process_id == process.id])
        for process in found
    ]


def _instance(process: Process, steps: Sequence[ProcessStep], items: list[str]) -> ProcessInstance:
    return ProcessInstance(
        id=process.id,
        object=Object.process_instance,
        kind=process.kind,
        business_key=process.business_key,
        attempt=process.attempt,
        state=ProcessState(process.state),
        outcome=process.outcome,
        current_step=process.current_step,
        legal_entity=process.legal_entity,
        steps=[step.shown_as(Step) for step in steps],
        work_items=items,
        correlation_id=process.correlation_id,
        created_at=process.created_at,
        updated_at=process.updated_at,
    )


def _item(item: work_items.WorkItem) -> WorkItem:
    values = structs.asdict(item) | {
        "object": Object1.work_item,
        "state": WorkItemState(item.state),
        "resolution": Resolution(item.resolution) if item.resolution else None,
    }
    return WorkItem(**{name: values[name] for name in WorkItem.__struct_fields__})
