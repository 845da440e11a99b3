"""What a round decides about the keys of a write, from what is written down and what was found. No I/O, no clock."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any, Generic, TypeVar

from msgspec import Struct

from gateway.agreement import Difference
from gateway.errors import Overdue, Refused, Uncertain
from gateway.store.write_intents import Intent, in_progress
from openapi.common.types import Code, Outcome

T = TypeVar("T")
Fence = Callable[[], Awaitable[None]]


class Write(Struct, Generic[T], frozen=True, kw_only=True):
    """One write as it was asked for: of a batch, or of a single document, which is a batch of one."""

    connection: str
    operation: str
    payloads: Mapping[str, str | None]
    """The hash of what is to be sent, by key; None where the key is bound to none."""
    makes: bool
    """Whether it makes documents, once for ever, or brings objects into a state, again and again."""
    look: Callable[[Sequence[str]], Awaitable[Mapping[str, T]]]
    act: Callable[[Sequence[str]], Awaitable[Mapping[str, T | Refused]]]
    fence: Fence | None
    agree: Callable[[str, T], list[Difference]] | None
    settle_s: float
    deadline_s: float
    serial: str | None


def refuse_another_payload(write: Write[Any], intents: Mapping[str, Intent]) -> dict[str, Refused]:
    """Return the keys that are bound to another payload: after a certain "no" a corrected document may take its key."""
    detail = "The key was sent with another payload. Send that one again, or take another key."
    return {
        key: Refused(Code.process_payload_conflict, detail)
        for key, intent in intents.items()
        if write.makes
        and intent.outcome is not Outcome.none
        and intent.payload_sha256 not in {None, write.payloads[key]}
    }


def refuse_different(write: Write[T], documents: Mapping[str, T]) -> dict[str, Refused]:
    """Return the keys whose documents are not what was wanted, in the fields that the write names."""
    if write.agree is None:
        return {}
    differences = {key: write.agree(key, document) for key, document in documents.items()}
    return {key: _different(write.connection, found) for key, found in differences.items() if found}


def _different(connection: str, differences: Iterable[Difference]) -> Refused:
    violations = (difference.violation(connection) for difference in differences)
    detail = "The document that carries the key differs from what was wanted. Somebody has to look at both."
    return Refused(Code.upstream_conflict_stale, detail, *violations)


def refuse_gone(write: Write[Any], missing: Mapping[str, Intent], at: datetime) -> dict[str, Refused]:
    """Return, of the keys that were not found, those that were made once and have gone since.

    Raises while "not there" proves nothing for one of them: nothing of a batch is sent before all of it may be.
    """
    waits = {key: wait for key, intent in missing.items() if (wait := intent.unsettled_s(at, write.settle_s))}
    unsettled: dict[Outcome, list[str]] = {outcome: [] for outcome in Outcome}
    for key in waits:
        unsettled[missing[key].outcome].append(key)
    if doubtful := unsettled[Outcome.uncertain]:
        raise uncertain(write, began_at(missing[key] for key in doubtful), at, max(waits.values()))
    if not write.makes:
        return {}
    if unsettled[Outcome.applied]:
        raise uncertain(write, None, at, max(waits.values()))  # They were made, and the index does not show them yet.
    if waits:
        # The port said that its last send never arrived. Clients are wrong there: a look will show it by then.
        raise in_progress(retry_after_s=ceil(max(waits.values())))
    detail = "It was made earlier and cannot be found any more. Somebody has to look in the other system."
    made = (key for key, intent in missing.items() if intent.outcome is Outcome.applied)
    return {key: Refused(Code.upstream_conflict_stale, detail) for key in made}


def began_at(intents: Iterable[Intent]) -> datetime | None:
    """Return since when one of the outcomes has been unknown, or None where all are known."""
    return min((intent.uncertain_since for intent in intents if intent.uncertain_since), default=None)


def uncertain(write: Write[Any], since: datetime | None, at: datetime, wait_s: float) -> Uncertain:
    """Return what says that it is not known; Overdue where that has lasted for so long that a person has to look."""
    age_s = (at - since).total_seconds() if since else 0.0
    family = Overdue if since and age_s >= write.deadline_s else Uncertain
    detail = "It may have happened. Send it again unchanged: it is looked for before anything is sent."
    error = family(Code.upstream_timeout_uncertain, detail, retry_after_s=max(1, ceil(wait_s)))
    error.since = since
    return error
