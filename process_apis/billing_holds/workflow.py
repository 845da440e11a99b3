"""Telling other systems of a hold: each project's flag is set to what all holds in force say, and confirmed.

The hold is in force before this begins, and stays so whatever becomes of it.
"""

import hashlib
from functools import partial
from typing import Final

from msgspec import UNSET, Struct

from gateway.durable import Engine, Process, enqueue, process_id, skip, step, submit, workflow
from gateway.errors import Refused
from gateway.store import work_items
from gateway.store.database import Store
from openapi.common.types import OwnerQueue
from openapi.system.psa.v1 import HoldFlag, NewHoldFlag
from process_apis.billing_holds.reviewing import KIND, keep
from process_apis.ledger import hold_flags, hold_requests
from process_apis.ledger.hold_flags import Ack, AckState, Flag
from process_apis.ledger.hold_placing import BillingHold, note_push
from process_apis.ledger.hold_scopes import projects_in
from system_apis.ports import Landscape, Psa

CAPABILITY: Final = "capability"
AWAITING: Final = "await_confirmation"
"""What a work item says is not done, while a system has not confirmed."""


class HoldPush(Struct, frozen=True, kw_only=True):
    """What a run keeps for life: which hold, and the how-many-eth word on it."""

    hold_id: str
    push: int


class ToShow(Struct, frozen=True, kw_only=True):
    """One system that is to show one project's flag; `flag` is None where it has no such thing."""

    ack: Ack
    flag: Flag | None


class Pushed(Struct, frozen=True, kw_only=True):
    """What came of it."""

    shown: int
    skipped: int


@workflow(name=KIND, refusals="park", take_up=keep)
async def push_hold(landscape: Landscape, store: Store, order: HoldPush) -> Pushed:
    """Let every system that knows a project of the hold show what is in force now."""
    found = await step("find_flags", find_flags, store, landscape, order.hold_id)
    for one in found:
        if one.flag is None:
            skip("set_hold_flag", CAPABILITY, on=one.ack.connection)
            continue
        await show(landscape.psa(one.ack.connection), one.ack.external_id, one.flag)
        await step("confirm_flag", confirm_flag, store, one.ack, one.flag)
    await step("note_push", close_push, store, order)
    shown = sum(one.flag is not None for one in found)
    return Pushed(shown=shown, skipped=len(found) - shown)


async def show(psa: Psa, project_id: str, flag: Flag) -> None:
    """Set the project's flag, unless it is set already."""
    new = NewHoldFlag(held=flag.held, note=flag.note if flag.note is not None else UNSET)
    await submit(
        "set_hold_flag",
        on=psa,
        object_id=project_id,
        payload=new,
        look=partial(_as_wanted, psa, project_id, flag),
        act=partial(psa.set_hold_flag, project_id, new),
    )


async def find_flags(store: Store, landscape: Landscape, hold_id: str) -> list[ToShow]:
    """Return what each system that was asked is to show; one without such a flag is done with right here."""
    found = []
    async with store.begin() as connection:
        hold = await hold_flags.hold_row(connection, hold_id)
        reached = {one.id: one for one in await projects_in(connection, *hold_flags.scope_of(hold))}
        for ack in await hold_flags.acks_of(connection, [hold_id]):
            if ack.state is not AckState.asked or ack.project not in reached:
                continue
            able = _has_flags(landscape, reached[ack.project].legal_entity, ack.connection)
            flag = await hold_flags.wanted_flag(connection, ack.project) if able else None
            if flag is None:
                await hold_flags.confirm(connection, store, ack, AckState.skipped, held=None)
            found.append(ToShow(ack=ack, flag=flag))
    return found


async def confirm_flag(store: Store, ack: Ack, flag: Flag) -> None:
    """Write down that the system shows the flag. Where holds have changed since it was set, it is asked again."""
    async with store.begin() as connection:
        await hold_flags.confirm(connection, store, ack, AckState.acked, held=flag.held)
        await work_items.resolve(connection, store, process_id(), step=AWAITING)
        wanted = await hold_flags.wanted_flag(connection, ack.project)
        if wanted.held != flag.held:
            row = await hold_flags.ask_again(connection, store, ack.hold_id, ack.connection, ack.project)
            await hold_requests.tell(connection, store, row, "flag_overtaken", shown_in=ack.connection)


async def close_push(store: Store, order: HoldPush) -> None:
    """Write down that this word on the hold is said."""
    async with store.begin() as connection:
        await note_push(connection, store, order.hold_id, order.push)


async def push(store: Store, engine: Engine, hold: BillingHold) -> Process:
    """Return the process that tells the systems of the hold as it is now: asked for, or met."""
    return await enqueue(
        store,
        engine,
        push_hold,
        HoldPush(hold_id=hold.id, push=hold.pushes),
        key=key_of(hold),
        payload_sha256=hashlib.sha256(key_of(hold).encode()).hexdigest(),
        caller_client_id=hold.placed_by,
        correlation_id=hold.correlation_id,
        legal_entity=hold.legal_entity or "",  # Of several entities: for those who may see all of them.
        owner=OwnerQueue.Finance_Ops,
        customer=hold.customer,
        project=hold.project,
    )


def key_of(hold: BillingHold) -> str:
    """Return the key of the process: the hold's own, and from the second word on which word it is."""
    return hold.business_key if hold.pushes == 1 else f"{hold.business_key}_{hold.pushes}"


async def _as_wanted(psa: Psa, project_id: str, flag: Flag) -> HoldFlag | None:
    shown = await psa.get_hold_flag(project_id)
    return shown if shown.held == flag.held and (not flag.held or shown.note == flag.note) else None


def _has_flags(landscape: Landscape, legal_entity: str, connection: str) -> bool:
    try:
        return landscape.psa_of(legal_entity) == connection and landscape.psa(connection).capabilities.hold_flag
    except Refused:  # No PSA serves the entity any more.
        return False
