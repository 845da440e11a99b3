"""What `tiebeam work-items` does: what waits for somebody, who has it, and going on with what they decided."""

from typing import Any, Final

import msgspec

from gateway.caller import INSTALLATION
from gateway.commands import with_parts
from gateway.composition.parts import CannotStart, Parts
from gateway.durable import resume
from gateway.settings import Settings
from gateway.store import work_items
from gateway.store.pages import Window
from gateway.store.work_items import ItemState, WorkItem
from openapi.common.types import OwnerQueue
from process_apis import WORKFLOWS

SHOWN: Final = 100
"""Work items in one listing."""


def list_work_items(settings: Settings, *, owner: str | None, everything: bool) -> str:
    """Return a line for each work item, the newest first."""
    queue = _queue(owner)

    async def listed(parts: Parts) -> list[WorkItem]:
        states: list[ItemState | None] = list(ItemState) if everything else [None]
        found = [
            await work_items.list_all(parts.store, INSTALLATION, Window(limit=SHOWN), state=state, owner_queue=queue)
            for state in states
        ]
        return sorted((item for page in found for item in page.items), key=lambda item: item.id, reverse=True)

    items = with_parts(settings, listed)
    return "\n".join(map(_line, items)) if items else "Nothing waits for anybody."


def _queue(owner: str | None) -> OwnerQueue | None:
    try:
        return OwnerQueue(owner) if owner else None
    except ValueError as error:
        raise CannotStart(f"There is no queue {owner!r}; there are {', '.join(OwnerQueue)}.") from error


def _line(item: WorkItem) -> str:
    money = f"{item.amount_at_risk.amount} {item.amount_at_risk.currency}" if item.amount_at_risk else "-"
    until = f"{item.deadline:%Y-%m-%d %H:%M}" if item.deadline else "-"
    who = item.assignee or item.owner_queue
    return f"{item.id}  {item.state:<13} {until:<16}  {money:>16}  {who:<20}  {item.code}  {item.step}: {item.detail}"


def assign_work_item(settings: Settings, work_item_id: str, assignee: str) -> str:
    """Return the item's line, now the assignee's."""

    async def assigned(parts: Parts) -> WorkItem:
        return await work_items.assign(parts.store, INSTALLATION, work_item_id, assignee)

    return _line(with_parts(settings, assigned))


def resume_work_item(settings: Settings, work_item_id: str, decision: str) -> str:
    """Return a sentence that says where the process goes on."""
    try:
        corrections = msgspec.json.decode(decision, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise CannotStart(f'The decision is no JSON object, such as {{"note": "Opened."}}: {error}') from error

    async def resumed(parts: Parts) -> str:
        item = await work_items.get(parts.store, INSTALLATION, work_item_id)
        workflow = WORKFLOWS[item.process_kind]
        process = await resume(parts.store, parts.engine, workflow, INSTALLATION, item.process_id, corrections)
        return f"{process.id} goes on at {item.step}."

    return with_parts(settings, resumed)
