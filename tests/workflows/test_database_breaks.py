"""A database that breaks off transactions, or commits them and is not heard: no process asks a person for that."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.database import Store
from tests.workflows.stage import Stage
from tests.workflows.toy import told

LOCKED = OperationalError("UPDATE", None, Exception("database is locked"))
KEYS = [f"deal_{number}" for number in range(5)]


class Breaking(Store):
    """The same database, of which every third transaction or so goes wrong: a third of these is committed unheard."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.engine)
        self._chance = Random(1)  # noqa: S311 - so that a run can be had again
        self.broken = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction, and perhaps break it off."""
        how = self._chance.choice(["", "", "", "", "", "", "lost", "full", "unheard"])
        self.broken += bool(how)
        if how == "full":
            raise NoConnection
        async with super().begin() as connection:
            yield connection
            if how == "lost":
                raise LOCKED
        if how == "unheard":
            raise LOCKED


async def test_processes_end_well_by_themselves_and_each_effect_is_there_once(stage: Stage) -> None:
    processes = [await stage.ask(key) for key in KEYS]
    plain, stage.store = stage.store, Breaking(stage.store)
    worker = stage.worker(write_wait_s=30.0)
    broken, stage.store = stage.store, plain

    async with worker.started():
        rested = [await stage.until(process, lambda seen: seen.ended_at is not None) for process in processes]

    assert [told(process) for process in rested] == [("active", "applied")] * len(KEYS)
    assert sorted(stage.desk.effects()) == sorted(f"{verb} {key}" for key in KEYS for verb in ("create", "open"))
    assert broken.broken > len(KEYS)
    for process in rested:
        assert [state for state in await stage.shown(process) if state.endswith("skipped")] == ["paint_deal skipped"]
        assert await stage.items(process) == []
