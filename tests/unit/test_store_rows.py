"""What the store keeps, and whom it shows it to: on a database of its own, under the clock of the test."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import insert, update
from sqlalchemy.exc import SQLAlchemyError

from gateway.caller import INSTALLATION, Caller
from gateway.durable.migrate import migrate
from gateway.errors import Refused, Unavailable
from gateway.store import (
    business_events,
    cross_references,
    locks,
    observations,
    process_steps,
    processes,
    sequences,
    work_items,
)
from gateway.store.business_events import NewEvent, tb_business_event
from gateway.store.cross_references import NewReference, ReferenceState
from gateway.store.database import Store, create_engine
from gateway.store.ids import ALPHABET, new_id
from gateway.store.observations import Subject, observe
from gateway.store.pages import Window
from gateway.store.processes import Process, tb_process_instance
from gateway.store.work_items import ItemState, NewItem, Resolution
from gateway.telemetry.metrics import FAILED
from openapi.common.types import Code, Money, OwnerQueue
from tests.fakes.clock import Clock

GERMANS = replace(INSTALLATION, legal_entities=frozenset({"DE01"}))
PORTAL = replace(INSTALLATION, customers=frozenset({"cus_1"}))
NOBODY = replace(INSTALLATION, legal_entities=frozenset())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path / 'tiebeam.sqlite'}"
    migrate(url)
    opened = Store(create_engine(url), clock)
    yield opened
    await opened.close()


async def put(store: Store, key: str, **values: object) -> Process:
    """Put a process there, as `gateway.durable` would."""
    now = store.now()
    row: dict[str, Any] = {
        "id": new_id("pin", now),
        "kind": "toy",
        "business_key": key,
        "attempt": 1,
        "payload_sha256": "0",
        "state": "running",
        "outcome": "none",
        "version": 1,
        "owner": "Delivery",
        "legal_entity": "ES01",
        "order": "{}",
        "caller_client_id": "crm",
        "correlation_id": "cor_1",
        "giving_up": False,
        "tries": 0,
        "created_at": now,
        "updated_at": now,
    }
    async with store.begin() as connection:
        await connection.execute(insert(tb_process_instance).values(row | values))
    found = await processes.find(store, INSTALLATION, "toy", key)
    assert found is not None
    return found


async def opened(store: Store, process: Process, **values: object) -> str:
    """Open a work item of the process."""
    new = NewItem(step="create", trace_key="deal_1", code=Code.dimension_invalid_combination, detail="Mend it.")
    async with store.begin() as connection:
        return await work_items.open_item(connection, store, process, replace(new, **values))


@given(st.datetimes(min_value=Clock().now.replace(tzinfo=None)), st.sampled_from(["pin", "wki"]))
def test_an_id_says_what_it_is_and_is_read_out_without_mistakes(at: datetime, prefix: str) -> None:
    made = new_id(prefix, at)

    assert made.startswith(f"{prefix}_")
    assert len(made) == len(prefix) + 27
    assert set(made.partition("_")[2]) <= set(ALPHABET)


def test_ids_sort_by_age(clock: Clock) -> None:
    older = new_id("pin", clock())
    clock.forward(0.002)

    assert older < new_id("pin", clock())


async def test_a_list_comes_in_pages_newest_first_and_shows_nobody_elses(store: Store, clock: Clock) -> None:
    for number in range(5):
        clock.forward(1)
        await put(store, f"es_{number}")
    clock.forward(1)
    await put(store, "de_1", legal_entity="DE01", customer="cus_1")

    first = await processes.list_all(store, INSTALLATION, Window(limit=4), kind="toy")
    second = await processes.list_all(store, INSTALLATION, Window(after=first.after, limit=4))
    german = await processes.list_all(store, GERMANS, Window(), state="running")
    portal = await processes.list_all(store, PORTAL, Window())

    assert [one.business_key for one in first.items] == ["de_1", "es_4", "es_3", "es_2"]
    assert [one.business_key for one in second.items] == ["es_1", "es_0"]
    assert second.after is None
    assert [one.business_key for one in german.items] == ["de_1"]
    assert [one.business_key for one in portal.items] == ["de_1"]
    assert (await processes.list_all(store, NOBODY, Window())).items == []


async def test_error_of_the_database_names_no_value(store: Store) -> None:
    async with store.begin() as connection:
        with pytest.raises(SQLAlchemyError) as caught:
            await connection.execute(insert(tb_process_instance).values(id="pin_1", order="a statement of work"))

    assert "a statement of work" not in str(caught.value)


@pytest.mark.parametrize("caller", [GERMANS, PORTAL, NOBODY])
async def test_what_a_caller_may_not_see_is_not_there(store: Store, caller: Caller) -> None:
    process = await put(store, "es_1")
    item = await opened(store, process)

    with pytest.raises(Refused) as hidden:
        await processes.get(store, caller, process.id)
    with pytest.raises(Refused) as hidden_item:
        await work_items.get(store, caller, item)

    assert hidden.value.code is hidden_item.value.code is Code.resource_not_found
    assert await process_steps.list_all(store, caller, [process.id]) == {process.id: []}


async def test_an_item_is_one_for_its_step_and_key_and_says_whose_it_is(store: Store) -> None:
    process = await put(store, "es_1", amount='{"amount": "12.50", "currency": "EUR"}')

    first, again = await opened(store, process), await opened(store, process, detail="Mend the other one.")
    item = await work_items.get(store, INSTALLATION, first)

    assert first == again
    assert (item.attempts, item.detail, item.owner_queue) == (2, "Mend the other one.", OwnerQueue.Finance_Ops)
    assert item.amount_at_risk == Money(amount="12.50", currency="EUR")


async def test_an_item_says_of_its_own_what_it_is_about_and_of_its_process_the_rest(store: Store) -> None:
    process = await put(store, "es_1", amount='{"amount": "12.50", "currency": "EUR"}')
    plain = NewItem(step="create", trace_key="deal_1", code=Code.po_missing, detail="Mend it.")
    own = {"legal_entity": "DE01", "customer": "cus_9", "project": "prj_9"}
    amount = Money(amount="7.00", currency="EUR")
    named = replace(plain, trace_key="deal_2", system="books", amount_at_risk=amount, **own)
    async with store.begin() as connection:
        ids = await work_items.open_all(connection, store, process, [plain, named])
    first, second = [await work_items.get(store, INSTALLATION, item_id) for item_id in ids]

    assert (first.legal_entity, first.customer, first.project) == (
        process.legal_entity,
        process.customer,
        process.project,
    )
    assert ({name: getattr(second, name) for name in own}, second.amount_at_risk) == (own, amount)
    assert store.metrics.total(FAILED, system="books", code="po.missing") == 1


async def test_a_code_without_an_owner_goes_to_integration() -> None:
    assert work_items.owner_of(Code.rate_limited) is OwnerQueue.Integration
    assert work_items.owner_of(Code.upstream_timeout_uncertain) is OwnerQueue.Finance_Ops


async def test_an_item_counts_as_one_failure_once_it_is_committed(store: Store) -> None:
    process = await put(store, "one")
    new = NewItem(step="create", trace_key="deal_1", code=Code.dimension_invalid_combination, detail="Mend it.")

    async def broken_off() -> None:
        async with store.begin() as connection:
            await work_items.open_item(connection, store, process, new)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await broken_off()
    async with store.begin() as connection:
        await work_items.open_item(connection, store, process, new)
        under_way = store.metrics.total(FAILED)
    committed = store.metrics.total(FAILED, process="toy", code="dimension.invalid_combination")
    again = await opened(store, process)
    items = [replace(new, trace_key=key) for key in ("deal_3", "deal_1", "deal_2")]
    async with store.begin() as connection:
        ids = await work_items.open_all(connection, store, process, items)

    assert (under_way, committed) == (0, 1)
    assert ids[1] == again, "Each has its own, in the order that was asked for."
    assert store.metrics.total(FAILED) == 3


async def test_an_item_is_assigned_resolved_and_opened_again(store: Store) -> None:
    process = await put(store, "es_1")
    item_id = await opened(store, process)

    assigned = await work_items.assign(store, INSTALLATION, item_id, "fin.ops@example.com")
    async with store.begin() as connection:
        gone = {"by": "crm", "resolution": Resolution.cancelled}
        await work_items.resolve(connection, store, process.id, **gone)  # type: ignore[arg-type]  # both by name
    resolved = await work_items.list_all(store, INSTALLATION, Window(), state=ItemState.resolved)
    with pytest.raises(Refused) as refused:
        await work_items.assign(store, INSTALLATION, item_id, "fin.ops@example.com")
    await opened(store, process)
    waiting = await work_items.list_all(store, INSTALLATION, Window(), owner_queue=OwnerQueue.Finance_Ops)

    assert (assigned.state, assigned.assignee) == (ItemState.assigned, "fin.ops@example.com")
    assert [(item.resolution, item.resolved_by) for item in resolved.items] == [(Resolution.cancelled, "crm")]
    assert refused.value.code is Code.process_illegal_transition
    assert [(item.state, item.assignee, item.resolution) for item in waiting.items] == [(ItemState.open, None, None)]


async def test_an_item_that_is_met_again_while_somebody_works_on_it_stays_theirs(store: Store) -> None:
    process = await put(store, "es_1")
    item_id = await opened(store, process)
    await work_items.assign(store, INSTALLATION, item_id, "fin.ops@example.com")

    await opened(store, process)

    met = await work_items.get(store, INSTALLATION, item_id)
    assert (met.state, met.assignee, met.attempts) == (ItemState.assigned, "fin.ops@example.com", 2)


async def test_an_item_is_resolved_by_whoever_let_its_process_go_on(store: Store) -> None:
    process = await put(store, "es_1")
    item_id = await opened(store, process)

    async with store.begin() as connection:
        await work_items.take_up(connection, process.id, "fin-ops")
    waiting = await work_items.get(store, INSTALLATION, item_id)
    async with store.begin() as connection:
        await work_items.resolve(connection, store, process.id)
    done = await work_items.get(store, INSTALLATION, item_id)

    assert (waiting.state, waiting.resolved_by) == (ItemState.open, None)
    assert (done.state, done.resolved_by) == (ItemState.resolved, "fin-ops")


async def test_who_was_refused_again_has_resolved_nothing(store: Store) -> None:
    process = await put(store, "es_1")
    item_id = await opened(store, process)

    async with store.begin() as connection:
        await work_items.take_up(connection, process.id, "fin-ops")
    await opened(store, process)
    async with store.begin() as connection:
        await work_items.resolve(connection, store, process.id)
    done = await work_items.get(store, INSTALLATION, item_id)

    assert (done.state, done.resolved_by) == (ItemState.auto_resolved, None)


async def test_locks_are_taken_together_kept_and_taken_over_from_the_dead(store: Store) -> None:
    mine, other = await put(store, "mine"), await put(store, "other")
    await locks.take(store, mine.id, ["b", "a"])
    await locks.take(store, mine.id, ["a"])

    with pytest.raises(Refused) as refused:
        await locks.take(store, other.id, ["0", "a"])
    nothing = await locks.held_by(store, other.id)
    await locks.release(store, mine.id, ["b"])
    async with store.begin() as connection:
        await connection.execute(update(tb_process_instance).values(ended_at=store.now()))
    await locks.take(store, other.id, ["0", "a", "b"])

    assert refused.value.code is Code.lock_held
    assert refused.value.process_id == mine.id
    assert [violation.actual for violation in refused.value.violations] == ["a"]
    assert nothing == []
    assert await locks.held_by(store, other.id) == ["0", "a", "b"]
    assert await locks.held_by(store, mine.id) == []


async def test_each_number_is_given_out_once(store: Store) -> None:
    before = await sequences.peek(store, "codes")
    given_out = [await sequences.next_number(store, "codes") for _ in range(3)]

    assert (before, given_out, await sequences.peek(store, "codes")) == (1, [1, 2, 3], 4)


NEW = NewReference(
    canonical_id="cus_1", object_type="customer", system="tryton", instance="books", external_id="17", customer="cus_1"
)


async def test_an_external_object_is_one_of_ours_at_a_time(store: Store) -> None:
    first, again = await cross_references.establish(store, NEW), await cross_references.establish(store, NEW)
    with pytest.raises(Refused) as refused:
        await cross_references.establish(store, replace(NEW, canonical_id="cus_2"))
    await cross_references.retire(store, "cus_1", "books")
    second = await cross_references.establish(store, replace(NEW, canonical_id="cus_2", customer="cus_2"))

    assert first == again
    assert refused.value.code is Code.upstream_conflict_stale
    assert await cross_references.list_all(store, INSTALLATION, instance="books", external_id="17") == [second]
    assert await cross_references.list_all(store, PORTAL, state=None) != []
    assert await cross_references.list_all(store, PORTAL) == []


async def test_a_proposed_reference_counts_once_it_is_promoted(store: Store) -> None:
    await cross_references.establish(store, replace(NEW, state=ReferenceState.proposed))
    before = await cross_references.list_all(store, INSTALLATION)
    await cross_references.promote(store, "cus_1")

    assert before == []
    assert [one.external_id for one in await cross_references.list_all(store, INSTALLATION)] == ["17"]


@pytest.mark.parametrize("state", [ReferenceState.active, ReferenceState.proposed])
async def test_proposing_what_somebody_else_has_is_refused_at_once(store: Store, state: ReferenceState) -> None:
    await cross_references.establish(store, replace(NEW, state=state))

    with pytest.raises(Refused) as refused:
        await cross_references.establish(store, replace(NEW, canonical_id="cus_2", state=ReferenceState.proposed))

    assert refused.value.code is Code.upstream_conflict_stale


class Said(Struct, frozen=True, kw_only=True):
    """What a system says."""

    state: str


async def test_an_observation_is_asked_for_kept_and_told_while_the_system_is_away(store: Store, clock: Clock) -> None:
    subject, asked = Subject(connection="books", object_type="customer", external_id="17"), []

    async def fetch() -> Said:
        asked.append(clock())
        return Said(state="active")

    async def away() -> Said:
        raise Unavailable(Code.upstream_unavailable, "Nobody answers.")

    with pytest.raises(Unavailable):
        await observe(store, subject, Said, away)
    fresh = await observe(store, subject, Said, fetch)
    clock.forward(5)
    young = await observe(store, subject, Said, fetch, max_age_s=10)
    stale = await observe(store, subject, Said, away)
    newer = await observe(store, subject, Said, fetch)

    assert (fresh.stale, young, stale.stale, newer.stale) == (False, fresh, True, False)
    assert (stale.value, stale.as_of) == (fresh.value, fresh.as_of)
    assert len(asked) == 2
    assert await observations.last(store, subject, Said) == newer


async def tell(store: Store, *subjects: str) -> None:
    """Append an event about each subject."""
    for subject in subjects:
        async with store.begin() as connection:
            new = NewEvent(type="tiebeam.toy.told.v1", subject=subject, data={"n": 1}, legal_entity="ES01")
            await business_events.append(connection, store, new)


async def test_events_count_by_subject_and_are_chained_by_writer(store: Store) -> None:
    await tell(store, "pin_1", "pin_2", "pin_1")
    other = Store(store.engine, store.now)
    await tell(other, "pin_1")

    listed = await business_events.list_all(store, INSTALLATION, Window(), subject="pin_1")
    by_sequence = sorted(listed.items, key=lambda event: event.sequence)

    assert [event.sequence for event in by_sequence] == [1, 2, 3]
    assert [event.writer_sequence for event in by_sequence] == [1, 3, 1]
    assert (await business_events.list_all(store, GERMANS, Window())).items == []
    assert await business_events.broken_events(store) == []


async def test_an_event_that_was_changed_or_taken_away_is_found(store: Store) -> None:
    await tell(store, "pin_1", "pin_2", "pin_3")
    listed = await business_events.list_all(store, INSTALLATION, Window())
    changed, after = (next(e for e in listed.items if e.writer_sequence == number) for number in (1, 3))
    async with store.begin() as connection:
        columns = tb_business_event.c
        await connection.execute(update(tb_business_event).where(columns.id == changed.id).values(data='{"n":2}'))
        await connection.execute(tb_business_event.delete().where(columns.writer_sequence == 2))

    assert await business_events.broken_events(store) == [changed.id, after.id]


async def test_an_event_is_rolled_back_with_what_it_tells_of(store: Store) -> None:
    async def fails() -> None:
        async with store.begin() as connection:
            await business_events.append(connection, store, NewEvent(type="t", subject="pin_1", data={}))
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await fails()

    assert (await business_events.list_all(store, INSTALLATION, Window())).items == []
