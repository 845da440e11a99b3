"""Who writes to an SQLite file, one after another in the order in which they came.

SQLite's own lock knows no order: whoever waits looks again every 100 ms, and whoever comes just as it is free has it.
Where a commit took 250 ms, a few of 24 writers wrote hundreds of times, while the others waited in vain until their
time was up.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final, Self

BUSY_S: Final = 30.0
"""How long a writer waits for its turn, and then for those of other processes."""
WINDOW_S: Final = 1.0
MOST_OF_IT: Final = 0.9
"""A process that wrote for so much of a window leaves the file alone for a moment: others see it free only by luck."""
APART_S: Final = 0.12
"""SQLite's longest wait between two looks, and some more."""
WRITES: Final = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "BEGIN", "SAVEPOINT"})


class Turns:
    """The writers of this process to one file."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._clock, self._pause = clock, pause
        self._guard = Lock()
        self._waiting: deque[Event] = deque()
        self._taken = False
        self._window_began, self._taken_at, self._written_s = clock(), 0.0, 0.0

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    def take(self, within_s: float) -> bool:
        """Tell whether it is the caller's turn; False where it did not come in time."""
        if not self._comes(within_s):
            return False
        self._stand_apart()
        self._taken_at = self._clock()
        return True

    def give(self) -> None:
        """End the turn: it is the next one's."""
        self._written_s += self._clock() - self._taken_at
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False

    def _comes(self, within_s: float) -> bool:
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            mine = Event()
            self._waiting.append(mine)
        if mine.wait(within_s):
            return True
        with self._guard:
            if mine.is_set():  # It came just now.
                return True
            self._waiting.remove(mine)
            return False

    def _stand_apart(self) -> None:
        now = self._clock()
        if now - self._window_began < WINDOW_S:
            return
        if self._written_s > MOST_OF_IT * (now - self._window_began):
            self._pause(APART_S)
        self._window_began, self._written_s = self._clock(), 0.0


@cache
def turns_of(_path: Path) -> Turns:
    """Return the turns at a file, the same for each of its connections."""
    return Turns()


class OrderedCursor(sqlite3.Cursor):
    """Waits for the connection's turn before the first statement that writes."""

    connection: "OrderedConnection"

    def execute(self, statement: str, *parameters: Any) -> Self:  # noqa: ANN401 - as the driver has it
        """Execute the statement."""
        with self.connection.ordered(statement):
            super().execute(statement, *parameters)
        return self

    def executemany(self, statement: str, parameters: Any, /) -> Self:  # noqa: ANN401 - as the driver has it
        """Execute the statement with each of the parameters."""
        with self.connection.ordered(statement):
            super().executemany(statement, parameters)
        return self


class OrderedConnection(sqlite3.Connection):
    """A connection whose transactions, once they write, come one after another within the process."""

    _has_turn = False

    def __init__(self, database: str, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as the driver has it
        super().__init__(database, *args, **options)
        self._turns = turns_of(Path(database).resolve())

    def cursor(self, factory: Any = OrderedCursor) -> Any:  # noqa: ANN401 - as the driver has it
        """Return a cursor that waits for the turn."""
        return super().cursor(factory)

    def execute(self, statement: str, *parameters: Any) -> Any:  # noqa: ANN401 - as the driver has it
        """Return a cursor that has executed the statement; the driver's own way would pass ours by."""
        return self.cursor().execute(statement, *parameters)

    def executemany(self, statement: str, parameters: Any, /) -> Any:  # noqa: ANN401 - as the driver has it
        """Return a cursor that has executed the statement with each of the parameters."""
        return self.cursor().executemany(statement, parameters)

    @contextmanager
    def ordered(self, statement: str) -> Iterator[None]:
        """Execute the statement within; where it begins to write, the turn lasts until the transaction ends."""
        try:
            if not self._has_turn and not self.in_transaction:
                self._wait(statement[:20].split(None, 1)[0].upper())
            yield
        finally:
            self._give_over()

    def _wait(self, verb: str) -> None:
        if verb not in WRITES:
            return
        if not self._turns.take(BUSY_S):
            raise sqlite3.OperationalError("database is locked")
        self._has_turn = True
        if verb == "SAVEPOINT":  # By itself it would be the whole transaction, committed when it is released.
            self.execute("BEGIN IMMEDIATE")

    def _give_over(self) -> None:
        if self._has_turn and not self.in_transaction:
            self._give()

    def _give(self) -> None:
        self._has_turn = False
        self._turns.give()

    def commit(self) -> None:
        """Commit, and let the next one write."""
        try:
            super().commit()
        finally:
            self._give_over()

    def rollback(self) -> None:
        """Roll back, and let the next one write."""
        try:
            super().rollback()
        finally:
            self._give_over()

    def close(self) -> None:
        """Close; what was not committed is rolled back."""
        super().close()
        if self._has_turn:
            self._give()

    def __del__(self) -> None:
        if self._has_turn:
            self._give()
