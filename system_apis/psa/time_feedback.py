"""What time entries show of their billing: the newest word on each replaces the one before."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.writes import BoundWrites, Item
from openapi.common.types import Code, Outcome
from openapi.system.psa.v1 import (
    FeedbackOutcome,
    FeedbackOutcomes,
    NewTimeFeedback,
    TimeFeedback,
    TimeFeedbackPage,
)
from system_apis.access import not_there, require, sees_entity
from system_apis.batches import error_of, repeated
from system_apis.looks import feedback_shown
from system_apis.ports import Psa

NO_FEEDBACK: Final = "This PSA cannot show on time what became of it."


async def find_time_feedback(*, psa: Psa, caller: Caller, entry_id: str) -> TimeFeedbackPage:
    """Return what the entry shows now; nothing where the caller may not see the entry."""
    require(capability=psa.capabilities.time_feedback, advice=NO_FEEDBACK)
    seen = await _seen(psa, caller, [entry_id])
    found = await psa.find_time_feedback(seen) if seen else {}
    return TimeFeedbackPage(items=list(found.values()), next_cursor=None)


async def write_time_feedback(
    *, psa: Psa, writes: BoundWrites, caller: Caller, body: NewTimeFeedback
) -> FeedbackOutcomes:
    """Return what came of each, in the order of the body; an entry that the caller may not see is not there."""
    require(capability=psa.capabilities.time_feedback, advice=NO_FEEDBACK)
    ids = [one.entry_id for one in body.feedback]
    violations = list(repeated(ids, "#/feedback/{}/entry_id", "Say one thing of each entry."))
    if violations:
        raise Refused(Code.request_malformed, "Send each entry once.", *violations)
    seen = set(await _seen(psa, caller, ids))
    wanted = {one.entry_id: one for one in body.feedback if one.entry_id in seen}
    outcomes: Mapping[str, TimeFeedback | Refused] = {}
    if wanted:
        outcomes = await writes.many(
            operation="write_time_feedback",
            items=[Item(key=entry_id, payload=one) for entry_id, one in wanted.items()],
            look=partial(feedback_shown, psa, wanted),
            act=psa.write_time_feedback,
            makes=False,
        )
    return FeedbackOutcomes(outcomes=[_told(n, key, outcomes.get(key, not_there())) for n, key in enumerate(ids)])


async def _seen(psa: Psa, caller: Caller, entry_ids: Sequence[str]) -> list[str]:
    found = await psa.get_time_entries(entry_ids)
    return [key for key, entry in found.items() if sees_entity(caller, psa.capabilities, entry.legal_entity)]


def _told(number: int, entry_id: str, outcome: TimeFeedback | Refused) -> FeedbackOutcome:
    if isinstance(outcome, Refused):
        error = error_of(outcome, f"#/feedback/{number}")
        return FeedbackOutcome(entry_id=entry_id, outcome=Outcome.none, error=error)
    return FeedbackOutcome(entry_id=entry_id, outcome=Outcome.applied, error=None)
