"""What delivery is told of billing: feedback on time, notes on projects, and the flag of a hold."""

from collections.abc import Mapping, Sequence

from msgspec import UNSET

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.psa.v1 import (
    BillingNote,
    HoldFlag,
    NewBillingNote,
    NewEntryFeedback,
    NewHoldFlag,
    TimeFeedback,
)
from system_apis.connectors.tryton.client import TrytonClient, effect_is_there
from system_apis.connectors.tryton.psa import notes
from system_apis.connectors.tryton.psa.notes import BILLING, FEEDBACK, HOLD, Notes, Said
from system_apis.connectors.tryton.psa.projects import WORK, Projects
from system_apis.connectors.tryton.psa.setup import DeliverySetup
from system_apis.connectors.tryton.psa.time import LINE, Timesheets
from system_apis.connectors.tryton.records import one
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import Work

ON, OFF = "on", "off"


class Billing:
    """Notes on lines and projects, and a status; nothing that is written changes a line of time."""

    def __init__(self, client: TrytonClient, settings: Settings, projects: Projects, time: Timesheets) -> None:
        self._client, self._settings, self._projects, self._time = client, settings, projects, time
        self._notes, self._setup = Notes(client, settings.user), DeliverySetup(client, settings)

    async def feedback(self, entry_ids: Sequence[str]) -> Mapping[str, TimeFeedback]:
        """Return the newest word on each entry, by id."""
        try:
            said = await self._notes.find(FEEDBACK, LINE, await self._time.ids(entry_ids))
        except Refused:  # One was deleted in between, and refuses the search: now it is known to be gone.
            said = await self._notes.find(FEEDBACK, LINE, await self._time.ids(entry_ids))
        words = [word for each in said if (word := notes.to_feedback(each))]
        return {word.entry_id: word for word in words}

    async def write_feedback(self, feedback: Sequence[NewEntryFeedback]) -> Mapping[str, TimeFeedback | Refused]:
        """Write a note on each entry that is there, in one call; return what came of each."""
        there = set(await self._time.ids([new.entry_id for new in feedback]))
        known = {new.entry_id: new for new in feedback if new.entry_id.isdecimal() and int(new.entry_id) in there}
        if known:
            texts = {int(entry_id): notes.from_feedback(new) for entry_id, new in known.items()}
            await self._notes.add(FEEDBACK, LINE, texts)
        return {new.entry_id: _shown(new) if new.entry_id in known else _gone() for new in feedback}

    async def note(self, project_id: str, business_key: str) -> BillingNote | None:
        """Return the project's note with the key, or None."""
        project = await self._projects.root(project_id)
        said = await self._notes.find(BILLING, WORK, [project.id], business_key)
        found = one([each for each in said if each.subject == business_key])
        return _to_note(found) if found else None

    async def write_note(self, project_id: str, new: NewBillingNote) -> BillingNote:
        """Return the new note."""
        project = await self._projects.root(project_id)
        (made,) = await self._notes.add(BILLING, WORK, {project.id: (new.business_key, [new.text])})
        return _to_note(Said(id=made, record=project.id, subject=new.business_key, lines=[new.text]))

    async def flag(self, project_id: str) -> HoldFlag:
        """Return whether the project has the status of a hold, whoever gave it, and our word on it."""
        return await self._flag_of(await self._projects.root(project_id))

    async def set_flag(self, project_id: str, new: NewHoldFlag) -> HoldFlag:
        """Return the flag, set: the status, which counts, and the word on it.

        A look at the flag has to see what a call lacks that was cut short. One that is on shows its word, which may
        come second; one that is off shows none, so there the status comes second.
        """
        project = await self._projects.root(project_id)
        if project.status.name == self._settings.status_cancelled:
            raise Refused(Code.upstream_rejected, "The project is withdrawn. Open or close it first.")
        status = None
        if new.held != self._is_held(project):
            name = self._settings.status_on_hold if new.held else self._settings.status_open
            status = await self._setup.status(name)
        if not new.held:
            await self._say(project, new)
        if status is not None:
            await self._client.write(WORK, [project.id], {"status": status})
        with effect_is_there():
            if new.held:
                await self._say(project, new)
            return await self._flag_of(await self._projects.root(project_id))

    async def _say(self, project: Work, new: NewHoldFlag) -> None:
        """Write down who holds it and why, or that nobody does any more, where that is news."""
        subject, lines = (ON if new.held else OFF), [] if new.note is UNSET else [new.note]
        last = await self._last_word(project)
        known = (last.subject, list(last.lines)) if last else (OFF, [])
        if known != (subject, lines):
            await self._notes.add(HOLD, WORK, {project.id: (subject, lines)})

    async def _flag_of(self, project: Work) -> HoldFlag:
        held = self._is_held(project)
        last = await self._last_word(project) if held else None
        note = last.lines[0] if last and last.subject == ON and last.lines else None
        return HoldFlag(project_id=str(project.id), held=held, note=note)

    async def _last_word(self, project: Work) -> Said | None:
        said = await self._notes.find(HOLD, WORK, [project.id])
        return said[-1] if said else None

    def _is_held(self, project: Work) -> bool:
        return project.status.name == self._settings.status_on_hold


def _shown(new: NewEntryFeedback) -> TimeFeedback:
    return TimeFeedback(
        entry_id=new.entry_id,
        state=new.state,
        reference=None if new.reference is UNSET else new.reference,
        amount=None if new.amount is UNSET else new.amount,
        reason=None if new.reason is UNSET else new.reason,
    )


def _gone() -> Refused:
    return Refused(Code.resource_not_found, "Tryton has no time with this id any more.")


def _to_note(said: Said) -> BillingNote:
    text = "\n".join(said.lines)
    return BillingNote(id=str(said.id), business_key=said.subject, project_id=str(said.record), text=text)
