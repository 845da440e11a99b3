"""Clocks that stand still until a test moves them: the store's, and one of bare seconds."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Callable like the store's clock."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the moment at which it stands."""
        return self.now

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


class Time:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Return the seconds at which it stands."""
        return self.now
