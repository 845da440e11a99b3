"""What every PSA connector must pass: what projects show of their billing, notes and holds."""

from functools import partial

import pytest

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.psa.v1 import BillingNote, HoldFlag, NewBillingNote, NewHoldFlag, ProjectState
from system_apis.conformance.keys import fresh
from system_apis.conformance.psa import STRANGE_IDS, from_a_template, made, today
from system_apis.conformance.psa_tasks import needs
from system_apis.conformance.target import PsaTarget

WHY = "Held by Finance: PO missing, until 30 November. 发现"


async def noted(target: PsaTarget, project_id: str, new: NewBillingNote) -> BillingNote:
    """Return what the guard made of it, as every caller writes."""
    return await target.writes.once(
        operation="write_billing_note",
        key=new.business_key,
        payload=new,
        look=partial(target.port.find_billing_note, project_id, new.business_key),
        act=partial(target.port.write_billing_note, project_id, new),
    )


async def test_note_written_twice_with_one_key_is_there_once(target: PsaTarget) -> None:
    needs(target.port.capabilities.billing_notes)
    project = await made(target, from_a_template(target))
    new = NewBillingNote(business_key=fresh("inv"), text="INV2026/0004: 200.00 EUR, to be paid 242.00 EUR.")

    first, again = await noted(target, project.id, new), await noted(target, project.id, new)

    assert again == first
    assert (first.business_key, first.project_id, first.text) == (new.business_key, project.id, new.text)
    assert await target.books.count_notes(project.id, new.business_key) == 1


async def test_longest_note_is_carried_whole(target: PsaTarget) -> None:
    needs(target.port.capabilities.billing_notes)
    project = await made(target, from_a_template(target))
    new = NewBillingNote(business_key=fresh("inv"), text=("Rechnung über 株式会社: key: x, " * 50)[:999] + "!")

    note = await noted(target, project.id, new)

    assert note.text == new.text
    assert await target.port.find_billing_note(project.id, new.business_key) == note


async def test_notes_of_a_project_are_told_apart_by_their_keys(target: PsaTarget) -> None:
    needs(target.port.capabilities.billing_notes)
    one, other = [await made(target, from_a_template(target)) for _ in range(2)]
    keys = [fresh("inv") for _ in range(3)]
    for key in keys:
        await noted(target, one.id, NewBillingNote(business_key=key, text=f"about {key}"))

    found = [await target.port.find_billing_note(one.id, key) for key in keys]

    assert [note.text if note else None for note in found] == [f"about {key}" for key in keys]
    for alike in (keys[0][:-1], f"{keys[0]}1", keys[0].replace("_", "-"), keys[0].upper(), fresh("inv")):
        assert await target.port.find_billing_note(one.id, alike) is None
    assert await target.port.find_billing_note(other.id, keys[0]) is None


async def test_note_may_be_written_on_a_project_that_takes_no_time(target: PsaTarget) -> None:
    needs(target.port.capabilities.billing_notes)
    project = await made(target, from_a_template(target))
    await target.port.open_project(project.id)
    closed = await target.port.close_project(project.id)

    await noted(target, project.id, NewBillingNote(business_key=fresh("inv"), text="The last one."))

    assert (await target.port.get_project(project.id)).state is closed.state


async def test_project_is_held_and_freed_and_says_why(target: PsaTarget) -> None:
    needs(target.port.capabilities.hold_flag)
    port, project = target.port, await made(target, from_a_template(target))
    seen = [await port.get_hold_flag(project.id)]

    for new in (
        NewHoldFlag(held=True, note=WHY),
        NewHoldFlag(held=True, note=WHY),
        NewHoldFlag(held=True, note="Held by two."),
        NewHoldFlag(held=False),
        NewHoldFlag(held=False),
        NewHoldFlag(held=True),
    ):
        flag = await port.set_hold_flag(project.id, new)
        assert await port.get_hold_flag(project.id) == flag
        seen.append(flag)

    assert seen == [
        HoldFlag(project_id=project.id, held=held, note=note)
        for held, note in (
            (False, None),
            (True, WHY),
            (True, WHY),
            (True, "Held by two."),
            (False, None),
            (False, None),
            (True, None),
        )
    ]


async def test_held_project_takes_time_and_stays_held_through_its_states(target: PsaTarget) -> None:
    needs(target.port.capabilities.hold_flag)
    port, project = target.port, await made(target, from_a_template(target))
    await port.open_project(project.id)

    await port.set_hold_flag(project.id, NewHoldFlag(held=True, note=WHY))
    held = await port.get_project(project.id)
    booked = await target.books.book(project.id, today())
    closed, opened = await port.close_project(project.id), await port.open_project(project.id)

    assert booked
    assert [each.state for each in (held, closed, opened)] == [
        ProjectState.open,
        ProjectState.closed,
        ProjectState.open,
    ]
    assert await port.get_hold_flag(project.id) == HoldFlag(project_id=project.id, held=True, note=WHY)


async def test_project_that_a_person_holds_is_seen_and_can_be_freed(target: PsaTarget) -> None:
    needs(target.port.capabilities.hold_flag)
    port, project = target.port, await made(target, from_a_template(target))

    await target.books.put_on_hold(project.id)
    seen = await port.get_hold_flag(project.id)
    freed = await port.set_hold_flag(project.id, NewHoldFlag(held=False))

    assert (seen.held, seen.note, freed.held) == (True, None, False)


async def test_withdrawn_project_stays_withdrawn(target: PsaTarget) -> None:
    needs(target.port.capabilities.hold_flag)
    port, project = target.port, await made(target, from_a_template(target))
    cancelled = await port.cancel_project(project.id)

    with pytest.raises(Refused):
        await port.set_hold_flag(project.id, NewHoldFlag(held=True))

    assert (await port.get_project(project.id)).state is cancelled.state
    assert not (await port.get_hold_flag(project.id)).held


@pytest.mark.parametrize("project_id", STRANGE_IDS)
async def test_billing_of_a_project_that_is_not_there_is_not_there(target: PsaTarget, project_id: str) -> None:
    needs(target.port.capabilities.billing_notes and target.port.capabilities.hold_flag)
    port, key = target.port, fresh("inv")
    for asked in (
        partial(port.find_billing_note, project_id, key),
        partial(port.write_billing_note, project_id, NewBillingNote(business_key=key, text="to nobody")),
        partial(port.get_hold_flag, project_id),
        partial(port.set_hold_flag, project_id, NewHoldFlag(held=True)),
    ):
        with pytest.raises(Refused) as refused:
            await asked()

        assert refused.value.code is Code.resource_not_found
