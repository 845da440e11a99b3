"""The clocks of durable work. Tests give small values."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

APPLICATION_VERSION: Final = "wf-1"
"""Changed only for a workflow change that what is under way cannot follow; a hash of the source would strand it."""
EXECUTOR: Final = "worker"
"""On SQLite there is one worker at a time, so whoever is next takes up what the last one left."""


class DurableSettings(Struct, frozen=True, kw_only=True):
    """How patient a process is, and how many are carried out at once."""

    retry_attempts: int = 5
    retry_interval_s: float = 0.5
    retry_rate: float = 3.0  # With the two above: about 20 s in all.
    step_timeout_s: float = 60.0
    """How long a read may take before it counts as unavailable. A write has the guard's clocks."""
    write_wait_s: float = 180.0
    """How long a step waits while somebody else is at the same write; longer than the guard's lease."""
    probes_s: tuple[float, ...] = (5.0, 30.0, 120.0, 600.0)
    """When a write of unknown outcome is looked for; the last one again and again."""
    write_deadline_s: float = 3600.0
    """After it an unknown outcome becomes a work item."""
    at_once: int = 20
    """How many runs a worker has under way; the rest is left to others, or waits."""
    poll_interval_s: float = 0.2
    sweep_interval_s: float = 1.0
    unavailable_resume_s: float = 30.0
    """How soon what parked because a system was away is taken up again; doubled each time."""
    unavailable_tries: int = 8
    unavailable_longest_s: float = 7200.0
    group: int = 5
    """How many are taken up again at once: a system that comes back is not run over."""
    hold_forward_s: float = 86_400.0
    """How long a parked process keeps what it made before it is undone."""
    stranded_after_s: float = 60.0
    """When a process that ought to move is asked for at the engine."""
    keep_s: float = 30 * 86_400.0
    """How long the engine's rows of what has ended are kept; our own are kept for good."""
    keep_usage_s: float = 800 * 86_400.0
    """How long a use that did not come again is remembered."""
    prune_interval_s: float = 3600.0
    lease_s: float = 30.0
    """After how long a worker that says nothing is taken for dead; a mistake there costs a repeated step a run."""
    lease_renewal_s: float = 7.0
    """How often a worker says that it is alive, and looks for dead ones."""
    max_recoveries: int = 20
    """How often a run may take its worker down with it before it is left to a person."""
    drain_s: int = 20

    @property
    def clear_up_interval_s(self) -> float:
        """How often what has come to nothing is looked for."""
        return max(self.sweep_interval_s, self.stranded_after_s / 4)

    def delays(self) -> Iterator[float]:
        """Yield how long to wait after each try of a step that may be made once more."""
        for n in range(self.retry_attempts - 1):
            yield self.retry_interval_s * self.retry_rate**n

    def probe_s(self, probe: int) -> float:
        """Return how long to wait before the look that comes after `probe` others."""
        return self.probes_s[min(probe, len(self.probes_s) - 1)]
