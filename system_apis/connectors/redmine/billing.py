"""What projects of Redmine show of their billing: pages of their wiki, and the flag of a hold."""

import hashlib
from typing import Final

from msgspec import UNSET

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.psa.v1 import BillingNote, HoldFlag, NewBillingNote, NewHoldFlag
from system_apis.connectors.redmine import mapping, time_wire, wire
from system_apis.connectors.redmine.client import RedmineClient, effect_is_there
from system_apis.connectors.redmine.names import Names

HEAD: Final = "key: "
YES, NO = "1", "0"


class Billing:
    """Notes and holds. A note is a page of its own: two that are written at once do not meet."""

    def __init__(self, client: RedmineClient, names: Names) -> None:
        self._client, self._names = client, names

    async def note(self, project: wire.Project, business_key: str) -> BillingNote | None:
        """Return the project's note with the key, or None."""
        _require_wiki(project)
        try:
            page = await self._client.wiki_page(project.id, title_of(business_key))
        except Refused as error:
            if error.code is not Code.resource_not_found:
                raise
            return None
        return to_note(page, project.id, business_key)

    async def write_note(self, project: wire.Project, new: NewBillingNote) -> BillingNote:
        """Return the note; a page is made once, however often it is sent."""
        _require_wiki(project)
        title = title_of(new.business_key)
        fields = time_wire.WikiPageFields(text=f"{HEAD}{new.business_key}\n\n{new.text}")
        await self._client.put_wiki_page(project.id, title, fields)
        return BillingNote(id=title, business_key=new.business_key, project_id=str(project.id), text=new.text)

    async def set_flag(self, project: wire.Project, new: NewHoldFlag) -> HoldFlag:
        """Return the flag, set; a project that was withdrawn is read-only, and refuses it."""
        ids = await self._names.fields("project")
        note = "" if new.note is UNSET or not new.held else new.note
        values = {mapping.HOLD: YES if new.held else NO, mapping.HOLD_NOTE: note}
        fields = wire.ProjectFields(custom_fields=mapping.from_values(values, ids))
        await self._client.change_project("set_hold_flag", project.id, fields)
        with effect_is_there():
            flag = flag_of(await self._client.project(project.id))
        if flag.held != new.held:  # Custom fields that Redmine does not know it passes over.
            self._names.forget()
            detail = f"Redmine does not show the hold. Open the custom field {mapping.HOLD!r} to all projects."
            raise Refused(Code.upstream_conflict_stale, detail)
        return flag


def title_of(business_key: str) -> str:
    """Return the title of a note's page; the tail keeps keys apart that differ in their case only."""
    return f"Billing_{business_key}_{hashlib.sha256(business_key.encode()).hexdigest()[:8]}"


def to_note(page: time_wire.WikiPage, project_id: int, business_key: str) -> BillingNote | None:
    """Return what a page says, or None where somebody took the key off it."""
    head, _, text = page.text.replace("\r\n", "\n").partition("\n\n")
    if head != f"{HEAD}{business_key}":
        return None
    return BillingNote(id=page.title, business_key=business_key, project_id=str(project_id), text=text)


def flag_of(project: wire.Project) -> HoldFlag:
    """Return whether somebody has ticked the project as held, and why."""
    held = mapping.value_of(project.custom_fields, mapping.HOLD) == YES
    note = mapping.value_of(project.custom_fields, mapping.HOLD_NOTE) if held else None
    return HoldFlag(project_id=str(project.id), held=held, note=note)


def _require_wiki(project: wire.Project) -> None:
    if all(module.name != wire.WIKI for module in project.enabled_modules):
        raise Refused(Code.upstream_rejected, "Switch the module Wiki on in the project's settings: notes are pages.")
