"""Slots: one write at a time through a name, over all processes, and nobody waits for one that died."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable

import pytest

from gateway.deadline import deadline
from gateway.errors import Unavailable, WriteInProgress
from gateway.store import write_slots
from gateway.store.database import Store
from gateway.store.write_slots import tb_write_slot
from gateway.write_slots import Slots
from gateway.writes import Item, Writes, WriteSettings
from openapi.common.types import Outcome
from tests.fakes.clock import Clock
from tests.fakes.facts import Fact, Facts, NewFact
from tests.fakes.vendor import Fault
from tests.stores import guard_store

SLOT, SLOT_S = "books/ES01", 15.0


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with guard_store(database_url, Clock()) as opened:
        yield opened


def forward(store: Store, seconds: float) -> None:
    """Let time pass."""
    assert isinstance(store.now, Clock)
    store.now.forward(seconds)


async def test_slot_is_one_holders_until_it_is_given_back(store: Store) -> None:
    taken = [await write_slots.take(store, SLOT, holder, SLOT_S) for holder in ("a", "b")]
    await write_slots.give_back(store, SLOT, "b")
    still = await write_slots.take(store, SLOT, "b", SLOT_S)
    other = await write_slots.take(store, "books/DE01", "b", SLOT_S)
    await write_slots.give_back(store, SLOT, "a")

    assert taken == [True, False]
    assert (still, other) == (False, True)
    assert await write_slots.take(store, SLOT, "b", SLOT_S)


async def test_slot_of_a_dead_holder_is_taken_over_once_it_ran_out(store: Store) -> None:
    await write_slots.take(store, SLOT, "dead", SLOT_S)
    forward(store, SLOT_S / 2)
    renewed = await write_slots.renew(store, SLOT, "dead", SLOT_S)
    forward(store, SLOT_S - 1)
    early = await write_slots.take(store, SLOT, "heir", SLOT_S)
    forward(store, 1)
    late = await write_slots.take(store, SLOT, "heir", SLOT_S)

    assert (renewed, early, late) == (True, False, True)
    assert not await write_slots.renew(store, SLOT, "dead", SLOT_S)


async def test_writes_through_one_slot_go_one_at_a_time(store: Store) -> None:
    facts = Facts()
    facts.latency_s = 0.02
    inside, most = 0, 0

    async def alone(awaited: Awaitable[Fact]) -> Fact:
        nonlocal inside, most
        inside, most = inside + 1, max(most, inside + 1)
        try:
            return await awaited
        finally:
            inside -= 1

    async def post(number: int) -> Fact:
        new = NewFact(business_key=f"f_{number}")

        async def look() -> Fact | None:
            return (await facts.find_facts([new.business_key])).get(new.business_key)

        async def act() -> Fact:
            made = await alone(one(facts, new))
            assert isinstance(made, Fact)
            return made

        guard = Writes(store, WriteSettings()).bound(facts)
        if number % 2:
            return await guard.change(operation="move", object_id=new.business_key, look=look, act=act, serial=SLOT)
        return await guard.once(operation="post", key=new.business_key, payload=new, look=look, act=act, serial=SLOT)

    made = await asyncio.gather(*(post(number) for number in range(6)))

    assert most == 1
    assert sorted(fact.business_key for fact in made) == sorted(facts.keys)
    assert await free(store)


async def one(facts: Facts, new: NewFact) -> Fact:
    """Post a batch of one."""
    made = (await facts.post_facts([new]))[new.business_key]
    assert isinstance(made, Fact)
    return made


async def free(store: Store) -> bool:
    """Tell whether nobody holds the slot."""
    async with store.begin() as connection:
        rows = (await connection.execute(tb_write_slot.select())).all()
    return all(row.holder is None for row in rows)


async def post_many(store: Store, facts: Facts, lease_s: float = 60.0) -> None:
    """Post a batch through the slot."""
    await (
        Writes(store, WriteSettings(lease_s=lease_s))
        .bound(facts)
        .many(
            operation="post_facts",
            items=[Item(key="f_a", payload=NewFact(business_key="f_a"))],
            look=facts.find_facts,
            act=facts.post_facts,
            serial=SLOT,
        )
    )


async def test_who_waits_in_vain_has_sent_nothing_and_noted_nothing(store: Store) -> None:
    facts = Facts()
    await write_slots.take(store, SLOT, "another", SLOT_S)

    with pytest.raises(WriteInProgress):
        await post_many(store, facts, lease_s=0.4)
    with deadline(0.2), pytest.raises(WriteInProgress):
        await post_many(store, facts)
    intent = await Writes(store, WriteSettings()).intent("books", "post_facts", "f_a")

    assert intent is not None
    assert (facts.batches, intent.outcome, intent.tries) == ([], Outcome.none, 0)
    await write_slots.give_back(store, SLOT, "another")
    await post_many(store, facts)
    assert facts.keys == ["f_a"]


@pytest.mark.parametrize("fault", [Fault.unavailable, Fault.hangs_before])
async def test_slot_is_given_back_whatever_became_of_the_send(store: Store, fault: Fault) -> None:
    facts = Facts()
    facts.plan("post_facts", fault)
    task = asyncio.create_task(post_many(store, facts))
    if fault is Fault.hangs_before:
        await facts.hanging.wait()
        task.cancel()

    with pytest.raises((Unavailable, asyncio.CancelledError)):
        await task

    assert await free(store)


async def test_slot_is_renewed_while_the_send_is_under_way(store: Store) -> None:
    slots = Slots(store, lease_s=0.03, wait_s=1)
    async with slots.held(SLOT), asyncio.timeout(60):
        before = await until(store)
        forward(store, 0.02)
        while await until(store) == before:  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.01)

    assert await free(store)


async def until(store: Store) -> object:
    """Return when the slot runs out."""
    async with store.begin() as connection:
        return (await connection.execute(tb_write_slot.select())).one().until


async def test_holder_that_lost_its_slot_goes_on_and_leaves_it_to_the_heir(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    slots = Slots(store, lease_s=0.03, wait_s=1)
    with caplog.at_level(logging.WARNING):
        async with slots.held(SLOT), asyncio.timeout(60):
            forward(store, 60)
            while not await write_slots.take(store, SLOT, "heir", SLOT_S):
                forward(store, 60)
            while "was lost" not in caplog.text:  # noqa: ASYNC110 - a log tells nobody
                await asyncio.sleep(0.01)

    assert not await write_slots.take(store, SLOT, "third", SLOT_S)


async def test_database_that_is_away_while_a_slot_is_held_changes_nothing_for_its_holder(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    slots = Slots(store, lease_s=0.03, wait_s=1)
    async with slots.held(SLOT), asyncio.timeout(60):
        async with store.begin() as connection:
            await connection.run_sync(tb_write_slot.drop)
        while "could not be renewed" not in caplog.text:  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.01)

    assert "is not given back" in caplog.text
