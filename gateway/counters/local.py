"""The counters of an installation without Redis: callers are counted in the one web process, the rest in a file.

The web process alone answers callers, so that their buckets and places can lie in its memory, and an answer waits for
nobody. A bucket of days must outlive a restart: the file keeps a mark *ahead* of it, which moves once for a hundred
calls. A process that is killed begins at the mark: it may have given a hundredth too little, never a permit too many.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gateway.counters import CountersAway, Places, Question, Told, bucket
from gateway.counters.file import FileCounters, since_epoch
from gateway.counters.memory import MemoryCounters

LONG_S: Final = 600.0
"""A bucket that takes longer to fill outlives a restart; a shorter one is not worth the writing."""
AHEAD: Final = 0.01
"""How far ahead of a bucket its mark is set, as a share of it: what a killed process may cost its caller."""
SWEEP: Final = 1_000
"""So many marks more, and those that are over are dropped."""


class LocalCounters:
    """Counters of one web process and its worker."""

    def __init__(self, path: Path, clock: Callable[[], float] = since_epoch) -> None:
        self._clock, self._file = clock, FileCounters(path, clock)
        self._memory = MemoryCounters(clock, tats=self._file.marks())
        self._marks: dict[str, float] = {}
        self._sweep_at = SWEEP

    def ask_now(self, question: Question) -> Told:
        """Return the answer, always."""
        told = self._memory.answer(question, self._file.generations_now(question.topics) if question.topics else ())
        if told.refused_by is None and long_paces_of(question):
            self._keep_ahead(question)
        return told

    async def ask(self, question: Question) -> Told:
        """Return the answer."""
        return self.ask_now(question)

    def leave(self, places: Sequence[Places], ticket: str) -> None:
        """Give the places back."""
        self._memory.leave(places, ticket)

    async def take(self, name: str, rate: float, burst: float, cost: float = 1.0, reserve: float = 0.0) -> float:
        """Return 0.0 where the permits were taken, otherwise how long to wait."""
        return await self._file.take(name, rate, burst, cost, reserve)

    async def move(self, names: Sequence[str]) -> None:
        """Begin each name's next generation."""
        await self._file.move(names)

    async def close(self) -> None:
        """Set the marks back to where the buckets stand, and close the file."""
        with contextlib.suppress(CountersAway):  # They stay ahead then, and a caller gets a hundredth less.
            self._file.mark({name: self._memory.tat_of(name) for name in self._marks})
        await self._file.close()

    def _keep_ahead(self, question: Question) -> None:
        for pace in long_paces_of(question):
            tat, ahead = self._memory.tat_of(pace.bucket), pace.full * AHEAD
            if not tat <= self._marks.get(pace.bucket, 0.0) <= tat + ahead:  # Further: a clock was set back.
                self._marks[pace.bucket] = mark = min(tat + ahead, self._clock() + pace.full)
                self._file.mark({pace.bucket: mark})
        if len(self._marks) > self._sweep_at:
            self._sweep()

    def _sweep(self) -> None:
        self._file.forget()
        kept = self._file.marks()
        self._marks = {name: tat for name, tat in self._marks.items() if name in kept}
        self._sweep_at = 2 * len(self._marks) + SWEEP


def long_paces_of(question: Question) -> tuple[bucket.Pace, ...]:
    """Return those of the limits that outlive a restart; worked out once, and kept on the question."""
    kept = question.__dict__
    found: tuple[bucket.Pace, ...] | None = kept.get("long_paces")
    if found is None:
        found = kept["long_paces"] = tuple(pace for pace in bucket.paces_of(question) if pace.full > LONG_S)
    return found
