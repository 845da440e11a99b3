"""Counters of one process alone: what one web process counts for its callers, and what tests and tools need."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Final

from gateway.counters import Limit, Places, Question, Told, bucket

MOST: Final = 100_000
"""Buckets that are kept, some 30 MB. Anybody can be a stranger, and each has a bucket of its own."""
PLACE_WAIT_S: Final = 1.0
"""What a caller is told who found no place: nobody knows when a call ends, and Retry-After has whole seconds."""

_told = tuple.__new__  # A third of what Told's own constructor costs, in the path that every request takes.


class MemoryCounters:
    """Counters that no other process sees."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, most: int = MOST, tats: Mapping[str, float] | None = None
    ) -> None:
        self._clock, self._most = clock, most
        self._tats = OrderedDict(tats or {})
        self._held: dict[str, dict[str, float]] = {}
        self._tickets = count(1)
        self._generations: dict[str, int] = {}
        self._together: dict[tuple[str, ...], tuple[int, ...]] = {}

    def ask_now(self, question: Question) -> Told:
        """Return the answer, always."""
        return self.answer(question, self._generations_of(question.topics))

    async def ask(self, question: Question) -> Told:
        """Return the answer."""
        return self.ask_now(question)

    def answer(self, question: Question, generations: tuple[int, ...]) -> Told:
        """Return the answer of buckets and places; `generations` are told as they come."""
        now, tats = self._clock(), self._tats
        before, used, left = len(tats), [], []
        paces = question.__dict__.get("paces") or bucket.paces_of(question)
        for name, step, full, rate, burst, farthest in paces:
            tat = tats.get(name, 0.0)
            taken = tat - now + step if tat > now else step
            if taken > full + bucket.SLACK_S:
                taken = bucket.used_at(now, tat, farthest) + step
                if taken > full + bucket.SLACK_S:
                    return bucket.refused(question, self._used_at(question, now), generations)
            used.append(taken)
            left.append(int(burst - (taken - bucket.SLACK_S) * rate) if taken > bucket.SLACK_S else int(burst))
        if question.places and (full_place := self._full_place(question.places, now)) is not None:
            refused_by = len(question.limits) + full_place
            return bucket.told(question, self._used_at(question, now), generations, refused_by, PLACE_WAIT_S)
        for pace, taken in zip(paces, used, strict=True):
            tats[pace[0]] = now + taken
        if len(tats) > before:
            self._forget(now)
        ticket = self._hold(question.places, now) if question.places else None
        return _told(Told, (None, 0.0, tuple(left), tuple(used), generations, ticket))

    def leave(self, places: Sequence[Places], ticket: str) -> None:
        """Give the places back."""
        for place in places:
            if held := self._held.get(place.name):
                held.pop(ticket, None)
                if not held:
                    del self._held[place.name]

    async def take(self, name: str, rate: float, burst: float, cost: float = 1.0, reserve: float = 0.0) -> float:
        """Return 0.0 where the permits were taken, otherwise how long to wait."""
        return self.answer(Question((Limit(name, rate, burst, cost, reserve),)), ()).wait_s

    async def move(self, names: Sequence[str]) -> None:
        """Begin each name's next generation."""
        for name in names:
            self._generations[name] = self._generations.get(name, 0) + 1
        self._together.clear()

    async def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def tat_of(self, name: str) -> float:
        """Return the instant at which the bucket is full again."""
        return self._tats.get(name, 0.0)

    def _generations_of(self, topics: tuple[str, ...]) -> tuple[int, ...]:
        found = self._together.get(topics)
        if found is None:
            found = self._together[topics] = tuple([self._generations.get(topic, 0) for topic in topics])
        return found

    def _used_at(self, question: Question, now: float) -> list[float]:
        tats = self._tats
        return [bucket.used_at(now, tats.get(pace.bucket, 0.0), pace.farthest) for pace in bucket.paces_of(question)]

    def _full_place(self, places: Sequence[Places], now: float) -> int | None:
        """Return which of the places is full; a call whose lease is over is not under way any more."""
        for index, place in enumerate(places):
            held = self._held.get(place.name, {})
            if len(held) < place.most:
                continue
            for ticket in [ticket for ticket, until in held.items() if until <= now]:
                del held[ticket]
            if len(held) >= place.most:
                return index
        return None

    def _hold(self, places: Sequence[Places], now: float) -> str:
        ticket = str(next(self._tickets))
        for place in places:
            self._held.setdefault(place.name, {})[ticket] = now + place.lease_s
        return ticket

    def _forget(self, now: float) -> None:
        """Look at the two oldest buckets: drop one that is full again, and the fuller of them where there are too many.

        Two for each that is new, so that the number never runs ahead, and no request pays for a great cleaning.
        """
        tats = self._tats
        for _ in range(min(2, len(tats))):
            name, tat = tats.popitem(last=False)
            if tat > now:
                tats[name] = tat
        if len(tats) > self._most:
            fuller, other = tats.popitem(), tats.popitem()
            name, tat = max(fuller, other, key=lambda each: each[1])
            tats[name] = tat
