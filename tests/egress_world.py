"""Egress with time and chance in a test's hands, for `tests/unit/test_egress_*.py`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from gateway.counters import Counters
from gateway.egress.connection import Tools
from gateway.egress.limits import Part
from gateway.egress.terms import Breaker, Patience, Quota, Terms
from gateway.egress.upstreams import Upstreams
from gateway.telemetry.metrics import Metrics

BOOKS = "books"
QUOTA = Quota(rate=1_000, burst=1_000, concurrency=8, interactive_share=0.5, when_unavailable="refuse")
PATIENCE = Patience(deadline_s=20, connect_s=2, read_retries=2)
BREAKER = Breaker(failures=50, open_s=10)


class Time:
    """Moves only when somebody sleeps, or a test says so."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Return the seconds that have passed."""
        return self.passed

    def now(self) -> datetime:
        """Return the moment that they lead to."""
        return datetime(2026, 11, 25, 9, 0, tzinfo=UTC) + timedelta(seconds=self.passed)

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.slept.append(seconds)
        self.passed += seconds


def tools(time: Time, metrics: Metrics | None = None) -> Tools:
    """Return the time given, and chance that always says one half."""
    return Tools(clock=time, now=time.now, sleep=time.sleep, fraction=lambda: 0.5, metrics=metrics or Metrics())


def terms(**changes: Any) -> Terms:  # noqa: ANN401 — any field of any part.
    """Return generous terms, with these fields of quota, patience and circuit."""
    parts = {"quota": QUOTA, "patience": PATIENCE, "circuit": BREAKER}
    for name, part in parts.items():
        own = {field: value for field, value in changes.items() if field in part.__struct_fields__}
        parts[name] = structs.replace(part, **own)
    rest = {name: value for name, value in changes.items() if name == "max_answer_bytes"}
    return Terms(**parts, **rest)  # type: ignore[arg-type]  # mypy sees the parts' common type.


@asynccontextmanager
async def upstreams(
    time: Time | None = None,
    part: Part = Part.whole,
    counters: Counters | None = None,
    **changes: Any,  # noqa: ANN401
) -> AsyncIterator[Upstreams]:
    """Give egress to BOOKS on these terms."""
    given = tools(time or Time())
    egress = Upstreams({BOOKS: terms(**changes)}, part=part, counters=counters, metrics=given.metrics, with_tools=given)
    try:
        yield egress
    finally:
        await egress.close()
