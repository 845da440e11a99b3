"""Notes of Tryton, `ir.note`, as the gateway writes and knows them again.

A note hangs on one record and leaves it and its stamp alone; nobody changes it. The first line is for us, the rest for
people; the last line is there as Tryton takes blanks off the end of a text.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import UNSET, Struct

from openapi.common.types import Money
from openapi.system.psa.v1 import NewEntryFeedback, TimeFeedback, TimeFeedbackState
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.psa import wire
from system_apis.connectors.tryton.wire import escaped

FEEDBACK: Final = "feedback"
BILLING: Final = "billing"
HOLD: Final = "hold"
SIGNED: Final = "(Tiebeam)"


class Said(Struct, frozen=True, kw_only=True):
    """What a note of ours says: about what, what of it, and the words for people."""

    id: int
    record: int
    subject: str
    lines: Sequence[str]


class Notes:
    """The notes that the connection's user has written; those of others are not taken for ours."""

    def __init__(self, client: TrytonClient, user: str) -> None:
        self._client, self._ours = client, ["create_uid.login", "=", user]

    async def find(self, kind: str, model: str, records: Sequence[int], subject: str = "") -> list[Said]:
        """Return what was said of the records, the oldest first; one of them that is gone refuses all of it."""
        if not records:
            return []
        resources = ["resource", "in", [f"{model},{record}" for record in records]]
        about = ["message", "like", f"{escaped(_head(kind, subject))}%"]
        found = await self._client.search("ir.note", [resources, self._ours, about], wire.Note, wire.NOTE)
        return [said for note in found if (said := read(kind, note))]

    async def add(self, kind: str, model: str, said: Mapping[int, tuple[str, Sequence[str]]]) -> list[int]:
        """Write a note on each of the records: all, or none."""
        notes = [
            {"resource": f"{model},{record}", "message": written(kind, subject, lines)}
            for record, (subject, lines) in said.items()
        ]
        return await self._client.create_all("ir.note", notes)


def written(kind: str, subject: str, lines: Sequence[str]) -> str:
    """Return the text of a note."""
    return "\n".join([_head(kind, subject), *lines, SIGNED])


def read(kind: str, note: wire.Note) -> Said | None:
    """Return what a note says, or None where it is none of the kind: Tryton's `like` may find more."""
    first, *lines = (note.message or "").replace("\r", "").split("\n")
    if not first.startswith(_head(kind, "")) or lines[-1:] != [SIGNED]:
        return None
    record = int(note.resource.partition(",")[2])
    return Said(id=note.id, record=record, subject=first.removeprefix(_head(kind, "")), lines=lines[:-1])


def from_feedback(new: NewEntryFeedback) -> tuple[str, Sequence[str]]:
    """Return subject and lines of a note on time."""
    amount = None if new.amount is UNSET else f"{new.amount.amount} {new.amount.currency}"
    texts = {"reference": new.reference, "amount": amount, "reason": new.reason}
    return new.state.value, [f"{name}: {text}" for name, text in texts.items() if isinstance(text, str)]


def to_feedback(said: Said) -> TimeFeedback | None:
    """Return what a note on time says, or None where it was not written like ours."""
    texts = dict(line.split(": ", 1) for line in said.lines if ": " in line)
    amount, _, currency = texts.get("amount", "").partition(" ")
    try:
        state = TimeFeedbackState(said.subject)
    except ValueError:
        return None
    return TimeFeedback(
        entry_id=str(said.record),
        state=state,
        reference=texts.get("reference"),
        amount=Money(amount=amount, currency=currency) if currency else None,
        reason=texts.get("reason"),
    )


def _head(kind: str, subject: str) -> str:
    return f"tiebeam {kind}: {subject}"
