"""Carrying a step out: patient with what had no effect, and going on until it is known what came of a write."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, Self, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.exc import SQLAlchemyError

from gateway.correlation import belonging
from gateway.durable import marks
from gateway.durable.moments import AFTER, BEFORE, RECORDED
from gateway.durable.outcomes import Kind, Outcome, Unwound
from gateway.durable.run import Run, Work
from gateway.durable.settings import DurableSettings
from gateway.errors import ApiError, Overdue, Refused, Unavailable, Uncertain, WriteInProgress
from gateway.store.database import passes
from gateway.telemetry.spans import span
from openapi.common.types import Code

_log = logging.getLogger(__name__)
_JITTER: Final = random.Random()  # noqa: S311 - it only spreads what would otherwise come at once
T = TypeVar("T")


class Doubt(Struct, frozen=True, kw_only=True):
    """How often and for how long it has been looked what came of a write."""

    probe: int = 0
    waited_s: float = 0.0
    since: datetime | None = None

    def after(self, outcome: Outcome) -> Self:
        """Return it after one more look, and the wait that followed."""
        waited_s, since = self.waited_s + outcome.wait_s, self.since or outcome.since
        return replace(self, probe=self.probe + 1, waited_s=waited_s, since=since)

    def age_s(self, now: datetime) -> float:
        """Return for how long nobody has known: looks that take long count too."""
        return max(self.waited_s, (now - self.since).total_seconds() if self.since else 0.0)


async def carry_out(run: Run, work: Work) -> Any:  # noqa: ANN401 - `work.into` says what it is
    """Return what the step returned, in this run or an earlier one; raises Unwound with anything else.

    Each look for a write of unknown outcome is an engine's step of its own, and the waits between them outlast the
    worker.
    """
    doubt = Doubt()
    while True:
        name = work.name if doubt.probe == 0 else f"{work.name}?{doubt.probe}"
        outcome = await recorded(run, name, partial(_try, run, work, doubt))
        if outcome.kind is not Kind.uncertain:
            break
        await run.engine.sleep(outcome.wait_s)
        doubt = doubt.after(outcome)
    if outcome.kind not in {Kind.done, Kind.left}:
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


async def written(run: Run, mark: Callable[[], Awaitable[T]]) -> T:
    """Return what the mark returns, made again until the database takes it: the engine waits so for its own rows.

    A mark may be made twice, since nobody knows whether one that broke off was committed. Whoever gave up here would
    leave each process that is under way to a person, for a disk that stood still.
    """
    delays = run.settings.delays()
    wait_s = run.settings.retry_interval_s
    while True:
        try:
            return await mark()
        except SQLAlchemyError as error:
            if not passes(error):
                raise
            _log.warning("The database does not take what came of %s. It is tried again.", run.process_id)
            wait_s = next(delays, wait_s)
            await asyncio.sleep(wait_s * _JITTER.uniform(0.8, 1.2))


async def _try(run: Run, work: Work, doubt: Doubt) -> Outcome:
    tried_at = run.store.now()
    begun = await written(run, partial(marks.begin, run, work, probe=doubt.probe > 0))
    if begun.instead is not None:
        value = None if begun.value is None else msgspec.json.decode(begun.value)
        return Outcome(kind=begun.instead, at=run.engine.step_id(), value=value)
    with belonging(process_id=run.process_id, step=work.name), span(work.name):
        await run.moments(BEFORE, work.name)
        outcome = await _outcome_of(run, work)
        await run.moments(AFTER, work.name)
    earlier = work.writes and (begun.cut_short or (work.leave is not None and work.leave.unreached))
    if earlier and outcome.kind is Kind.unavailable:
        # Nothing of this try happened; but an earlier one was cut short, and nobody could be asked about it.
        outcome = Outcome.failed(Kind.uncertain, UNKNOWN, at=outcome.at)
    if outcome.kind in UNKNOWN_YET:
        since = doubt.since or outcome.since or tried_at
        outcome = _timed(run, work, replace(outcome, since=since), replace(doubt, since=since))
    await written(run, partial(marks.end, run, work, outcome))
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
UNKNOWN_YET: Final = (Kind.uncertain, Kind.overdue)


def _timed(run: Run, work: Work, outcome: Outcome, doubt: Doubt) -> Outcome:
    """Return the outcome that is unknown: when to look again, that somebody later does, or that a person has to."""
    wait_s = run.settings.probe_s(doubt.probe)
    age_s = doubt.age_s(run.store.now()) + wait_s
    overdue = outcome.kind is Kind.overdue or age_s > run.settings.write_deadline_s
    if work.leave and work.left and (overdue or age_s > work.leave.after_s):
        return replace(outcome, kind=Kind.left, value=msgspec.to_builtins(work.left(overdue)))
    if overdue:
        return replace(outcome, kind=Kind.overdue)
    return replace(outcome, wait_s=wait_s)


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
    try:
        async with asyncio.timeout(None if work.writes else settings.step_timeout_s):
            return await work.call()
    except TimeoutError as error:
        if work.writes:
            raise
        raise Unavailable(Code.upstream_unavailable, "The step took too long. It is tried again.") from error
    except SQLAlchemyError as error:
        if not passes(error):
            raise
        # Two that wait for each other's rows, or a database that was away. Every step may run twice; and of a write it
        # is told only before the send, since after it the guard tells what came of that.
        raise Unavailable(Code.gateway_overloaded, "The database did not take it. It is tried again.") from error


def _passes(error: ApiError) -> bool:
    """Tell whether it may be otherwise in a moment: a lock whose owner works is free soon."""
    return isinstance(error, Unavailable) or error.code is Code.lock_held


def _asked_for(settings: DurableSettings, error: ApiError) -> float:
    """Return the wait that was asked for, as far as a step is that patient; parked processes wait longer."""
    return min(float(error.retry_after_s or 0), settings.retry_interval_s * settings.retry_rate**2)
