"""The audit in a database as migrations make it: rows are only added, and workers seal them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from gateway.durable import Schedule
from gateway.store.audit import Auditor
from gateway.store.audit_seals import seal
from gateway.store.audit_verification import Verified, verify
from gateway.store.database import Store, create_engine
from tests.audit_books import written
from tests.workflows.stage import PATIENCE_S, Stage


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    opened = Store(create_engine(url))
    yield opened
    await opened.close()


@pytest.mark.parametrize("table", ["tb_audit", "tb_audit_seal", "tb_audit_seal_head"])
@pytest.mark.parametrize("act", ["UPDATE {} SET hash = 'x'", "DELETE FROM {}"])
async def test_database_refuses_to_change_or_delete_a_row(store: Store, tmp_path: Path, table: str, act: str) -> None:
    await written(Auditor(store), "a", "b")
    await seal(store, tmp_path)

    with pytest.raises(IntegrityError, match="Rows of the audit are only added"):
        async with store.begin() as connection:
            await connection.execute(text(act.format(table)))

    assert await verify(store, tmp_path) == Verified(rows=2, writers=1, seals=1, unsealed=0, faults=())


async def test_worker_seals_what_was_added(stage: Stage, store: Store, tmp_path: Path) -> None:
    made = asyncio.Event()

    async def sealing() -> None:
        if await seal(store, tmp_path):
            made.set()

    await written(Auditor(store), "a", "b")
    async with stage.working(schedules=[Schedule(name="audit_seal", every_s=0.2, run=sealing)]):
        await asyncio.wait_for(made.wait(), PATIENCE_S)

    assert (await verify(store, tmp_path)).unsealed == 0
