"""What people are shown of their billing: notes on projects, and whether a project is held."""

from functools import partial
from typing import Final

from msgspec import UNSET

from gateway.caller import Caller
from gateway.writes import BoundWrites
from openapi.system.psa.v1 import BillingNote, BillingNotePage, HoldFlag, NewBillingNote, NewHoldFlag
from system_apis.access import require
from system_apis.ports import Psa
from system_apis.psa.projects import get_project

NO_NOTES: Final = "This PSA cannot tell a project about its billing."
NO_FLAG: Final = "This PSA cannot show a project as held."


async def find_billing_notes(*, psa: Psa, caller: Caller, project_id: str, business_key: str) -> BillingNotePage:
    """Return the project's note that carries the key, where there is one."""
    require(capability=psa.capabilities.billing_notes, advice=NO_NOTES)
    await get_project(psa=psa, caller=caller, project_id=project_id)
    one = await psa.find_billing_note(project_id, business_key)
    return BillingNotePage(items=[one] if one else [], next_cursor=None)


async def write_billing_note(
    *, psa: Psa, writes: BoundWrites, caller: Caller, project_id: str, body: NewBillingNote
) -> BillingNote:
    """Return the note that carries the key, written now or earlier; people may have changed its text since."""
    require(capability=psa.capabilities.billing_notes, advice=NO_NOTES)
    await get_project(psa=psa, caller=caller, project_id=project_id)
    return await writes.once(
        operation="write_billing_note",
        key=body.business_key,
        payload=body,
        look=partial(psa.find_billing_note, project_id, body.business_key),
        act=partial(psa.write_billing_note, project_id, body),
    )


async def get_hold_flag(*, psa: Psa, caller: Caller, project_id: str) -> HoldFlag:
    """Return whether the PSA shows the project as held."""
    require(capability=psa.capabilities.hold_flag, advice=NO_FLAG)
    await get_project(psa=psa, caller=caller, project_id=project_id)
    return await psa.get_hold_flag(project_id)


async def set_hold_flag(
    *, psa: Psa, writes: BoundWrites, caller: Caller, project_id: str, body: NewHoldFlag
) -> HoldFlag:
    """Return the flag as it is now; a note that is left out does not count."""
    await get_hold_flag(psa=psa, caller=caller, project_id=project_id)
    return await writes.change(
        operation="set_hold_flag",
        object_id=project_id,
        payload=body,
        look=partial(_flag_as_wanted, psa, project_id, body),
        act=partial(psa.set_hold_flag, project_id, body),
    )


async def _flag_as_wanted(psa: Psa, project_id: str, wanted: NewHoldFlag) -> HoldFlag | None:
    flag = await psa.get_hold_flag(project_id)
    noted = wanted.note is UNSET or wanted.note == flag.note
    return flag if noted and wanted.held == flag.held else None
