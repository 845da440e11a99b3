"""Around a workflow function: what becomes of a run that ends well, is refused, or is given up."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.durable import marks
from gateway.durable.moments import AFTER, BEFORE
from gateway.durable.outcomes import Kind, Outcome, Parked, Unwound
from gateway.durable.run import Run, Work, current_run
from gateway.durable.tries import carry_out, recorded, written
from openapi.common.types import Code

_log = logging.getLogger(__name__)
PARK: Final = "tiebeam.park"
COMPLETE: Final = "tiebeam.complete"
CANCEL: Final = "tiebeam.cancel"
HERE: Final = 0
"""Where the workflow's own code broke: it is taken up again at the closing that says so."""
ASKS: Final = (Code.upstream_conflict_stale, Code.lock_held)
"""Refusals by which nothing is decided yet: a person looks, or somebody else is done."""


async def carry(run: Run, resources: Mapping[str, Any], order: Struct) -> None:
    """Return when the process has ended, one way or the other; raises Parked where it waits for somebody."""
    current_run.set(run)
    try:
        result = await _result(run, resources, order)
        await _close(run, COMPLETE, partial(marks.complete, run, result))
    except Unwound as unwound:
        await _unwind(run, unwound)


async def _result(run: Run, resources: Mapping[str, Any], order: Struct) -> object:
    try:
        return await run.workflow.function(**resources, order=order)
    except Exception as error:
        if run.engine.is_own(error):
            raise
        _log.exception("The workflow %s of %s broke.", run.workflow.name, run.process_id)
        raise Unwound(run.last_step or run.workflow.kind, None, Outcome.broke(at=HERE)) from error


async def _close(run: Run, name: str, mark: Callable[[], Awaitable[Kind]]) -> None:
    """Return when the closing is recorded; raises Unwound where it was not to be."""

    async def closed() -> Outcome:
        await run.moments(BEFORE, name)
        kind = await written(run, mark)
        await run.moments(AFTER, name)
        return Outcome(kind=kind)

    outcome = await recorded(run, name, closed)
    if outcome.kind in {Kind.given_up, Kind.broken}:
        raise Unwound(name, None, outcome)


async def _unwind(run: Run, unwound: Unwound) -> None:
    if unwound.outcome.kind is Kind.stopped:
        return
    if _parks(run, unwound):
        await _park(run, unwound, undoing=False)
    try:
        await _undo(run)
        await _close(run, CANCEL, partial(marks.cancel, run))
    except Unwound as left:
        if left.outcome.kind is not Kind.stopped:
            await _park(run, left, undoing=True)


def _parks(run: Run, unwound: Unwound) -> bool:
    """Tell whether somebody is asked; otherwise the process is given up."""
    outcome = unwound.outcome
    if outcome.kind is Kind.given_up:
        return False
    asks = outcome.refusal is not None and outcome.refusal.code in ASKS
    after_pivot = run.after_pivot or unwound.after_pivot
    return outcome.kind is not Kind.refused or asks or after_pivot or run.workflow.refusals == "park"


async def _park(run: Run, unwound: Unwound, *, undoing: bool) -> None:
    """Raise Parked once somebody is asked; returns where it was decided meanwhile that the process is given up."""

    async def parked() -> Kind:
        outcome = unwound.outcome
        if outcome.at == HERE:
            outcome = replace(outcome, at=run.engine.step_id())
        return await marks.park(run, unwound, outcome, undoing=undoing)

    try:
        await _close(run, PARK, parked)
    except Unwound as given_up:
        if given_up.outcome.kind is Kind.given_up:
            return
    raise Parked(unwound.step)


async def _undo(run: Run) -> None:
    """Undo backwards. What cannot be undone parks: nothing is left out."""
    for undo in reversed(run.undos):
        work = Work(
            name=undo.name,
            position=run.next_position(),
            call=partial(_discarding, undo.call),
            into=type(None),
            writes=True,
            undoes=undo.reverses,
        )
        await carry_out(run, work)


async def _discarding(call: Callable[[], Awaitable[object]]) -> None:
    await call()
