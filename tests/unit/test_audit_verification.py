"""Whatever is done to one row of the audit, the first row that is not as it was written is named."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.store import audit_verification
from gateway.store.audit import GENESIS, ORDER, Auditor, hash_of
from gateway.store.audit_seals import seal
from gateway.store.audit_verification import Verified, verify
from gateway.store.database import Store, create_engine
from tests.audit_books import audit_store, written
from tests.fakes.clock import Clock

COLUMNS = [*ORDER, "hash"]
CONTENT = [name for name in COLUMNS if name not in {"writer", "sequence"}]
Act = Callable[[sqlite3.Connection], object]
"""What somebody does who can write to the database."""


class Books:
    """Three chains: two under seals 1 and 2, with rows after them, and one that no seal holds yet."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "audit.sqlite"
        asyncio.run(self._write())
        with closing(sqlite3.connect(self.file)) as database:
            read = f"SELECT {', '.join(COLUMNS)} FROM tb_audit ORDER BY writer, sequence"  # noqa: S608 - our own names
            self.rows = [dict(zip(COLUMNS, row, strict=True)) for row in database.execute(read)]
            sealed = "SELECT writer, max(sequence) FROM tb_audit_seal_head GROUP BY writer"
            self.sealed: dict[str, int] = dict(database.execute(sealed).fetchall())
        self.length = {writer: sum(row["writer"] == writer for row in self.rows) for writer in self.writers}
        self.found = self.after(lambda _: None)

    @property
    def places(self) -> set[tuple[str, int]]:
        """Return where rows are."""
        return {(row["writer"], row["sequence"]) for row in self.rows}

    @property
    def oldest(self) -> str:
        """Return the name of the longest chain, of eight rows."""
        return str(next(row["writer"] for row in self.rows if row["id"] == "a1"))

    @property
    def writers(self) -> list[str]:
        """Return the names of the chains."""
        return sorted({row["writer"] for row in self.rows})

    async def _write(self) -> None:
        clock = Clock()
        async with audit_store(f"sqlite:///{self.file}", clock) as store:
            one, two, three = (Auditor(store) for _ in range(3))
            await written(one, "a1", "a2", "a3")
            await written(two, "b1", "b2")
            await seal(store, self.folder)
            clock.forward(60)
            await written(one, "a4", "a5", "a6")
            await seal(store, self.folder)
            await written(one, "a7", "a8")
            await written(two, "b3")
            await written(three, "c1", "c2")

    def after(self, act: Act) -> Verified:
        """Return what is found in a copy to which something was done."""
        copy = self.folder / "copy.sqlite"
        shutil.copy(self.file, copy)
        with closing(sqlite3.connect(copy)) as database:
            database.execute("PRAGMA synchronous = OFF")
            act(database)
            database.commit()
        return asyncio.run(self._verified(copy))

    async def _verified(self, file: Path) -> Verified:
        store = Store(create_engine(f"sqlite:///{file}"), Clock())
        try:
            return await verify(store, self.folder)
        finally:
            await store.close()


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return Books(tmp_path_factory.mktemp("audit"))


@pytest.fixture(autouse=True, scope="module")
def short_pages() -> Iterator[None]:
    """Let every chain be longer than a page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_verification, "PAGE", 2)
        yield


def put(row: dict[str, Any]) -> Act:
    """Add a row."""
    added = f"INSERT INTO tb_audit ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"  # noqa: S608
    return lambda database: database.execute(added, list(row.values()))


def changed(row: dict[str, Any], values: dict[str, Any]) -> Act:
    """Change a row."""
    fields = ", ".join(f"{name} = ?" for name in values)
    where = f"UPDATE tb_audit SET {fields} WHERE writer = ? AND sequence = ?"  # noqa: S608
    return lambda database: database.execute(where, [*values.values(), row["writer"], row["sequence"]])


def deleted(row: dict[str, Any]) -> Act:
    """Delete a row."""
    where = "DELETE FROM tb_audit WHERE writer = ? AND sequence = ?"
    return lambda database: database.execute(where, [row["writer"], row["sequence"]])


def places(found: Verified) -> list[tuple[str | None, int | None]]:
    """Return what is named."""
    return [(fault.writer, fault.sequence) for fault in found.faults]


def other_than(value: object) -> st.SearchStrategy[object]:
    """Return values that a column may have, of the same kind, and others."""
    kinds = st.integers(0, 999) if isinstance(value, int) else st.text("0123456789abcdef", min_size=1, max_size=64)
    return kinds.filter(lambda one: one != value)


EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_what_nobody_touched_holds(books: Books) -> None:
    assert books.found == Verified(rows=13, writers=3, seals=2, unsealed=5, faults=())


@EXAMPLES
@given(data=st.data())
def test_a_changed_value_is_found_in_its_row(books: Books, data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(books.rows))
    name = data.draw(st.sampled_from(CONTENT))
    value = data.draw(other_than(row[name]))

    found = books.after(changed(row, {name: value}))

    assert places(found) == [(row["writer"], row["sequence"])]


@EXAMPLES
@given(data=st.data())
def test_a_row_that_was_moved_is_missed_in_its_place_or_found_in_the_other(books: Books, data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(books.rows))
    writer = data.draw(st.sampled_from([*books.writers, "0" * 32]))
    sequence = data.draw(st.integers(-2, 20).filter(lambda one: (writer, one) not in books.places))

    found = books.after(changed(row, {"writer": writer, "sequence": sequence}))

    left, reached = (row["writer"], row["sequence"]), (writer, min(sequence, books.length.get(writer, 0) + 1))
    assert set(places(found)) & {left, reached}
    assert set(places(found)) <= {left, reached}


@EXAMPLES
@given(data=st.data())
def test_a_deleted_row_is_missed(books: Books, data: st.DataObject) -> None:
    """Other than the last ones of a chain that are in no seal yet: of those nobody else knows."""
    known = [row for row in books.rows if row["sequence"] < max(books.length[row["writer"]], 1)]
    row = data.draw(st.sampled_from(known))

    found = books.after(deleted(row))

    assert places(found) == [(row["writer"], row["sequence"])]
    assert found.faults[0].id is None
    assert "is missing" in found.faults[0].what


@EXAMPLES
@given(data=st.data())
def test_an_inserted_row_is_found(books: Books, data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(books.rows))
    writer = data.draw(st.sampled_from([*books.writers, "f" * 32]))
    sequence = data.draw(st.integers(-2, 20).filter(lambda one: (writer, one) not in books.places))
    fresh = {"id": "inserted", "writer": writer, "sequence": sequence}

    found = books.after(put(row | fresh))

    place = min(sequence, books.length.get(writer, 0) + 1)
    assert places(found) == [(writer, place)]


@EXAMPLES
@given(data=st.data())
def test_two_rows_that_were_swapped_are_found_at_the_first(books: Books, data: st.DataObject) -> None:
    one, other = data.draw(
        st.lists(st.sampled_from(books.rows), min_size=2, max_size=2, unique_by=lambda row: row["id"])
    )

    def swap(database: sqlite3.Connection) -> None:
        for row in (one, other):
            deleted(row)(database)
        for content, place in ((one, other), (other, one)):
            put(content | {name: place[name] for name in ("writer", "sequence")})(database)

    found = books.after(swap)

    first: dict[str, int] = {}
    for row in (one, other):
        first[row["writer"]] = min(row["sequence"], first.get(row["writer"], row["sequence"]))
    assert set(places(found)) == set(first.items())


def rewritten(books: Books, writer: str, first: int, until: int | None = None) -> Act:
    """Change a row, and let all after it follow on it: who knows how hashes are made can do that."""

    def rewrite(database: sqlite3.Connection) -> None:
        rows = [dict(row) for row in books.rows if row["writer"] == writer]
        last = rows[first - 2]["hash"] if first > 1 else GENESIS
        for row in rows[first - 1 : until]:
            row |= {"client_id": "mallory", "prev_hash": last}
            read = row | {"at": datetime.fromisoformat(row["at"]).replace(tzinfo=UTC)}
            last = row["hash"] = hash_of(read[name] for name in ORDER)
            changed(row, row)(database)

    return rewrite


@pytest.mark.parametrize(
    ("first", "at", "said"),
    [
        (1, 3, "It is not what seal 1 holds: a row after 0 was rewritten."),
        (3, 3, "It is not what seal 1 holds: a row after 0 was rewritten."),
        (4, 6, "It is not what seal 2 holds: a row after 3 was rewritten."),
    ],
)
def test_a_chain_that_was_rewritten_with_its_hashes_breaks_at_its_seal(
    books: Books, first: int, at: int, said: str
) -> None:
    longest = books.oldest
    found = books.after(rewritten(books, longest, first))

    assert places(found) == [(longest, at)]
    assert found.faults[0].what == said


def test_a_row_that_was_replaced_with_its_hash_is_met_by_the_next_one(books: Books) -> None:
    found = books.after(rewritten(books, books.oldest, 4, until=4))

    assert places(found) == [(books.oldest, 5)]
    assert "does not follow on the row before" in found.faults[0].what


def test_a_chain_that_was_cut_off_names_the_seal_that_misses_it(books: Books) -> None:
    longest = books.oldest
    found = books.after(
        lambda database: database.execute("DELETE FROM tb_audit WHERE writer = ? AND sequence > 4", [longest])
    )

    assert places(found) == [(longest, 5)]
    assert found.faults[0].what == "The chain ends before it; seal 2 holds row 6."
    assert str(found.faults[0]).startswith(f"writer {longest}, row 5: The chain ends")


def test_a_chain_that_is_gone_names_the_seal_that_misses_it(books: Books) -> None:
    longest = books.oldest
    found = books.after(lambda database: database.execute("DELETE FROM tb_audit WHERE writer = ?", [longest]))

    assert places(found) == [(longest, 1)]
    assert found.faults[0].what == "No row of this writer is there; seal 1 holds row 3."


def test_each_broken_chain_is_named_the_oldest_first(books: Books) -> None:
    def change(database: sqlite3.Connection) -> None:
        database.execute("UPDATE tb_audit SET status = 200 WHERE id IN ('a2', 'a4', 'b3', 'c2')")
        database.execute("UPDATE tb_audit SET at = '2026-11-24 08:00:00.000000' WHERE id = 'b1'")

    assert [fault.id for fault in books.after(change).faults] == ["b1", "a2", "c2"]


@pytest.mark.parametrize("at", ["yesterday", 17, b"\x00", None])
def test_a_row_that_cannot_be_read_is_named(books: Books, at: object) -> None:
    row = next(row for row in books.rows if row["id"] == "a5")
    found = books.after(changed(row, {"at": at}) if at is not None else changed(row, {"sequence": "five"}))

    assert places(found) == [(row["writer"], 5)]


def test_a_seal_that_cannot_be_read_is_named(books: Books) -> None:
    found = books.after(lambda database: database.execute("UPDATE tb_audit_seal SET at = 'now' WHERE number = 2"))

    assert [str(fault) for fault in found.faults] == ["seal 2: It cannot be read."]
    assert found.seals == 1
