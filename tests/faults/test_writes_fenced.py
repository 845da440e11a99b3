"""A worker that was taken for dead sends nothing: its guard asks the fence before each send, beside the write's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.durable.run import Fenced
from gateway.errors import Refused
from gateway.store.database import Store
from gateway.writes import Writes, WriteSettings
from openapi.common.types import Code
from tests.faults.file_vendor import Books, Order
from tests.stores import guard_store

KEY = "ord_1"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with guard_store(f"sqlite:///{tmp_path / 'tiebeam.sqlite'}") as opened:
        yield opened


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path / "books")


async def dead() -> None:
    """Stop whoever is taken for dead."""
    raise Fenced


async def fine() -> None:
    """Let it go out."""


async def refusing() -> None:
    """Refuse, as a hold does."""
    raise Refused(Code.lock_held, "Not now.")


async def write(writes: Writes, books: Books, *, own: bool = False) -> str:
    """Write once, perhaps with a fence of the write's own."""

    async def act() -> str:
        return books.create(KEY)

    return await writes.once(
        connection="books",
        operation="create_order",
        key=KEY,
        payload=Order(business_key=KEY),
        look=lambda: books.find(KEY),
        act=act,
        fence=refusing if own else None,
        settle_s=0,
    )


async def test_a_dead_worker_sends_nothing_and_leaves_the_write_to_others(store: Store, books: Books) -> None:
    writes = Writes(store, WriteSettings())
    with pytest.raises(Fenced):
        await write(writes.fenced(dead), books)
    sent = books.documents()
    made = await write(writes, books)

    assert (sent, made, books.documents()) == ([], KEY, [KEY])


async def test_a_living_worker_is_asked_beside_the_write(store: Store, books: Books) -> None:
    writes = Writes(store, WriteSettings()).fenced(fine)
    with pytest.raises(Refused, match="Not now"):
        await write(writes, books, own=True)
    refused = books.documents()
    await write(writes, books)

    assert (refused, books.documents()) == ([], [KEY])
