"""What `tiebeam work-items` does: what waits for somebody, who has it, and going on with what they decided."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from gateway.caller import INSTALLATION
from gateway.columns import in_columns, minute, printable
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
HEADINGS: Final = ("work item", "state", "until", "at risk", "whose", "code", "what happened")
NAME: Final = len(HEADINGS[-1]) + 2
"""How wide the names of things are where one item is shown."""


def list_work_items(settings: Settings, *, owner: str | None, everything: bool) -> str:
    """Return a table of the work items, the newest first."""
    queue = _queue(owner)

    async def listed(parts: Parts) -> list[WorkItem]:
        states: list[ItemState | None] = list(ItemState) if everything else [None]
        found = [
            await work_items.list_all(parts.store, INSTALLATION, Window(limit=SHOWN), state=state, owner_queue=queue)
            for state in states
        ]
        return sorted((item for page in found for item in page.items), key=lambda item: item.id, reverse=True)

    items = with_parts(settings, listed)
    return _table(items) if items else "Nothing waits for anybody."


def _queue(owner: str | None) -> OwnerQueue | None:
    try:
        return OwnerQueue(owner) if owner else None
    except ValueError as error:
        raise CannotStart(f"There is no queue {owner!r}; there are {', '.join(OwnerQueue)}.") from error


def _table(items: Iterable[WorkItem]) -> str:
    return "\n".join(in_columns(HEADINGS, map(_cells, items)))


def _cells(item: WorkItem) -> tuple[str, ...]:
    money = f"{item.amount_at_risk.amount} {item.amount_at_risk.currency}" if item.amount_at_risk else "-"
    until = minute(item.deadline) if item.deadline else "-"
    who = item.assignee or item.owner_queue
    return item.id, item.state, until, money, who, item.code, f"{item.step}: {item.detail}"


def show_work_item(settings: Settings, work_item_id: str) -> str:
    """Return all that is known of the item: a line for each thing, then what helps to decide, as JSON."""

    async def found(parts: Parts) -> WorkItem:
        return await work_items.get(parts.store, INSTALLATION, work_item_id)

    item = with_parts(settings, found)
    facts = msgspec.json.format(item.facts, indent=2).splitlines()
    lines = [*(f"{name:<{NAME}}{said}" for name, said in _said_of(item) if said), "facts", *facts]
    return "\n".join(map(printable, lines))


def _said_of(item: WorkItem) -> Iterator[tuple[str, str | None]]:
    item_id, state, until, at_risk, _, code, happened = _cells(item)
    yield from zip(HEADINGS[:4], (item_id, state, until, at_risk), strict=True)
    yield "queue", item.owner_queue
    yield "assigned to", item.assignee
    yield "resolved by", item.resolved_by
    yield "code", f"{code}, explained at /problems/{code}"
    yield HEADINGS[-1], happened
    yield "about", f"{item.process_kind} {item.trace_key}"
    yield "process", item.process_id
    yield "entity", item.legal_entity
    yield "customer", item.customer
    yield "project", item.project
    yield "attempts", str(item.attempts)
    yield "opened", minute(item.opened_at)
    yield "last change", minute(item.updated_at)


def assign_work_item(settings: Settings, work_item_id: str, assignee: str) -> str:
    """Return the item, now the assignee's, as it is listed."""

    async def assigned(parts: Parts) -> WorkItem:
        return await work_items.assign(parts.store, INSTALLATION, work_item_id, assignee)

    return _table([with_parts(settings, assigned)])


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
