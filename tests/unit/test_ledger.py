"""The ledger's tables: what is there once stays once, and nobody sees what is not theirs."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from gateway.caller import INSTALLATION
from gateway.store.database import Store, create_engine, metadata
from gateway.store.pages import Window
from process_apis.ledger import codes, contracts, customers, projects, schedules
from process_apis.ledger.contracts import Contract, FundingSplit
from process_apis.ledger.customers import NewCustomer
from process_apis.ledger.projects import Terms
from process_apis.ledger.schedules import ScheduleLine
from tests.fakes.agreed import CONTRACT, FIXED, TERMS

ALDER = NewCustomer(
    crm="crm1", account="4711", name="Alder", legal_name="Alder Foods S.A.", country="ES", tax_id="ESA08000143"
)
LINE = replace(FIXED, description="Design", value="100.00")
SCHEDULE = [
    ScheduleLine(line_number=1, place=1, due_on=date(2027, 1, 31), amount="33.33", milestone="Design accepted"),
    ScheduleLine(line_number=1, place=2, due_on=date(2027, 5, 31), amount="66.67", milestone=None),
]
PORTAL = replace(INSTALLATION, customers=frozenset({"cus_other"}))


def terms(customer: str, opportunity: str = "0065") -> Terms:
    return replace(TERMS, customer=customer, opportunity=opportunity)


def contract(customer: str, project: str) -> Contract:
    shares = {"a": "33.3333", "b": "33.3333", "c": "33.3334"}
    splits = [FundingSplit(account=account, percent=percent) for account, percent in shares.items()]
    return replace(CONTRACT, customer=customer, project=project, lines=[LINE], splits=splits)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(create_engine(f"sqlite:///{tmp_path / 'ledger.sqlite'}"))
    async with store.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield store
    await store.close()


@pytest.fixture
async def known(store: Store) -> tuple[str, str]:
    """Return the ids of a customer and its project."""
    async with store.begin() as connection:
        customer = await customers.ensure_customer(connection, store, ALDER)
        return customer, await projects.ensure_project(connection, store, terms(customer))


async def test_customer_and_project_asked_for_again_are_met(store: Store, known: tuple[str, str]) -> None:
    async with store.begin() as connection:
        customer = await customers.ensure_customer(connection, store, replace(ALDER, name="Alder Foods"))
        project = await projects.ensure_project(connection, store, terms(customer))

    assert (customer, project) == known


async def test_nobody_sees_what_is_not_theirs(store: Store, known: tuple[str, str]) -> None:
    customer, project = known
    owner = replace(INSTALLATION, customers=frozenset({customer}), projects=frozenset({project}))
    other = replace(owner, projects=frozenset({"prj_other"}))

    assert await customers.find_customer(store, owner, "crm1", "4711")
    assert await projects.find_project(store, owner, project)
    assert await projects.find_project_of(store, owner, "crm1", "0065")
    assert await customers.find_customer(store, PORTAL, "crm1", "4711") is None
    for stranger in (PORTAL, other):
        assert await projects.find_project(store, stranger, project) is None
        assert (await projects.list_projects(store, stranger, Window())).items == []


async def test_projects_are_listed_the_newest_first_and_by_code(store: Store, known: tuple[str, str]) -> None:
    customer, project = known
    async with store.begin() as connection:
        newer = await projects.ensure_project(connection, store, terms(customer, "0066"))
    await projects.change_project(store, project, code="P-0001")

    first = await projects.list_projects(store, INSTALLATION, Window(limit=1))
    coded = await projects.list_projects(store, INSTALLATION, Window(), code="P-0001")

    assert ([one.id for one in first.items], first.after) == ([newer], newer)
    assert [one.id for one in coded.items] == [project]


async def test_onboarding_brings_its_terms_to_the_project(store: Store, known: tuple[str, str]) -> None:
    customer, project = known

    await projects.begin_onboarding(store, project, "pin_1", replace(terms(customer), name="Data platform 2"))

    found = await projects.find_project(store, INSTALLATION, project)
    assert found
    assert (found.name, found.state, found.onboarding_id) == ("Data platform 2", "onboarding", "pin_1")


async def test_contract_recorded_again_takes_the_place_of_the_first(store: Store, known: tuple[str, str]) -> None:
    first = await contracts.record_contract(store, contract(*known))
    again = await contracts.record_contract(store, replace(contract(*known), title="New", lines=[LINE]))

    assert again == first
    async with store.begin() as connection:
        titles = (await connection.execute(select(contracts.tb_contract.c.title))).scalars().all()
        lines = (await connection.execute(select(contracts.tb_contract_line.c.number))).scalars().all()
    assert (titles, lines) == (["New"], [1])


async def test_parts_of_the_payers_sum_to_the_fixed_value(store: Store, known: tuple[str, str]) -> None:
    await contracts.record_contract(store, contract(*known))

    async with store.begin() as connection:
        amounts = (await connection.execute(select(contracts.tb_funding_split.c.amount))).scalars().all()
    assert sorted(amounts) == ["33.33", "33.33", "33.34"]


async def test_schedule_is_what_was_recorded_until_it_is_cancelled(store: Store, known: tuple[str, str]) -> None:
    contract_id = await contracts.record_contract(store, contract(*known))

    assert await schedules.record_schedule(store, contract_id, SCHEDULE) == 2
    assert await schedules.scheduled_total(store, contract_id) == Decimal("100.00")

    await schedules.cancel_schedule(store, contract_id)
    assert await schedules.scheduled_total(store, contract_id) == 0
    assert await schedules.record_schedule(store, contract_id, []) == 0


async def test_contract_moves(store: Store, known: tuple[str, str]) -> None:
    contract_id = await contracts.record_contract(store, contract(*known))

    await contracts.move_contract(store, contract_id, contracts.CANCELLED)

    async with store.begin() as connection:
        assert (await connection.execute(select(contracts.tb_contract.c.state))).scalar_one() == "cancelled"


@pytest.mark.parametrize(
    ("pattern", "number", "code"),
    [
        ("P-{number:04}", 42, "P-0042"),
        ("P-{number:04}", 123456, "P-123456"),
        ("{number}", 7, "7"),
        ("ES.{number:02}-X", 7, "ES.07-X"),
    ],
)
def test_code_is_the_pattern_with_the_number(pattern: str, number: int, code: str) -> None:
    assert codes.code_of(pattern, number) == code


async def test_code_is_one_projects_whoever_asks_and_in_whichever_case(store: Store, known: tuple[str, str]) -> None:
    async with store.begin() as connection:
        asking = [await projects.ensure_project(connection, store, terms(known[0], f"{n}")) for n in range(8)]
    spelled = ["P-0001", "p-0001"] * 4
    given = await asyncio.gather(*(codes.give_code(store, *pair) for pair in zip(spelled, asking, strict=True)))

    [winner] = [project for project, its in zip(asking, given, strict=True) if its]
    assert await codes.owner_of(store, "P-0001") == await codes.owner_of(store, "p-0001") == winner
    assert await codes.give_code(store, "P-0001", winner)
    assert await codes.kept_code(store, winner) == "P-0001"


async def test_code_that_was_given_back_is_free(store: Store, known: tuple[str, str]) -> None:
    _, project = known
    await codes.give_code(store, "P-0001", project)

    await codes.release_code(store, "P-0001", "prj_2")
    assert await codes.owner_of(store, "P-0001") == project

    await codes.release_code(store, "p-0001", project)
    assert await codes.owner_of(store, "P-0001") is None
    assert await codes.kept_code(store, project) is None
    found = await projects.find_project(store, INSTALLATION, project)
    assert found
    assert found.code is None
