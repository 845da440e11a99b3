"""A small process over a vendor whose books are a file: they outlive the worker that writes to them."""

import asyncio
import json
import os
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from gateway.durable import (
    DurableSettings,
    Process,
    corrections,
    finish,
    process_id,
    skip,
    step,
    submit,
    undo,
    workflow,
)
from gateway.errors import Refused, Unavailable, Uncertain
from gateway.store import locks
from gateway.store.database import Store
from gateway.writes import Writes
from openapi.common.types import Code

QUICK: Final = DurableSettings(
    retry_attempts=3,
    retry_interval_s=0.01,
    retry_rate=1.0,
    write_wait_s=60.0,
    probes_s=(0.05, 0.1),
    write_deadline_s=30.0,
    poll_interval_s=0.02,
    sweep_interval_s=0.1,
    unavailable_resume_s=0.2,
    stranded_after_s=3.0,
    lease_s=30.0,
    lease_renewal_s=0.3,
    drain_s=3,
)


class Capabilities(Struct, frozen=True, kw_only=True):
    """What the guard asks for."""

    settle_s: float = 0.0


class Deal(Struct, frozen=True, kw_only=True):
    """A document of the vendor's."""

    id: str
    business_key: str
    colour: str
    state: str


class NewDeal(Struct, frozen=True, kw_only=True):
    """What is written."""

    business_key: str
    colour: str


class ToyOrder(Struct, frozen=True, kw_only=True):
    """What a run keeps."""

    key: str
    colour: str = "red"
    lock: str = ""


class ToyDecision(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be corrected."""

    colour: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


class Sold(Struct, frozen=True, kw_only=True):
    """What came of it."""

    deal: str
    colour: str


class Desk:
    """The vendor. Each effect is a line; what goes wrong next is planned in files beside."""

    connection = "desk"
    capabilities = Capabilities()

    def __init__(self, folder: Path) -> None:
        self.folder, self._books = folder, folder / "books"
        folder.mkdir(exist_ok=True)

    def plan(self, operation: str, *faults: str) -> None:
        """Let the next calls go wrong: `refuse`, `away`, `lose` (the answer), `drop` (the call), `hang`, `break`."""
        self._plan_of(operation).write_text("\n".join(faults))

    def effects(self) -> list[str]:
        """Return every effect that there was, in its order."""
        if not self._books.exists():
            return []
        return [f"{row['verb']} {row['key']}" for row in self._rows()]

    async def find(self, key: str) -> Deal | None:
        """Return the deal that carries the key."""
        self._go_wrong("find")
        return self._deals().get(key)

    async def find_in(self, key: str, state: str) -> Deal | None:
        """Return the deal where it is in the state."""
        deal = self._deals().get(key)
        return deal if deal and deal.state == state else None

    async def create_deal(self, new: NewDeal) -> Deal:
        """Return a new deal, whoever else carries the key."""
        return self._effect("create_deal", "create", new.business_key, new.colour)

    async def open_deal(self, key: str) -> Deal:
        """Return the deal, open."""
        return self._effect("open_deal", "open", key)

    async def cancel_deal(self, key: str) -> Deal:
        """Return the deal, cancelled."""
        return self._effect("cancel_deal", "cancel", key)

    async def check(self, colour: str) -> str:
        """Return the colour that the vendor takes."""
        if self._go_wrong("check") == "hang":
            await asyncio.Event().wait()
        return colour

    def _effect(self, operation: str, verb: str, key: str, colour: str = "") -> Deal:
        fault = self._go_wrong(operation)
        handle = os.open(self._books, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, (json.dumps({"verb": verb, "key": key, "colour": colour}) + "\n").encode())
        os.close(handle)
        if fault == "lose":
            raise Uncertain(Code.upstream_timeout_uncertain, "The answer was lost.")
        return self._deals()[key]

    def _go_wrong(self, operation: str) -> str:
        plan = self._plan_of(operation)
        first, *rest = plan.read_text().split("\n") if plan.exists() else [""]
        if plan.exists():
            plan.write_text("\n".join(rest))
        if first == "refuse":
            raise Refused(Code.dimension_invalid_combination, "Not this colour.")
        if first == "away":
            raise Unavailable(Code.upstream_unavailable, "Nobody answers.")
        if first == "drop":
            raise Uncertain(Code.upstream_timeout_uncertain, "The call was lost.")
        if first == "break":
            raise ValueError("a mistake of ours")
        return first

    def _plan_of(self, operation: str) -> Path:
        return self.folder / f"plan_{operation}"

    def _rows(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self._books.read_text().splitlines()] if self._books.exists() else []

    def _deals(self) -> dict[str, Deal]:
        deals: dict[str, Deal] = {}
        states = {"create": "draft", "open": "open", "cancel": "cancelled"}
        for number, row in enumerate(self._rows(), 1):
            known = deals.get(row["key"])
            deals[row["key"]] = Deal(
                id=known.id if known else str(number),
                business_key=row["key"],
                colour=row["colour"] or (known.colour if known else ""),
                state=states[row["verb"]],
            )
        return deals


async def take_lock(store: Store, order: ToyOrder) -> None:
    """Take what the order says."""
    if order.lock:
        await locks.take(store, process_id(), [order.lock])


async def decide_colour(store: Store, desk: Desk, order: ToyOrder) -> str:
    """Return the colour decided, or sent."""
    decided = await corrections(store, process_id(), ToyDecision)
    return await desk.check(decided.colour or order.colour)


async def cancel_deal(writes: Writes, desk: Desk, key: str) -> None:
    """Leave the deal cancelled."""
    await writes.bound(desk).change(
        operation="cancel_deal",
        object_id=key,
        look=partial(desk.find_in, key, "cancelled"),
        act=partial(desk.cancel_deal, key),
    )


async def announce(desk: Desk, key: str) -> str:
    """Return what was announced."""
    return await desk.check(key)


async def _sell(store: Store, writes: Writes, desk: Desk, order: ToyOrder) -> Sold:
    """Sell: lock, decide the colour, create, open (the pivot), announce."""
    await step("take_lock", take_lock, store, order)
    colour = await step("decide_colour", decide_colour, store, desk, order, on="desk")
    new = NewDeal(business_key=order.key, colour=colour)
    deal = await submit(
        "create_deal",
        on=desk,
        key=order.key,
        payload=new,
        look=partial(desk.find, order.key),
        act=partial(desk.create_deal, new),
        agree=("colour",),
        again_from="decide_colour",
    )
    undo("cancel_deal", cancel_deal, writes, desk, order.key)
    skip("paint_deal", "capability", on="desk")
    if order.colour == "crash":
        raise ValueError("a mistake in the workflow")
    if order.colour != "no_pivot":
        await open_up(desk, order)
    await finish(step("announce", announce, desk, order.key))
    return Sold(deal=deal.id, colour=colour)


async def open_up(desk: Desk, order: ToyOrder) -> None:
    """Pass the pivot."""
    await submit(
        "open_deal",
        on=desk,
        object_id=order.key,
        look=partial(desk.find_in, order.key, "open"),
        act=partial(desk.open_deal, order.key),
        pivot=True,
    )


sell = workflow(name="toy", refusals="park", decision=ToyDecision, completed="active")(_sell)
sell_or_not = workflow(name="toy_undo", refusals="undo")(_sell)


def told(process: Process) -> tuple[str, str]:
    """Return state and outcome."""
    return process.state, process.outcome.value
