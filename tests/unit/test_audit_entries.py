"""Decisions looked up: one by its id, many page by page."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import asdict, replace
from sqlalchemy import event

from gateway.errors import Refused
from gateway.store.audit import Auditor, Entry
from gateway.store.audit_entries import Recorded, get_entry, list_entries
from gateway.store.database import Store
from gateway.store.pages import Window
from openapi.common.types import Code
from tests.audit_books import REFUSAL, audit_store, written
from tests.fakes.clock import Clock


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with audit_store(database_url, Clock()) as opened:
        yield opened


def forward(store: Store) -> None:
    """Let a second pass."""
    assert isinstance(store.now, Clock)
    store.now.forward(1)


def ids(entries: list[Recorded]) -> list[str]:
    """Return the decisions' ids."""
    return [entry.id for entry in entries]


async def test_a_decision_is_found_by_its_id(store: Store) -> None:
    await written(Auditor(store), "a", "b")

    found = await get_entry(store, "b")

    assert {name: getattr(found, name) for name in Entry.__struct_fields__} == asdict(replace(REFUSAL, id="b"))
    assert (found.at, found.sequence, len(found.writer), len(found.hash)) == (store.now(), 2, 32, 64)


async def test_a_decision_that_nobody_made_is_refused(store: Store) -> None:
    with pytest.raises(Refused) as refused:
        await get_entry(store, "x")

    assert refused.value.code is Code.resource_not_found


async def test_pages_hold_every_decision_once_the_newest_first(store: Store) -> None:
    """Ids tell no age, and several decisions are of one moment."""
    for several in (("z", "b"), ("y",), ("c", "x", "a")):
        await written(Auditor(store), *several)
        forward(store)
    pages: list[list[str]] = []
    after = None
    while not pages or after:
        page = await list_entries(store, Window(limit=2, after=after))
        pages.append(ids(page.items))
        after = page.after

    assert pages == [["x", "c"], ["a", "y"], ["z", "b"]]


async def test_decisions_are_found_by_client_code_and_age(store: Store) -> None:
    auditor = Auditor(store)
    for number, (client_id, code) in enumerate([("crm", None), ("erp", "rate.limited"), ("crm", "rate.limited")]):
        forward(store)
        await auditor.record(replace(REFUSAL, id=str(number), client_id=client_id, code=code))
    third = store.now()
    wanted = [
        {"client_id": "crm"},
        {"code": "rate.limited"},
        {"client_id": "crm", "code": "rate.limited"},
        {"since": third},
        {"client_id": "erp", "since": third},
    ]

    found = [ids((await list_entries(store, Window(), **each)).items) for each in wanted]  # type: ignore[arg-type]

    assert found == [["2", "0"], ["2", "1"], ["2"], ["2"], []]


async def test_decisions_of_one_client_are_found_without_reading_those_of_others(store: Store) -> None:
    auditor = Auditor(store)
    await auditor.record(replace(REFUSAL, id="ours", client_id="portal"))
    await asyncio.gather(*(auditor.record(replace(REFUSAL, id=str(number))) for number in range(300)))
    asked = list[tuple[str, Any]]()

    @event.listens_for(store.engine.sync_engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:  # noqa: ANN401 - the driver's own
        asked.append((statement, values))

    await list_entries(store, Window(limit=2), client_id="portal")
    statement, values = asked[-1]
    explain = "EXPLAIN" if store.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    async with store.begin() as connection:
        await connection.exec_driver_sql("ANALYZE")
        plan = [str(row) for row in await connection.exec_driver_sql(f"{explain} {statement}", values)]

    assert "ix_tb_audit_client_id_at" in " ".join(plan)
