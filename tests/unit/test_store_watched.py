"""Who keeps answers hears of every transaction that wrote what they are made of, after its commit, and of no other."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, text

from gateway.store.database import Store, create_engine
from gateway.store.sequences import take_next, tb_sequence
from gateway.store.watched import WatchedStore


class Heard:
    """Notes what the database says at the moment of the telling."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.opened: WatchedStore

    async def changed(self) -> None:
        """Look from another transaction."""
        async with self.opened.begin() as connection:
            self.numbers.append(len((await connection.execute(select(tb_sequence))).all()))


@pytest.fixture
async def heard(database_url: str) -> AsyncIterator[Heard]:
    hearing = Heard()
    hearing.opened = WatchedStore(create_engine(database_url), frozenset({tb_sequence.name}), hearing.changed)
    async with hearing.opened.begin() as connection:
        await connection.run_sync(tb_sequence.create)
    yield hearing
    await hearing.opened.close()


async def test_write_is_told_once_for_each_transaction_after_its_commit(heard: Heard) -> None:
    async with heard.opened.begin() as connection:
        await take_next(connection, "a")
        await take_next(connection, "b")
        assert heard.numbers == []
    async with heard.opened.begin() as connection:
        await take_next(connection, "a")

    assert heard.numbers == [2, 2]


async def test_what_only_reads_or_is_rolled_back_is_not_told(heard: Heard) -> None:
    with pytest.raises(LookupError):
        await rolled_back(heard.opened)
    for _ in range(3):
        async with heard.opened.begin() as connection:
            await connection.execute(select(tb_sequence))
            await connection.execute(text("SELECT 1"))

    assert heard.numbers == []


async def rolled_back(store: Store) -> None:
    """Write, and let nothing come of it."""
    async with store.begin() as connection:
        await take_next(connection, "a")
        raise LookupError
