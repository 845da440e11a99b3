"""Buckets of strangers: memory stays bounded, and nobody gets more for it."""

from gateway.counters import Limit, Places, Question
from gateway.counters.memory import MemoryCounters
from tests.fakes.clock import Time


def stranger(number: int, burst: int = 2) -> Question:
    """Return what a caller of an address of its own asks."""
    return Question((Limit(f"address:{number}", 1.0, burst),))


def kept(counters: MemoryCounters) -> int:
    return len(counters._tats)  # noqa: SLF001 - what memory holds cannot be seen from outside.


def test_full_buckets_are_forgotten_as_new_ones_come() -> None:
    time = Time()
    counters = MemoryCounters(time)
    for number in range(10_000):
        time.now += 0.1
        counters.ask_now(stranger(number))

    assert kept(counters) < 50


def test_number_of_buckets_is_bounded_and_those_that_are_used_most_stay() -> None:
    counters = MemoryCounters(Time(), most=100)
    for _ in range(1_000):
        counters.ask_now(stranger(0, burst=1_000))
    for number in range(1, 5_000):
        counters.ask_now(stranger(number))

    assert kept(counters) == 100
    assert counters.ask_now(stranger(0, burst=1_000)).refused_by == 0


def test_bucket_that_nothing_was_taken_from_is_no_bucket() -> None:
    counters = MemoryCounters(Time())
    counters.ask_now(Question((Limit("a", 1, 1, cost=0.0),)))

    assert kept(counters) == 0


def test_name_whose_places_are_all_free_is_forgotten() -> None:
    counters = MemoryCounters(Time())
    asked = Question(places=(Places("desk", 2, 60),))
    ticket = counters.ask_now(asked).ticket
    assert ticket
    counters.leave(asked.places, ticket)
    counters.leave(asked.places, ticket)

    assert counters._held == {}  # noqa: SLF001 - as above
