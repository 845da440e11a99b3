"""Caps: what is committed never exceeds them, however many commit at once, and what is given back can be sold again."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.store.database import Store, create_engine, metadata
from process_apis.ledger.caps import commit_cap, committed, give_back


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(create_engine(f"sqlite:///{tmp_path}/caps.sqlite"))
    async with store.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield store
    await store.close()


@pytest.fixture(autouse=True)
async def contract(store: Store) -> None:
    async with store.begin() as connection:  # The contract itself is not what is tried here.
        await connection.execute(text("DROP TABLE tb_cap"))
        columns = "contract TEXT, line INTEGER, currency TEXT, cap_minor INTEGER, committed_minor INTEGER"
        await connection.execute(text(f"CREATE TABLE tb_cap ({columns}, PRIMARY KEY (contract, line))"))


async def sell(store: Store, amount: str, cap: str | None = "100.00") -> bool:
    async with store.begin() as connection:
        limit = None if cap is None else Decimal(cap)
        return await commit_cap(connection, "con_1", 1, limit, Decimal(amount), "EUR")


async def sold(store: Store) -> Decimal:
    async with store.begin() as connection:
        return await committed(connection, "con_1", 1)


async def test_what_fits_is_committed_and_what_does_not_is_not(store: Store) -> None:
    assert await sell(store, "99.99")
    assert not await sell(store, "0.02")
    assert await sell(store, "0.01")
    assert await sold(store) == Decimal("100.00")


async def test_many_at_once_never_exceed_the_cap(store: Store) -> None:
    fitted = await asyncio.gather(*(sell(store, "7.00") for _ in range(30)))

    assert sum(fitted) == 14
    assert await sold(store) == Decimal("98.00")


async def test_given_back_is_free_again(store: Store) -> None:
    assert await sell(store, "100.00")
    async with store.begin() as connection:
        await give_back(connection, "con_1", 1, Decimal("40.00"), "EUR")
        await give_back(connection, "con_2", 1, Decimal("40.00"), "EUR")

    assert await sell(store, "40.00")
    assert await sold(store) == Decimal("100.00")


async def test_cap_that_was_raised_counts(store: Store) -> None:
    assert not await sell(store, "150.00")

    assert await sell(store, "150.00", cap="200.00")


async def test_cap_that_was_lowered_keeps_nobody_from_giving_back(store: Store) -> None:
    assert await sell(store, "150.00", cap="200.00")

    assert not await sell(store, "0.01", cap="100.00")
    assert await sell(store, "0.00", cap="100.00")
    assert await sell(store, "-10.00", cap="100.00")
    assert await sold(store) == Decimal("140.00")


async def test_what_was_sold_before_there_was_a_cap_counts_once_there_is_one(store: Store) -> None:
    assert await sell(store, "150.00", cap=None)

    assert not await sell(store, "60.00", cap="200.00")
    assert await sell(store, "50.00", cap="200.00")
    async with store.begin() as connection:
        await give_back(connection, "con_1", 1, Decimal("150.00"), "EUR")
    assert await sold(store) == Decimal("50.00")


async def test_part_of_a_cent_is_a_mistake(store: Store) -> None:
    with pytest.raises(ValueError, match="minor unit"):
        await sell(store, "0.001")
