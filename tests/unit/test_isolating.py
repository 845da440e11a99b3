"""Which trouble is an entry's own, and which is the whole batch's and comes again."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from gateway.errors import Unavailable
from gateway.store.database import Store, create_engine, metadata
from openapi.common.types import Code
from process_apis.time_transfer.isolating import one_by_one


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(create_engine(f"sqlite:///{tmp_path}/isolating.sqlite"))
    async with store.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield store
    await store.close()


@pytest.mark.parametrize("error", [KeyError("XYZ"), IntegrityError("", None, ValueError())], ids=repr)
async def test_entry_that_breaks_is_left_out(store: Store, error: Exception) -> None:
    async def decide(ids: Sequence[str]) -> tuple[str, ...]:
        if "2" in ids:
            raise error
        return tuple(ids)

    async with store.begin() as connection:
        assert await one_by_one(connection, decide, "delivery", ["1", "2", "3"]) == ([("1",), ("3",)], ["2"])
        assert await one_by_one(connection, decide, "delivery", ["1", "3"]) == ([("1", "3")], [])


@pytest.mark.parametrize(
    "error",
    [Unavailable(Code.dependency_not_ready, "Later."), OperationalError("", None, ValueError())],
    ids=lambda error: type(error).__name__,
)
async def test_trouble_of_a_system_is_the_whole_batch_s(store: Store, error: Exception) -> None:
    async def decide(_ids: Sequence[str]) -> None:
        raise error

    with pytest.raises(type(error)):
        async with store.begin() as connection:
            await one_by_one(connection, decide, "delivery", ["1"])
