"""What a strict PSA in memory shows people of their billing: feedback on time, notes on projects, flags of holds."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from gateway.errors import Refused
from gateway.store.database import utc_now
from openapi.common.types import Code
from openapi.system.psa.v1 import (
    BillingNote,
    Capabilities,
    HoldFlag,
    NewBillingNote,
    NewEntryFeedback,
    NewHoldFlag,
    TimeFeedback,
)
from tests.fakes.psa_time import MOST_AT_ONCE, Time
from tests.fakes.vendor import Book, given, refuse_unless


class Billing(Time):
    """The part of the port `Psa` that tells people what became of their work."""

    def __init__(self, capabilities: Capabilities, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(capabilities, clock)
        self.feedback: dict[str, list[TimeFeedback]] = {}
        """All that was ever said of each time entry, the newest last."""
        self.feedback_changes_entries = False
        """Whether an entry has changed, for whoever polls, once feedback is written on it."""
        self.notes: Book[BillingNote] = Book()
        self._flags: dict[str, HoldFlag] = {}

    def flag(self, project_id: str, *, held: bool, note: str | None = None) -> HoldFlag:
        """Return the flag as somebody sets it in the PSA itself."""
        self.projects.get(project_id)
        self._flags[project_id] = HoldFlag(project_id=project_id, held=held, note=note)
        return self._flags[project_id]

    async def find_time_feedback(self, entry_ids: Sequence[str]) -> Mapping[str, TimeFeedback]:
        """Return the newest word on each."""

        def found() -> Mapping[str, TimeFeedback]:
            self._check_feedback(len(entry_ids))
            self.check_search()
            return {entry_id: self.feedback[entry_id][-1] for entry_id in entry_ids if entry_id in self.feedback}

        return await self.read("find_time_feedback", found)

    async def write_time_feedback(self, feedback: Sequence[NewEntryFeedback]) -> Mapping[str, TimeFeedback | Refused]:
        """Return what each shows now."""

        def written() -> Mapping[str, TimeFeedback | Refused]:
            self._check_feedback(len(feedback))
            distinct = len({one.entry_id for one in feedback}) == len(feedback)
            refuse_unless(distinct, Code.upstream_rejected, "A batch has each entry once.")
            return {one.entry_id: self._told_of(one) for one in feedback}

        return await self.write("write_time_feedback", written)

    async def find_billing_note(self, project_id: str, business_key: str) -> BillingNote | None:
        """Return the project's note that carries the key, once the index has it."""

        def fits(note: BillingNote) -> bool:
            return (note.project_id, note.business_key) == (project_id, business_key)

        def found() -> BillingNote | None:
            self.projects.get(project_id)
            return self.find(self.notes, fits)

        return await self.read("find_billing_note", found)

    async def write_billing_note(self, project_id: str, new: NewBillingNote) -> BillingNote:
        """Return a new note, whichever else carries the key."""

        def written() -> BillingNote:
            refuse_unless(self.capabilities.billing_notes, Code.capability_missing, "No notes.")
            self.projects.get(project_id)
            note = BillingNote(
                id=self.notes.next_id(), business_key=new.business_key, project_id=project_id, text=new.text
            )
            return self.notes.put(note, self.clock())

        return await self.write("write_billing_note", written)

    async def get_hold_flag(self, project_id: str) -> HoldFlag:
        """Return what everybody sees on the project."""

        def seen() -> HoldFlag:
            self._check_flag(project_id)
            return self._flags.get(project_id, HoldFlag(project_id=project_id, held=False, note=None))

        return await self.read("get_hold_flag", seen)

    async def set_hold_flag(self, project_id: str, new: NewHoldFlag) -> HoldFlag:
        """Return the flag, set."""

        def changed() -> HoldFlag:
            self._check_flag(project_id)
            return self.flag(project_id, held=new.held, note=given(new, "note"))

        return await self.write("set_hold_flag", changed)

    def _check_feedback(self, number: int) -> None:
        refuse_unless(self.capabilities.time_feedback, Code.capability_missing, "No feedback.")
        refuse_unless(number <= MOST_AT_ONCE, Code.upstream_rejected, "Too many at once.")

    def _check_flag(self, project_id: str) -> None:
        refuse_unless(self.capabilities.hold_flag, Code.capability_missing, "No flags.")
        self.projects.get(project_id)

    def _told_of(self, new: NewEntryFeedback) -> TimeFeedback | Refused:
        entry = self.seen(new.entry_id)
        if entry is None:
            return Refused(Code.resource_not_found, "There is no such time.")
        told = TimeFeedback(
            entry_id=new.entry_id,
            state=new.state,
            reference=given(new, "reference"),
            amount=given(new, "amount"),
            reason=given(new, "reason"),
        )
        self.feedback.setdefault(new.entry_id, []).append(told)
        if self.feedback_changes_entries:
            self.edit(new.entry_id)
        return told
