"""Holds as the ledger knows them: their locks, what they met, and what they came too late for; on both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.errors import Refused
from gateway.store import business_events
from gateway.store.database import Store, create_engine, metadata
from gateway.store.pages import Window
from openapi.common.types import Code
from process_apis.ledger import hold_requests
from process_apis.ledger.contracts import SignedContract
from process_apis.ledger.hold_placing import (
    BillingHold,
    Dimensions,
    LiftMode,
    NewHold,
    find_holds,
    lift_hold_within,
    place_hold_within,
)
from process_apis.ledger.hold_requests import Effect, HoldState, resolve_holds
from process_apis.ledger.hold_scopes import find_owners
from process_apis.ledger.holds import (
    ORDER,
    Scope,
    ScopeType,
    holds_in_force,
    lock_scopes,
    scopes_of,
    tb_billing_hold,
    tb_hold_scope,
)
from process_apis.ledger.requests import RequestState, move_request
from tests.fakes.clock import Clock
from tests.workflows.money_stage import Money


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    opened = Store(create_engine(database_url), Clock())
    async with opened.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield opened
    await opened.close()


@pytest.fixture
def money(store: Store) -> Money:
    return Money(store)


async def new_hold(store: Store, kind: str, thing: str, **changed: object) -> NewHold:
    scope = Scope(type=ScopeType(kind), id=thing)
    async with store.begin() as connection:
        owners = await find_owners(connection, scope)
    assert owners
    said: dict[str, object] = {
        "scope": scope,
        "owners": owners,
        "dimensions": Dimensions.billing,
        "reason": "dispute",
        "note": None,
        "placed_by": "crm",
        "placed_in": "gateway",
        "reference": "case",
        "review_on": None,
        "lift_mode": LiftMode.until_lifted,
        "until": None,
        "correlation_id": "cor_1",
    }
    return NewHold(**said | changed)  # type: ignore[arg-type]  # The names are those of its fields.


async def place(store: Store, kind: str, thing: str, **changed: object) -> BillingHold:
    new = await new_hold(store, kind, thing, **changed)
    async with store.begin() as connection:
        return await place_hold_within(connection, store, new)


async def lift(store: Store, hold: BillingHold) -> BillingHold:
    async with store.begin() as connection:
        return await lift_hold_within(connection, store, hold, by="crm", reason="It is paid.")


async def now(store: Store, hold: BillingHold) -> BillingHold:
    async with store.begin() as connection:
        return (await find_holds(connection, tb_billing_hold.c.id == hold.id))[0]


async def met(store: Store, hold: BillingHold) -> list[tuple[str, Effect, str | None]]:
    async with store.begin() as connection:
        found = await hold_requests.met_by(connection, [hold.id])
    return [(one.request_id, one.effect, one.invoice_number) for one in found]


async def things(money: Money) -> tuple[SignedContract, dict[str, str]]:
    """Return a contract, and the id of one thing of each kind that its milestone and its hour lie in."""
    contract = await money.contract(await money.project())
    hour = await money.fact(contract)
    return contract, {
        "customer": contract.customer,
        "contract": contract.id,
        "contract_line": f"{contract.id}-2",
        "project": contract.project,
        "milestone": f"{contract.id}-2-1",
        "fact": hour.id,
    }


async def test_scopes_of_facts_come_in_the_order_of_their_locks_each_once(money: Money) -> None:
    contract = await money.contract(await money.project())
    facts = [await money.fact(contract), await money.fact(contract), await money.milestone(contract, 2)]

    scopes = scopes_of(facts)

    assert [(scope.type.value, scope.id) for scope in scopes if scope.type is not ScopeType.fact] == [
        ("customer", contract.customer),
        ("contract", contract.id),
        ("contract_line", f"{contract.id}-1"),
        ("contract_line", f"{contract.id}-2"),
        ("project", contract.project),
        ("milestone", f"{contract.id}-2-2"),
    ]
    assert [scope.id for scope in scopes if scope.type is ScopeType.fact] == sorted(fact.id for fact in facts)
    assert [ORDER.index(scope.type) for scope in scopes] == sorted(ORDER.index(scope.type) for scope in scopes)


async def test_locks_leave_a_row_for_wide_scopes_and_none_for_facts(store: Store, money: Money) -> None:
    contract = await money.contract(await money.project())
    scopes = scopes_of([await money.fact(contract) for _ in range(3)])

    async with store.begin() as connection:
        sequences = await lock_scopes(connection, scopes)
        kinds = set((await connection.execute(select(tb_hold_scope.c.type))).scalars())

    assert sequences == dict.fromkeys(scopes, 0)
    assert kinds == {"customer", "contract", "contract_line", "project"}


async def test_facts_are_not_locked_without_their_line(store: Store) -> None:
    with pytest.raises(ValueError, match="by its line"):
        async with store.begin() as connection:
            await lock_scopes(connection, [Scope(type=ScopeType.fact, id="fct_1")])


@pytest.mark.parametrize("kind", [kind.value for kind in ScopeType])
async def test_hold_on_any_scope_is_in_force_on_what_lies_in_it(store: Store, money: Money, kind: str) -> None:
    contract, ids = await things(money)
    facts = {
        "fact": [await money.fact(contract)],
        "milestone": [await money.milestone(contract, 1)],
        "contract_line": [await money.milestone(contract, 2)],
    }
    thing = facts["fact"][0].id if kind == "fact" else ids[kind]
    inside, another = facts.get(kind, facts["fact"]), await money.contract(await money.project())
    hold = await place(store, kind, thing)

    async with store.begin() as connection:
        found = await holds_in_force(connection, scopes_of(inside))
    outside = await money.fact(another)
    async with store.begin() as connection:
        nothing = await holds_in_force(connection, scopes_of([outside]))

    assert [(one.id, one.scope) for one in found] == [(hold.id, Scope(type=ScopeType(kind), id=thing))]
    assert nothing == []


async def test_hold_on_revenue_alone_stops_no_invoice(store: Store, money: Money) -> None:
    contract, ids = await things(money)
    fact = await money.fact(contract)
    await place(store, "project", ids["project"], dimensions=Dimensions.revenue)

    async with store.begin() as connection:
        assert await holds_in_force(connection, scopes_of([fact])) == []


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("customer", "cus_1"),
        ("contract", "con_1"),
        ("project", "prj_1"),
        ("fact", "fct_1"),
        ("contract_line", "{contract}-3"),
        ("contract_line", "{contract}"),
        ("contract_line", "{contract}-one"),
        ("milestone", "{contract}-2-3"),
        ("milestone", "{contract}-2"),
    ],
)
async def test_what_is_not_there_has_no_owners(store: Store, money: Money, kind: str, thing: str) -> None:
    contract = await money.contract(await money.project())

    async with store.begin() as connection:
        scope = Scope(type=ScopeType(kind), id=thing.format(contract=contract.id))

        assert await find_owners(connection, scope) is None


async def test_customer_of_two_entities_is_no_single_ones(store: Store, money: Money) -> None:
    project = await money.project(customer="both")
    await money.project(customer="both", legal_entity="DE01")

    async with store.begin() as connection:
        owners = await find_owners(connection, Scope(type=ScopeType.customer, id=project.customer))

    assert owners
    assert (owners.legal_entity, owners.customer) == (None, project.customer)


async def test_hold_counts_its_scope_and_is_reviewed_in_two_weeks(store: Store, money: Money) -> None:
    _, ids = await things(money)

    hold = await place(store, "project", ids["project"])
    other = await place(store, "project", ids["project"], reference="other")

    assert (hold.seq, other.seq) == (1, 2)
    assert hold.review_on == (store.now() + timedelta(days=14)).date()
    assert hold.business_key == f"hold_project-{ids['project'].removeprefix('prj_')}_crm_case_1"


async def test_same_hold_placed_again_is_met(store: Store, money: Money) -> None:
    _, ids = await things(money)
    first = await place(store, "fact", ids["fact"])

    again = await place(store, "fact", ids["fact"])

    assert again == first


async def test_same_hold_with_other_words_is_a_conflict(store: Store, money: Money) -> None:
    _, ids = await things(money)
    await place(store, "contract", ids["contract"])

    with pytest.raises(Refused) as refused:
        await place(store, "contract", ids["contract"], reason="credit")

    assert refused.value.code is Code.process_payload_conflict


async def test_hold_placed_after_it_was_lifted_is_a_new_one(store: Store, money: Money) -> None:
    _, ids = await things(money)
    first = await place(store, "project", ids["project"])
    lifted = await lift(store, first)

    second = await place(store, "project", ids["project"])

    assert (lifted.state, lifted.in_force, lifted.lifted_by) == (HoldState.lifted, False, "crm")
    assert second.id != first.id
    assert second.business_key == first.business_key[:-1] + "2"
    assert second.seq == 3


async def test_lifting_twice_changes_nothing(store: Store, money: Money) -> None:
    _, ids = await things(money)
    lifted = await lift(store, await place(store, "project", ids["project"]))

    assert await lift(store, lifted) == lifted


@pytest.mark.parametrize(
    ("state", "effect", "hold_state"),
    [
        (RequestState.draft, Effect.stopped, HoldState.active),
        (RequestState.validated, Effect.stopped, HoldState.active),
        (RequestState.submitted, Effect.pending, HoldState.requested),
        (RequestState.in_doubt, Effect.pending, HoldState.requested),
        (RequestState.accepted, Effect.pending, HoldState.requested),
    ],
)
async def test_hold_says_what_it_is_to_a_request_that_is_not_over(
    store: Store, money: Money, state: RequestState, effect: Effect, hold_state: HoldState
) -> None:
    contract = await money.contract(await money.project())
    request = await money.request(contract, [await money.fact(contract)], state)

    hold = await place(store, "customer", contract.customer)

    assert hold.state is hold_state
    assert await met(store, hold) == [(request.id, effect, None)]
    assert hold.in_force


@pytest.mark.parametrize(("kind", "count"), [("fact", 1), ("project", 0)])
async def test_posted_invoice_is_what_a_hold_on_its_fact_came_too_late_for(
    store: Store, money: Money, kind: str, count: int
) -> None:
    contract = await money.contract(await money.project())
    fact = await money.fact(contract)
    posted = await money.request(contract, [fact], RequestState.posted, invoice_id="7", invoice_number="R1")

    hold = await place(store, kind, fact.id if kind == "fact" else contract.project)

    assert await met(store, hold) == [(posted.id, Effect.too_late, "R1")] * count
    assert hold.state is (HoldState.too_late if count else HoldState.active)
    assert hold.in_force


@pytest.mark.parametrize(
    ("becomes", "effect", "state", "number"),
    [
        (RequestState.posted, Effect.too_late, HoldState.too_late, "R1"),
        (RequestState.held, Effect.stopped, HoldState.active, None),
        (RequestState.rejected, Effect.stopped, HoldState.active, None),
        (RequestState.cancelled, Effect.stopped, HoldState.active, None),
        (RequestState.in_doubt, Effect.pending, HoldState.requested, None),
        (RequestState.accepted, Effect.pending, HoldState.requested, None),
    ],
)
async def test_pending_hold_is_told_what_became_of_the_request(
    store: Store, money: Money, becomes: RequestState, effect: Effect, state: HoldState, number: str | None
) -> None:
    contract = await money.contract(await money.project())
    request = await money.request(contract, [await money.fact(contract)], RequestState.submitted)
    hold = await place(store, "project", contract.project)

    async with store.begin() as connection:
        values = {"state": becomes.value, "invoice_id": "7", "invoice_number": "R1"}
        await move_request(connection, store, request.id, **values)
        await resolve_holds(connection, store, request.id)

    assert await met(store, hold) == [(request.id, effect, number)]
    assert (await now(store, hold)).state is state


async def test_chain_of_events_is_locked_after_every_hold_that_is_told_of_a_request(store: Store, money: Money) -> None:
    contract = await money.contract(await money.project())
    request = await money.request(contract, [await money.fact(contract)], RequestState.submitted)
    holds = [await place(store, "project", contract.project, reference=f"case-{number}") for number in range(3)]
    said: list[str] = []

    @event.listens_for(store.engine.sync_engine, "before_cursor_execute")
    def listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    async with store.begin() as connection:
        await move_request(connection, store, request.id, state="posted", invoice_id="7", invoice_number="R1")
        await resolve_holds(connection, store, request.id)

    moves = [place for place, one in enumerate(said) if one.startswith("UPDATE tb_billing_hold ")]
    chained = [place for place, one in enumerate(said) if "tb_event_writer" in one]
    assert len(moves) == len(holds)
    assert max(moves) < min(chained), "Who lifts a hold has its row and wants the chain: they would wait in a circle."


async def test_lifted_hold_stays_lifted_whatever_becomes_of_the_request(store: Store, money: Money) -> None:
    contract = await money.contract(await money.project())
    request = await money.request(contract, [await money.fact(contract)], RequestState.submitted)
    hold = await lift(store, await place(store, "project", contract.project))

    async with store.begin() as connection:
        await move_request(connection, store, request.id, state="posted", invoice_id="7", invoice_number="R1")
        await resolve_holds(connection, store, request.id)

    assert (await now(store, hold)).state is HoldState.lifted
    assert await met(store, hold) == [(request.id, Effect.too_late, "R1")]


async def test_nothing_waits_for_a_request_that_nobody_knows(store: Store) -> None:
    async with store.begin() as connection:
        await resolve_holds(connection, store, "req_1")

        assert await hold_requests.pending_requests(connection) == []


async def test_what_becomes_of_a_hold_is_told_as_events(store: Store, money: Money) -> None:
    _, ids = await things(money)
    hold = await lift(store, await place(store, "project", ids["project"]))

    listed = await business_events.list_all(store, INSTALLATION, Window(), subject=hold.id)

    assert [(told.type, told.actor) for told in sorted(listed.items, key=lambda one: one.sequence)] == [
        ("tiebeam.billing_hold.placed.v1", "crm"),
        ("tiebeam.billing_hold.lifted.v1", "crm"),
    ]
    assert {told.project for told in listed.items} == {ids["project"]}


async def test_whoever_has_the_locks_is_waited_for(store: Store, money: Money) -> None:
    contract = await money.contract(await money.project())
    fact = await money.fact(contract)
    new = await new_hold(store, "fact", fact.id)
    order: list[str] = []

    async def fence(connection: AsyncConnection) -> None:
        await lock_scopes(connection, scopes_of([fact]))
        locked.set()
        await asyncio.sleep(0.05)  # Long enough for the hold to arrive at the lock; it may as well come later.
        order.append("fence")

    async def hold() -> None:
        await locked.wait()
        async with store.begin() as connection:
            await place_hold_within(connection, store, new)
            order.append("hold")

    async def fenced() -> None:
        async with store.begin() as connection:
            await fence(connection)

    locked = asyncio.Event()
    await asyncio.gather(fenced(), hold())

    assert order == ["fence", "hold"]


async def test_hold_with_a_last_day_keeps_it(store: Store, money: Money) -> None:
    _, ids = await things(money)

    hold = await place(store, "project", ids["project"], lift_mode=LiftMode.until_date, until=date(2027, 1, 31))

    assert (hold.lift_mode, hold.until) == (LiftMode.until_date, date(2027, 1, 31))
