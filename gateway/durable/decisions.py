"""What people decide about a process: that it goes on, with what they corrected, or that it is undone."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION, Caller
from gateway.durable import marks
from gateway.durable.engine import Engine
from gateway.durable.workflow import Workflow
from gateway.errors import Refused
from gateway.store import decisions, processes, work_items
from gateway.store.database import Store
from gateway.store.decisions import DecisionKind, Verdict
from gateway.store.processes import Process, State
from gateway.trace import current_correlation_id
from openapi.common.types import Code, Violation
from openapi.common.types import Outcome as Effect

DELIVERIES: Final = 4
DELIVERY_S: Final = 0.05


async def resume(
    store: Store,
    engine: Engine,
    workflow: Workflow[Any],
    caller: Caller,
    process_id: str,
    decision: Struct | Mapping[str, Any],
) -> Process:
    """Return the process, which goes on at the step that was refused and reads the decision there.

    A mapping is read as the decision that the workflow declares: Refused(request_body_invalid) where it is none. One
    that is not parked is Refused(process_illegal_transition).
    """
    corrections = msgspec.to_builtins(_typed(workflow, decision))
    await processes.get(store, caller, process_id)
    async with store.begin() as connection:
        process = await processes.locked(connection, process_id)
        if process.state != State.parked:
            raise _illegal(process, "Only what is parked can be resumed")
        await decisions.append(connection, store, process, _verdict(caller, DecisionKind.resume, corrections))
        if caller != INSTALLATION:
            await work_items.take_up(connection, process_id, caller.client_id)
        process = await processes.change(connection, store, process, tries=0)
        process = await take_up(connection, store, process)
    await deliver(engine, process)
    return process


async def cancel(store: Store, engine: Engine, caller: Caller, process_id: str) -> Process:
    """Return the process, which undoes what it made, last first; where nothing was begun it is cancelled already.

    Repeating it changes nothing. After the pivot, and while nobody knows what came of a write, it is
    Refused(process_illegal_transition).
    """
    await processes.get(store, caller, process_id)
    async with store.begin() as connection:
        process = await processes.locked(connection, process_id)
        _refuse_uncancellable(process)
        if (process.giving_up and process.state != State.parked) or process.state == State.cancelled:
            return process
        await decisions.append(connection, store, process, _verdict(caller, DecisionKind.cancel))
        process = await _given_up(connection, store, process, caller)
    await deliver(engine, process)
    return process


async def _given_up(connection: AsyncConnection, store: Store, process: Process, caller: Caller) -> Process:
    if process.state == State.accepted:  # Nothing has begun; the engine's work finds that out by itself.
        return await marks.close_cancelled(connection, store, process, caller.client_id)
    process = await processes.change(connection, store, process, giving_up=True)
    return await take_up(connection, store, process) if process.state == State.parked else process


def _refuse_uncancellable(process: Process) -> None:
    if process.pivot_at is not None or (process.ended_at is not None and process.state != State.cancelled):
        raise _illegal(process, "It is too late to undo it")
    if process.state == State.parked and process.outcome is Effect.uncertain:
        raise _illegal(process, "Nobody knows what came of its last write. Look there, resume, then cancel")


def _illegal(process: Process, why: str) -> Refused:
    detail = f"{why}; the process is {process.state}."
    return Refused(Code.process_illegal_transition, detail, process_id=process.id)


def _typed(workflow: Workflow[Any], decision: Struct | Mapping[str, Any]) -> Struct:
    if isinstance(decision, Struct):
        return decision
    try:
        return msgspec.convert(dict(decision), workflow.decision)
    except msgspec.ValidationError as error:
        violation = Violation(code=Code.request_body_invalid, pointer="#/decision", detail=str(error))
        detail = f"The decision is not one that {workflow.kind} asks for."
        raise Refused(Code.request_malformed, detail, violation) from error


def _verdict(caller: Caller, kind: DecisionKind, corrections: Mapping[str, Any] | None = None) -> Verdict:
    return Verdict(
        kind=kind,
        decided_by=caller.client_id,
        correlation_id=current_correlation_id.get(),
        corrections=corrections or {},
    )


async def take_up(connection: AsyncConnection, store: Store, process: Process) -> Process:
    """Return the parked process, set to go on where it was refused; `deliver` tells the engine afterwards."""
    state, at = State.running, process.resume_step
    if process.giving_up:
        state, at = State.compensating, process.parked_step
    return await marks.move(connection, store, process, state, rewind_to=at, parked_at=None, next_try_at=None)


async def deliver(engine: Engine, process: Process) -> None:
    """Tell the engine where the process goes on; where it is not ready for that, the worker's sweep tells it."""
    if process.rewind_to is None:
        return
    for _ in range(DELIVERIES):
        if await engine.rewind(process.workflow_id, process.rewind_to):
            return
        await asyncio.sleep(DELIVERY_S)  # It is still putting down the run that has just parked.
