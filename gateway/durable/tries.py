"""Carrying a step out: patient with what had no effect, and going on until it is known what came of a write."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy.exc import OperationalError

from gateway.correlation import belonging
from gateway.durable import marks
from gateway.durable.moments import AFTER, BEFORE, RECORDED
from gateway.durable.outcomes import Kind, Outcome, Unwound
from gateway.durable.run import Run, Work
from gateway.durable.settings import DurableSettings
from gateway.errors import ApiError, Overdue, Refused, Unavailable, Uncertain, WriteInProgress
from gateway.telemetry.spans import span
from openapi.common.types import Code

_log = logging.getLogger(__name__)
_JITTER: Final = random.Random()  # noqa: S311 - it only spreads what would otherwise come at once


async def carry_out(run: Run, work: Work) -> Any:  # noqa: ANN401 - `work.into` says what it is
    """Return what the step returned, in this run or an earlier one; raises Unwound with anything else.

    Each look for a write of unknown outcome is an engine's step of its own, and the waits between them outlast the
    worker.
    """
    probe, waited_s = 0, 0.0
    while True:
        name = work.name if probe == 0 else f"{work.name}?{probe}"
        outcome = await recorded(run, name, partial(_try, run, work, probe, waited_s))
        if outcome.kind is not Kind.uncertain:
            break
        await run.engine.sleep(outcome.wait_s)
        probe, waited_s = probe + 1, waited_s + outcome.wait_s
    if outcome.kind is not Kind.done:
        unwound = Unwound(work.name, work.key, outcome)
        if outcome.kind is Kind.refused and work.again_from:
            unwound.resume_at = run.numbers[work.again_from]
        raise unwound
    run.numbers[work.name] = outcome.at
    return msgspec.convert(outcome.value, work.into)


async def recorded(run: Run, name: str, call: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Return the outcome of a call that is made until it is recorded, and never after."""

    async def plain() -> Any:  # noqa: ANN401 - plain data
        try:
            outcome = await call()
        except Exception:  # noqa: BLE001 - whatever it was, it is recorded, so that a replay takes the same way
            _log.exception("The step %s of %s broke.", name, run.process_id)
            outcome = Outcome.broke(at=run.engine.step_id())
        return outcome.recorded()

    outcome = Outcome.read(await run.engine.step(name, plain))
    await run.moments(RECORDED, name)
    return outcome


async def _try(run: Run, work: Work, probe: int, waited_s: float) -> Outcome:
    begun = await marks.begin(run, work, probe=probe > 0)
    if begun.instead is not None:
        value = None if begun.value is None else msgspec.json.decode(begun.value)
        return Outcome(kind=begun.instead, at=run.engine.step_id(), value=value)
    with belonging(process_id=run.process_id, step=work.name), span(work.name):
        await run.moments(BEFORE, work.name)
        outcome = await _outcome_of(run, work)
        await run.moments(AFTER, work.name)
    if work.writes and begun.cut_short and outcome.kind is Kind.unavailable:
        # Nothing of this try happened; but an earlier one was cut short, and nobody could be asked about it.
        outcome = Outcome.failed(Kind.uncertain, UNKNOWN, at=outcome.at)
    outcome = _timed(run.settings, outcome, probe, waited_s)
    await marks.end(run, work, outcome)
    return outcome


async def _outcome_of(run: Run, work: Work) -> Outcome:
    at = run.engine.step_id()
    try:
        value = msgspec.to_builtins(await _patiently(run.settings, work), str_keys=True)
        msgspec.convert(value, work.into)
    except ApiError as error:
        kind = next(kind for family, kind in KINDS.items() if isinstance(error, family))
        return Outcome.failed(kind, error, at=at)
    return Outcome(kind=Kind.done, at=at, value=value)


UNKNOWN: Final = Uncertain(
    Code.upstream_timeout_uncertain, "An earlier try may have done it, and the system cannot be asked just now."
)
KINDS: Final[Mapping[type[ApiError], Kind]] = {
    Refused: Kind.refused,
    Overdue: Kind.overdue,
    Uncertain: Kind.uncertain,
    Unavailable: Kind.unavailable,
}
"""The first family that an error belongs to says how the try ended."""


def _timed(settings: DurableSettings, outcome: Outcome, probe: int, waited_s: float) -> Outcome:
    """Return the outcome; one that is unknown says when to look again, or that nobody should any more."""
    if outcome.kind is not Kind.uncertain:
        return outcome
    wait_s = settings.probe_s(probe)
    if waited_s + wait_s > settings.write_deadline_s:
        return msgspec.structs.replace(outcome, kind=Kind.overdue)
    return msgspec.structs.replace(outcome, wait_s=wait_s)


async def _patiently(settings: DurableSettings, work: Work) -> Any:  # noqa: ANN401 - `work.into` says what it is
    """Return what the call returns, as soon as somebody answers; waits only after what certainly had no effect."""
    loop = asyncio.get_running_loop()
    delays, write_until = settings.delays(), loop.time() + settings.write_wait_s
    while True:
        try:
            return await _within(settings, work)
        except WriteInProgress as error:
            if loop.time() >= write_until:
                raise
            await asyncio.sleep(min(error.retry_after_s or 1, 1.0) * _JITTER.uniform(0.2, 1.0))
        except (Unavailable, Refused) as error:
            delay = next(delays, None)
            if delay is None or not _passes(error):
                raise
            await asyncio.sleep(max(delay * _JITTER.uniform(0.8, 1.2), _asked_for(settings, error)))


async def _within(settings: DurableSettings, work: Work) -> Any:  # noqa: ANN401 - `work.into` says what it is
    if work.writes:
        return await work.call()
    try:
        async with asyncio.timeout(settings.step_timeout_s):
            return await work.call()
    except TimeoutError as error:
        raise Unavailable(Code.upstream_unavailable, "The step took too long. It is tried again.") from error
    except OperationalError as error:
        # Two steps that wait for each other's rows, or a database that was away. Every step may run twice.
        raise Unavailable(Code.gateway_overloaded, "The database did not take it. It is tried again.") from error


def _passes(error: ApiError) -> bool:
    """Tell whether it may be otherwise in a moment: a lock whose owner works is free soon."""
    return isinstance(error, Unavailable) or error.code is Code.lock_held


def _asked_for(settings: DurableSettings, error: ApiError) -> float:
    """Return the wait that was asked for, as far as a step is that patient; parked processes wait longer."""
    return min(float(error.retry_after_s or 0), settings.retry_interval_s * settings.retry_rate**2)
