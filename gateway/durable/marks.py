"""What people see of a run: each function is one transaction that moves the process and its step, and tells of it.

Every one begins with the process's row, so that a decision and a step never pass each other unseen, and with the fence,
so that a worker that was taken for dead writes nothing over what its successor wrote.
"""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import UNSET, Struct, json, to_builtins
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.durable.outcomes import Kind, Outcome, Unwound
from gateway.durable.run import Run, Work, operation_of
from gateway.durable.settings import DurableSettings
from gateway.durable.workflow import event_type
from gateway.errors import Refusal
from gateway.store import business_events, locks, process_steps, processes, work_items
from gateway.store.business_events import NewEvent
from gateway.store.database import Store
from gateway.store.process_steps import ProcessStep, StepState
from gateway.store.processes import Process, State
from gateway.store.work_items import NewItem, Resolution, Severity
from gateway.telemetry.metrics import RETRIES
from openapi.common.types import Code
from openapi.common.types import Outcome as Effect

NO_EFFECT: Final = (StepState.pending, StepState.refused, StepState.skipped, StepState.undone)
"""A step in one of these has certainly not been cut short in the middle of a try."""
_JITTER: Final = random.Random()  # noqa: S311 - it only spreads what would otherwise come at once


async def move(connection: AsyncConnection, store: Store, process: Process, state: str, **values: object) -> Process:
    """Return the process in the state; a change of state is told as a business event."""
    moved = await processes.change(connection, store, process, state=state, **values)
    if process.state != state:
        await tell(connection, store, moved)
    return moved


async def tell(connection: AsyncConnection, store: Store, process: Process) -> None:
    """Append the event that says which state the process is in."""
    data = {
        "business_key": process.business_key,
        "attempt": process.attempt,
        "state": process.state,
        "outcome": process.outcome,
        "step": process.current_step,
        "code": process.parked_code,
    }
    event = NewEvent(
        type=event_type(process.kind, process.state),
        subject=process.id,
        data=data,
        causation_id=process.correlation_id,
        legal_entity=process.legal_entity,
        customer=process.customer,
        project=process.project,
    )
    await business_events.append(connection, store, event)


async def _locked(connection: AsyncConnection, run: Run) -> Process:
    """Return the run's process, locked; raises Fenced where the run is somebody else's by now."""
    process = await processes.locked(connection, run.process_id)
    await run.fence(connection)
    return process


class Begun(Struct, frozen=True, kw_only=True):
    """Whether a step may be tried."""

    instead: Kind | None = None
    """What it ends with where it may not."""
    cut_short: bool = False
    """Whether an earlier try may have had an effect: also one that found, or made, what was not wanted."""
    value: str | None = None
    """What it returned when it was done, where it is not done again."""


async def begin(run: Run, work: Work, *, probe: bool) -> Begun:
    """Return whether the step may be tried, and say that it is."""
    key = run.key_of(work.name)
    async with run.store.begin() as connection:
        process = await _locked(connection, run)
        if process.attempt != run.attempt or process.ended_at is not None:
            return Begun(instead=Kind.stopped)
        await _write_skips(connection, run)
        await process_steps.put(connection, key, work.position, work.system)
        step = await process_steps.get(connection, key)
        cut_short = step.state not in NO_EFFECT or (work.writes and step.code is Code.upstream_conflict_stale)
        if process.giving_up and process.pivot_at is None and work.undoes is None:
            if step.value is not None:  # Done, and then taken up from further back: what comes after it is undone too.
                return Begun(instead=Kind.done, value=step.value)
            if not cut_short:
                return Begun(instead=Kind.given_up)
        await _begin_step(connection, run, work, step)
        await move(connection, run.store, process, _state_in(work, probe=probe), **_begun(run, process, work))
    if step.tries and work.system:  # Only now: what was not committed was not begun.
        run.store.metrics.count(RETRIES, connection=work.system, operation=operation_of(work.name))
    return Begun(cut_short=cut_short)


def _state_in(work: Work, *, probe: bool) -> State:
    if work.undoes is not None:
        return State.compensating
    return State.in_doubt if probe else State.running


def _begun(run: Run, process: Process, work: Work) -> dict[str, object]:
    pivot_at = process.pivot_at or (run.store.now() if work.pivot else None)
    giving_up = process.giving_up or work.undoes is not None
    return {**FREE, "current_step": work.name, "pivot_at": pivot_at, "giving_up": giving_up}


FREE: Final[Mapping[str, object]] = {
    "parked_at": None,
    "parked_step": None,
    "resume_step": None,
    "parked_code": None,
    "blocked_by": None,
    "blocked_lock": None,
    "rewind_to": None,
    "next_try_at": None,
}
"""What a process that moves has not."""


async def _begin_step(connection: AsyncConnection, run: Run, work: Work, step: ProcessStep) -> None:
    values: dict[str, object] = {"tries": step.tries + 1, "ended_at": None}
    if step.started_at is None:
        values["started_at"] = run.store.now()
    if step.state is not StepState.in_doubt:
        values |= {"state": StepState.running.value, "code": None, "detail": None}
    await process_steps.change(connection, run.key_of(work.name), **values)


async def _write_skips(connection: AsyncConnection, run: Run) -> None:
    for skip in run.skips:
        key, now = run.key_of(skip.name), run.store.now()
        await process_steps.put(connection, key, skip.position, skip.system)
        ended = {"started_at": now, "ended_at": now, "detail": skip.reason}
        await process_steps.change(connection, key, state=StepState.skipped.value, **ended)
    run.store.once_committed(connection, run.skips.clear)


async def end(run: Run, work: Work, outcome: Outcome) -> None:
    """Write down how the try ended."""
    async with run.store.begin() as connection:
        process = await _locked(connection, run)
        if process.attempt != run.attempt or process.ended_at is not None:
            return
        if outcome.kind is Kind.done:
            await _end_well(connection, run, work, outcome, process)
        elif outcome.is_a_no:
            await _end_with_a_no(connection, run, work, outcome, process)
        else:
            await _end_unknown(connection, run, work, outcome, process)


async def _end_well(connection: AsyncConnection, run: Run, work: Work, outcome: Outcome, process: Process) -> None:
    store, now = run.store, run.store.now()
    done = {"state": StepState.done.value, "ended_at": now, "code": None, "detail": None}
    external_id = _id_in(outcome.value) if work.system else None
    value = json.encode(outcome.value).decode()
    await process_steps.change(connection, run.key_of(work.name), **done, external_id=external_id, value=value)
    if work.undoes:
        await process_steps.change(connection, run.key_of(work.undoes), state=StepState.undone.value, value=None)
    await work_items.resolve(connection, store, run.process_id, step=work.name)
    effect = Effect.applied if process.pivot_at and not work.undoes else Effect.none
    state = State.compensating if work.undoes else State.running
    await move(connection, store, process, state, outcome=effect.value, tries=0)


async def _end_with_a_no(connection: AsyncConnection, run: Run, work: Work, outcome: Outcome, process: Process) -> None:
    said = _said(outcome)
    refused = {"state": StepState.refused.value, "ended_at": run.store.now()}
    await process_steps.change(connection, run.key_of(work.name), **refused, **said)
    state = State.compensating if work.undoes else State.running
    pivot_at = None if work.pivot else process.pivot_at  # A pivot that was refused has not been passed.
    effect = Effect.applied if pivot_at else Effect.none
    await move(connection, run.store, process, state, outcome=effect.value, pivot_at=pivot_at)


async def _end_unknown(connection: AsyncConnection, run: Run, work: Work, outcome: Outcome, process: Process) -> None:
    left = {"ended_at": run.store.now()} if outcome.kind is Kind.left else {}
    doubt = {"state": StepState.in_doubt.value, **left, **_said(outcome)}
    await process_steps.change(connection, run.key_of(work.name), **doubt)
    state = State.compensating if work.undoes else State.in_doubt
    await move(connection, run.store, process, state, outcome=Effect.uncertain.value)


def _said(outcome: Outcome) -> dict[str, str]:
    refusal = outcome.refusal
    return {"code": refusal.code.value, "detail": refusal.detail} if refusal else {}


def _id_in(value: object) -> str | None:
    found = value.get("id") if isinstance(value, dict) else None
    return None if found is None else str(found)


class Stop(Struct, frozen=True, kw_only=True):
    """Where a process stops, and why."""

    step: str
    key: str | None = None
    """The business key of what could not be done."""
    outcome: Outcome
    resume_at: int | None = None
    """The engine's number of an earlier step that reads the decision; left out, the refused one does."""


async def park(run: Run, work: Unwound, outcome: Outcome, *, undoing: bool) -> Kind:
    """Return `done` once the process is parked where it was refused, with a work item, or a decision has come.

    `given_up` where that decision was to undo, and what was refused certainly had no effect.
    """
    async with run.store.begin() as connection:
        process = await _locked(connection, run)
        if process.attempt != run.attempt or process.ended_at is not None:
            return Kind.stopped
        await _write_skips(connection, run)
        if process.giving_up and process.pivot_at is None and outcome.is_a_no and not undoing:
            return Kind.given_up
        if process.rewind_to in {None, run.engine.step_id()}:  # Taken up right here is no decision about what follows.
            stop = Stop(step=work.step, key=work.key, outcome=outcome, resume_at=work.resume_at)
            await park_within(connection, run.store, run.settings, process, stop)
        return Kind.done


async def park_within(
    connection: AsyncConnection, store: Store, settings: DurableSettings, process: Process, stop: Stop
) -> None:
    """Park in the caller's transaction."""
    outcome, refusal, now = stop.outcome, stop.outcome.refusal, store.now()
    if refusal is None:
        raise TypeError("What parks says why.")
    item = NewItem(
        step=stop.step,
        trace_key=stop.key or process.business_key,
        code=refusal.code,
        detail=refusal.detail,
        facts=to_builtins(refusal),
        severity=_severity(outcome),
        # Until then somebody has answered; what can still be undone is undone then.
        deadline=now + timedelta(seconds=settings.hold_forward_s),
        system=await process_steps.system_of(connection, process.id, stop.step),
    )
    await work_items.open_item(connection, store, process, item)
    values = {
        "current_step": stop.step,
        "parked_at": now,
        "parked_step": outcome.at,
        "resume_step": stop.resume_at or outcome.at,
        "parked_code": refusal.code.value,
        **_blocked(refusal),
        "rewind_to": None,
    }
    values |= _next_try(settings, process, outcome, now)
    await move(connection, store, process, State.parked, **values)


def _blocked(refusal: Refusal) -> dict[str, object]:
    """Return which lock of whom it waits for, where that is why it stops."""
    if refusal.code is not Code.lock_held:
        return {"blocked_by": None, "blocked_lock": None}
    names = [violation.actual for violation in refusal.violations if violation.actual is not UNSET]
    return {"blocked_by": refusal.process_id, "blocked_lock": names[0] if names else None}


def _severity(outcome: Outcome) -> Severity:
    if outcome.kind is Kind.overdue:
        return Severity.high
    return Severity.low if outcome.kind is Kind.unavailable else Severity.medium


def _next_try(settings: DurableSettings, process: Process, outcome: Outcome, now: datetime) -> dict[str, object]:
    """Return when it is taken up again by itself: where only somebody was away, and not for ever."""
    if outcome.kind is not Kind.unavailable or process.tries >= settings.unavailable_tries:
        return {"next_try_at": None}
    wait_s = min(settings.unavailable_resume_s * 2**process.tries, settings.unavailable_longest_s)
    return {"next_try_at": now + timedelta(seconds=wait_s * _JITTER.uniform(0.8, 1.2)), "tries": process.tries + 1}


async def complete(run: Run, result: object) -> Kind:
    """Return `done` once the process has ended well; `given_up` where that was decided before it could."""
    async with run.store.begin() as connection:
        process = await _locked(connection, run)
        if process.attempt != run.attempt or process.ended_at is not None:
            return Kind.stopped
        await _write_skips(connection, run)
        if process.giving_up and process.pivot_at is None:
            return Kind.given_up
        left = await process_steps.any_in_doubt(connection, process.id, process.attempt)
        effect = Effect.uncertain if left else Effect.applied
        kept = {"result": json.encode(result).decode(), "outcome": effect.value}
        await _close(connection, run.store, process, run.workflow.completed, **kept)
        return Kind.done


async def cancel(run: Run) -> Kind:
    """Return `done` once the process has ended with nothing of it left."""
    async with run.store.begin() as connection:
        process = await _locked(connection, run)
        if process.attempt == run.attempt and process.ended_at is None:
            await _write_skips(connection, run)
            await close_cancelled(connection, run.store, process)
    return Kind.done


async def close_cancelled(connection: AsyncConnection, store: Store, process: Process, by: str = "tiebeam") -> Process:
    """Return the process, cancelled in the caller's transaction."""
    await work_items.resolve(connection, store, process.id, by=by, resolution=Resolution.cancelled)
    return await _close(connection, store, process, State.cancelled, outcome=Effect.none.value)


async def _close(connection: AsyncConnection, store: Store, process: Process, state: str, **values: object) -> Process:
    await work_items.resolve(connection, store, process.id)
    await locks.release_within(connection, process.id)
    ended: dict[str, object] = {"ended_at": store.now(), "current_step": None, "tries": 0}
    return await move(connection, store, process, state, **{**FREE, **ended, **values})
