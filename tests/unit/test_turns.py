"""Writers to one SQLite file: the order that its own lock has not, and that no turn is lost."""

import gc
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.store.database import Store, create_engine
from gateway.store.turns import APART_S, WINDOW_S, OrderedConnection, Turns, turns_of

Opened = Callable[[], OrderedConnection]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "turns.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE written (who TEXT UNIQUE)")
    return path


@pytest.fixture
def opened(file: Path) -> Iterator[Opened]:
    with ExitStack() as connections:

        def opened() -> OrderedConnection:
            connection = sqlite3.connect(
                file, isolation_level="IMMEDIATE", timeout=0.0, check_same_thread=False, factory=OrderedConnection
            )
            return connections.enter_context(closing(connection))

        yield opened


def written(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] for row in connection.execute("SELECT who FROM written ORDER BY rowid")]


def is_free(file: Path) -> bool:
    turns = turns_of(file.resolve())
    if not turns.take(0.0):
        return False
    turns.give()
    return True


def write(connection: OrderedConnection, who: str) -> None:
    connection.execute("INSERT INTO written VALUES (?)", (who,))
    connection.commit()


def test_writers_come_in_the_order_in_which_they_asked(file: Path, opened: Opened) -> None:
    first = opened()
    first.execute("INSERT INTO written VALUES ('first')")
    turns, threads = turns_of(file.resolve()), []
    for number in range(5):
        thread = threading.Thread(target=write, args=(opened(), str(number)))
        thread.start()
        threads.append(thread)
        while turns.waiting <= number and thread.is_alive():
            thread.join(0.001)

    first.commit()
    for thread in threads:
        thread.join()

    assert written(file) == ["first", "0", "1", "2", "3", "4"]
    assert is_free(file)


def test_who_waits_too_long_is_told_and_forgotten() -> None:
    turns = Turns()
    assert turns.take(0.0)

    assert not turns.take(0.0)
    turns.give()

    assert turns.take(0.0)


def test_connection_that_waits_too_long_says_that_the_database_is_locked(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.turns.BUSY_S", 0.0)
    one, other = opened(), opened()
    one.execute("INSERT INTO written VALUES ('one')")

    with pytest.raises(sqlite3.OperationalError, match="database is locked"):
        write(other, "other")

    one.commit()
    write(other, "other")


@pytest.mark.parametrize(("busy_s", "apart"), [(WINDOW_S, [APART_S]), (WINDOW_S / 2, [])], ids=["all of it", "half"])
def test_process_that_wrote_all_the_time_stands_apart_for_a_moment(busy_s: float, apart: list[float]) -> None:
    now, paused = 0.0, list[float]()
    turns = Turns(lambda: now, paused.append)
    assert turns.take(0.0)
    now = busy_s
    turns.give()
    now = WINDOW_S

    assert turns.take(0.0)

    assert paused == apart


def test_who_reads_waits_for_nobody(opened: Opened) -> None:
    writer, reader = opened(), opened()
    writer.execute("INSERT INTO written VALUES ('x')")

    assert reader.execute("SELECT count(*) FROM written").fetchone() == (0,)


def test_many_rows_are_one_turn(file: Path, opened: Opened) -> None:
    connection = opened()

    connection.executemany("INSERT INTO written VALUES (?)", [("a",), ("b",)])

    assert not is_free(file)
    connection.commit()
    assert is_free(file)


def test_statement_that_fails_at_first_keeps_no_turn(file: Path, opened: Opened) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other_process:
        other_process.execute("BEGIN IMMEDIATE")
        for statement in ("INSERT INTO written VALUES ('x')", "SAVEPOINT one"):
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                opened().execute(statement)

            assert is_free(file)


def rolled_back(connection: OrderedConnection) -> None:
    connection.rollback()


def closed(connection: OrderedConnection) -> None:
    connection.close()


@pytest.mark.parametrize("end", [rolled_back, closed])
def test_turn_ends_with_what_is_not_committed(
    file: Path, opened: Opened, end: Callable[[OrderedConnection], None]
) -> None:
    connection = opened()
    connection.execute("INSERT INTO written VALUES ('x')")

    end(connection)

    assert is_free(file)
    assert written(file) == []


def test_turn_ends_with_a_connection_that_nobody_closed(file: Path) -> None:
    connection = sqlite3.connect(file, isolation_level="IMMEDIATE", factory=OrderedConnection)
    connection.execute("INSERT INTO written VALUES ('x')")

    del connection
    gc.collect()

    assert is_free(file)


async def test_savepoint_is_no_transaction_of_its_own(file: Path) -> None:
    store = Store(create_engine(f"sqlite:///{file}"))
    async with store.engine.connect() as connection:
        async with connection.begin_nested():
            await connection.execute(text("INSERT INTO written VALUES ('x')"))
        await connection.rollback()

    assert written(file) == []
    await store.close()
