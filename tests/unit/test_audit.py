"""What is written down, in which order, and what becomes of it while the database is away."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from gateway.errors import Unavailable
from gateway.store import audit
from gateway.store.audit import GENESIS, ORDER, TABLE, Auditor, hash_of
from gateway.store.database import Store
from openapi.common.types import Code
from tests.audit_books import REFUSAL, audit_store, written
from tests.fakes.clock import Clock


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with audit_store(database_url, Clock()) as opened:
        yield opened


async def rows_of(store: Store) -> list[tuple[str, str, int, str, str]]:
    """Return each row's id and its place, in the order of the chains."""
    columns = TABLE.c
    async with store.begin() as connection:
        asked = select(columns.id, columns.writer, columns.sequence, columns.prev_hash, columns.hash)
        return [tuple(row) for row in await connection.execute(asked.order_by(columns.at, columns.sequence))]


class Away:
    """Stands in the way of a store: breaks its transactions off, before or after they are committed."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.before = self.after = False
        self.tries = 0
        self.noticed = asyncio.Event()
        self.noticed.set()
        begin = store.begin

        def refuse() -> None:
            raise OperationalError("COMMIT", {}, ConnectionResetError())

        class Transaction:
            async def __aenter__(transaction) -> object:  # noqa: N805
                self.tries += 1
                if self.before:
                    await self.noticed.wait()
                    refuse()
                transaction.real = begin()
                return await transaction.real.__aenter__()

            async def __aexit__(transaction, *raised: object) -> None:  # noqa: N805
                await transaction.real.__aexit__(*raised)
                if self.after:
                    refuse()

        monkeypatch.setattr(store, "begin", Transaction)


@pytest.fixture
def away(store: Store, monkeypatch: pytest.MonkeyPatch) -> Away:
    return Away(store, monkeypatch)


def forward(store: Store, seconds: float = 1.0) -> None:
    """Let time pass."""
    assert isinstance(store.now, Clock)
    store.now.forward(seconds)


async def test_each_row_is_bound_to_the_one_before(store: Store) -> None:
    await written(Auditor(store), "a", "b", "c")

    rows = await rows_of(store)
    assert [row[0] for row in rows] == ["a", "b", "c"]
    assert [row[2] for row in rows] == [1, 2, 3]
    assert [row[3] for row in rows] == [GENESIS, rows[0][4], rows[1][4]]


def test_reads_are_counted_and_not_written(store: Store) -> None:
    auditor = Auditor(store)
    for _ in range(2):
        auditor.count_read("get_customer")

    assert auditor.reads == {"get_customer": 2}


async def test_two_processes_write_two_chains(store: Store) -> None:
    await asyncio.gather(written(Auditor(store), "a", "b"), written(Auditor(store), "c", "d"))

    rows = await rows_of(store)
    assert len({row[1] for row in rows}) == 2
    assert sorted(row[2] for row in rows) == [1, 1, 2, 2]


async def test_rows_that_come_together_are_written_together(store: Store, away: Away) -> None:
    auditor = Auditor(store)

    await asyncio.gather(*(auditor.record(replace(REFUSAL, id=str(number))) for number in range(50)))

    assert away.tries == 1
    assert [row[2] for row in await rows_of(store)] == list(range(1, 51))


async def test_caller_who_hangs_up_takes_nobodys_row_along(store: Store) -> None:
    auditor = Auditor(store)
    first, second = (asyncio.create_task(written(auditor, one)) for one in ("a", "b"))
    await asyncio.sleep(0)
    first.cancel()
    await second

    assert first.cancelled()
    assert [row[0] for row in await rows_of(store)] == ["a", "b"]


async def test_text_that_a_database_refuses_is_fitted(store: Store) -> None:
    odd = replace(REFUSAL, path="/a\0b" + "c" * 9000, client_id="\ud800", method="M" * 30)

    await Auditor(store).record(odd)

    async with store.begin() as connection:
        row = (await connection.execute(select(TABLE))).one()
    assert (row.path[:4], len(row.path), row.client_id, row.method) == ("/a\ufffdb", 8192, "?", "M" * 20)


async def test_row_that_cannot_be_written_is_logged_and_kept(
    store: Store, away: Away, caplog: pytest.LogCaptureFixture
) -> None:
    auditor = Auditor(store)
    away.before = True
    await written(auditor, "a", "b")
    logged, tried = [record.audit["id"] for record in caplog.records if hasattr(record, "audit")], away.tries
    away.before = False
    forward(store)
    await written(auditor, "c")

    assert "Audit rows could not be written" in caplog.text
    assert logged == ["a", "b"], "What happened is in the log, should we die before the database is back."
    assert tried == 1, "Nobody waits again for what has just been away."
    assert [(row[0], row[2]) for row in await rows_of(store)] == [("a", 1), ("b", 2), ("c", 3)]


async def test_no_write_begins_while_nobody_can_write_it_down(store: Store, away: Away) -> None:
    auditor = Auditor(store)
    await auditor.ready()
    away.before = True
    await written(auditor, "a")

    with pytest.raises(Unavailable) as at_once:
        await auditor.ready()
    tried = away.tries
    forward(store)
    with pytest.raises(Unavailable):
        await auditor.ready()
    away.before = False
    forward(store)
    await auditor.ready()

    assert (at_once.value.code, at_once.value.retry_after_s) == (Code.audit_unavailable, 2)
    assert (tried, away.tries) == (1, 3)
    assert [row[0] for row in await rows_of(store)] == ["a"]


async def test_rows_whose_commit_was_not_heard_of_are_not_written_twice(store: Store, away: Away) -> None:
    auditor = Auditor(store)
    await written(auditor, "a")
    away.after = True
    await written(auditor, "b")
    away.after = False
    forward(store)
    await written(auditor, "c", "d")

    rows = await rows_of(store)
    assert [(row[0], row[2]) for row in rows] == [("a", 1), ("b", 2), ("c", 1), ("d", 2)]
    assert len({row[1] for row in rows}) == 2, "Nobody knew where the first chain ended."


async def test_nothing_is_left_to_write_where_all_of_it_was_there(store: Store, away: Away) -> None:
    auditor = Auditor(store)
    away.after = True
    await written(auditor, "a")
    away.after = False
    forward(store)
    await auditor.ready()

    assert [row[0] for row in await rows_of(store)] == ["a"]


async def test_those_who_ask_together_try_once(store: Store, away: Away) -> None:
    auditor = Auditor(store)
    away.before = True
    await written(auditor, "a")
    forward(store)

    found = await asyncio.gather(*(auditor.ready() for _ in range(20)), return_exceptions=True)

    assert all(isinstance(one, Unavailable) for one in found)
    assert away.tries == 2


async def test_those_who_come_while_the_database_is_found_away_do_not_try_too(store: Store, away: Away) -> None:
    auditor = Auditor(store)
    away.before = True
    away.noticed.clear()
    first = asyncio.create_task(written(auditor, "a"))
    while not away.tries:  # noqa: ASYNC110 - a counter tells nobody
        await asyncio.sleep(0)
    second = asyncio.create_task(written(auditor, "b"))
    await asyncio.sleep(0)
    away.noticed.set()
    await asyncio.gather(first, second)
    away.before = False
    forward(store)
    await auditor.ready()

    assert away.tries == 2
    assert [row[0] for row in await rows_of(store)] == ["a", "b"]


async def test_memory_is_bounded_and_what_is_beyond_is_logged(
    store: Store, away: Away, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audit, "KEPT", 2)
    auditor = Auditor(store)
    away.before = True
    with caplog.at_level(logging.ERROR):
        await written(auditor, "a", "b", "c")
    away.before = False
    forward(store)
    await auditor.ready()

    assert [row[0] for row in await rows_of(store)] == ["a", "b"]
    assert [record.audit["id"] for record in caplog.records if "will not be" in record.message] == ["c"]


async def test_row_without_an_address_is_bound_as_it_was_before_there_were_any(store: Store) -> None:
    await written(Auditor(store), "1")
    async with store.begin() as connection:
        row = (await connection.execute(select(TABLE))).mappings().one()
    before = (
        *("1", "crm", "ana", "system/erp/v1:create_customer@books", "POST", "/system/books/erp/v1/customers", 403),
        *("auth.scope_missing", "none", "opp-4711", row["at"], row["writer"], 1, GENESIS),
    )

    assert row["address"] is None
    assert row["hash"] == hashlib.sha256(msgspec.json.encode(before)).hexdigest()


async def test_address_is_bound_with_its_row(store: Store) -> None:
    auditor = Auditor(store)
    for one, address in (("1", None), ("2", "192.0.2.1"), ("3", None)):
        await auditor.record(replace(REFUSAL, id=one, address=address))
    async with store.begin() as connection:
        rows = (await connection.execute(select(*(TABLE.c[name] for name in ORDER), TABLE.c.hash))).all()

    assert [row.address for row in sorted(rows, key=lambda row: row.sequence)] == [None, "192.0.2.1", None]
    assert all(hash_of(row[:-1]) == row.hash for row in rows)
    assert not any(hash_of((*row[:-2], "192.0.2.9")) == row.hash for row in rows)
    assert [hash_of((*row[:-2], None)) == row.hash for row in rows if row.address] == [False]
