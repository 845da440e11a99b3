"""Handlers of what a project is shown: a note is written once, a flag is set and lifted again and again."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from gateway.caller import Caller
from gateway.errors import Uncertain
from openapi.common.types import Code
from openapi.system.psa.v1 import BillingNote, HoldFlag, NewBillingNote, NewHoldFlag
from system_apis.psa import v1 as psa_api
from tests.fakes.vendor import Fault
from tests.system_stage import NOBODY, SPAIN, Stage, refusal

KEY = "note_inv_ES01_C-1_contract_2026-11_1_posted"
WHY = "Held by finance: dispute. To be reviewed on 2026-12-09."


@pytest.fixture(autouse=True)
def project(stage: Stage) -> None:
    """Make the first project."""
    stage.psa.make_project("P-1")


async def write(stage: Stage, text: str = "Invoice INV2026/0001", caller: Caller = SPAIN) -> BillingNote:
    """Return the note."""
    body = NewBillingNote(business_key=KEY, text=text)
    return await psa_api.write_billing_note(**stage.on_psa, caller=caller, project_id="1", body=body)


async def find(stage: Stage, key: str = KEY, caller: Caller = SPAIN) -> list[BillingNote]:
    """Return the notes with the key."""
    found = await psa_api.find_billing_notes(psa=stage.psa, caller=caller, project_id="1", business_key=key)
    return found.items


async def put(stage: Stage, *, held: bool, note: str | UnsetType = UNSET, caller: Caller = SPAIN) -> HoldFlag:
    """Return the flag, set."""
    body = NewHoldFlag(held=held, note=note)
    return await psa_api.set_hold_flag(**stage.on_psa, caller=caller, project_id="1", body=body)


async def get(stage: Stage, caller: Caller = SPAIN) -> HoldFlag:
    """Return the flag."""
    return await psa_api.get_hold_flag(psa=stage.psa, caller=caller, project_id="1")


async def test_note_is_written_once_whatever_is_lost(stage: Stage) -> None:
    stage.psa.plan("write_billing_note", Fault.lost_after)
    with pytest.raises(Uncertain):
        await write(stage)

    note = await write(stage)

    assert await write(stage) == note
    assert list(stage.psa.notes) == await find(stage) == [note]
    assert await find(stage, "note_x") == []
    assert (await refusal(write(stage, "Invoice INV2026/0002"))).code is Code.process_payload_conflict


async def test_note_that_somebody_has_mended_is_still_the_note(stage: Stage) -> None:
    note = await write(stage)
    mended = stage.psa.notes.put(replace(note, text="Invoice INV2026/0001, see the mail"), stage.clock())

    assert await write(stage) == mended


async def test_flag_is_set_and_lifted_as_often_as_asked(stage: Stage) -> None:
    nothing = await get(stage)
    answers = [await put(stage, held=held, note=note) for held, note in ((True, WHY), (False, UNSET), (True, WHY))]

    assert (nothing.held, nothing.note) == (False, None)
    assert [(one.held, one.note) for one in answers] == [(True, WHY), (False, None), (True, WHY)]
    assert stage.psa.effects["set_hold_flag"] == 3


async def test_flag_that_is_as_wanted_is_left_alone_and_another_note_is_not_as_wanted(stage: Stage) -> None:
    stage.psa.flag("1", held=True, note="By hand")

    left = await put(stage, held=True)
    noted = await put(stage, held=True, note=WHY)

    assert (left.note, noted.note) == ("By hand", WHY)
    assert stage.psa.effects["set_hold_flag"] == 1


async def test_flag_whose_answer_is_lost_is_looked_at(stage: Stage) -> None:
    stage.psa.plan("set_hold_flag", Fault.lost_after)
    with pytest.raises(Uncertain):
        await put(stage, held=True, note=WHY)

    assert (await put(stage, held=True, note=WHY)).held
    assert stage.psa.effects["set_hold_flag"] == 1


ASKING: list[Callable[[Stage, Caller], Any]] = [
    lambda stage, caller: write(stage, caller=caller),
    lambda stage, caller: find(stage, caller=caller),
    lambda stage, caller: put(stage, held=True, caller=caller),
    get,
]


@pytest.mark.parametrize("asking", ASKING)
async def test_project_of_another_entity_is_not_there(stage: Stage, asking: Callable[[Stage, Caller], Any]) -> None:
    assert (await refusal(asking(stage, NOBODY))).code is Code.resource_not_found
    assert not stage.psa.effects


@pytest.mark.parametrize("asking", ASKING)
async def test_what_the_psa_lacks_is_refused_before_it_is_asked(
    stage: Stage, asking: Callable[[Stage, Caller], Any]
) -> None:
    stage.psa.capabilities = replace(stage.psa.capabilities, billing_notes=False, hold_flag=False)

    assert (await refusal(asking(stage, SPAIN))).code is Code.capability_missing
    assert not stage.psa.calls
