"""Counters of one process, by name and labels; no library, because adding to a dictionary is all they do."""

from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

UPSTREAM_CALLS: Final = "tiebeam_upstream_calls_total"
"""Requests that were sent to a vendor, those that got no answer too."""
RETRIES: Final = "tiebeam_retries_total"
"""Tries beyond the first: requests that will be sent once more, and steps of processes that are tried again."""
FAILED: Final = "tiebeam_failed_transactions_total"
"""What was refused or parked, and asks for somebody: by process, system and code."""
QUEUE_AGE: Final = "tiebeam_queue_age_seconds"
"""How long the oldest has waited that nobody has begun with, by queue."""
ONBOARDING_ITEMS: Final = "tiebeam_onboarding_work_items"
"""Work items of onboardings that are not resolved, by owner queue and code."""
POSTING_DELAY: Final = "tiebeam_posting_delay_seconds"
"""How long ago the oldest entry was approved that is not posted, by legal entity."""
INVOICE_FAILURES: Final = "tiebeam_invoice_failures_total"
"""Requests for an invoice that were refused or held, by legal entity and code."""
BREAKS: Final = "tiebeam_reconciliation_breaks_amount"
"""The money that stands in open breaks, by legal entity, currency and category."""
OPEN_BREAKS: Final = "tiebeam_reconciliation_breaks"
"""How many breaks are open, those of unknown amount too, by legal entity and category."""
MONITOR_FAILURES: Final = "tiebeam_monitor_failures_total"
"""Readings of a monitor that failed; it is left out then."""
REVIEWS_OVERDUE: Final = "tiebeam_reviews_overdue"
"""How many things should have been looked at again by today, by their kind."""
ANSWERS: Final = "tiebeam_answers_total"
"""Answers to callers, by version of the API and status; `page` is what is open to everybody."""
LATE_ANSWERS: Final = "tiebeam_late_answers_total"
"""Those that took longer than 300 ms, or 1.5 s where they write, by version of the API."""
COUNTERS_AWAY: Final = "tiebeam_counters_away_total"
"""Calls that met no shared counters, and went on as their policies say for then."""
COUNTERS_LOST: Final = "tiebeam_counters_lost_total"
"""How often the shared counters stopped answering: once each time, however many calls met nobody then."""
TURNED_AWAY: Final = "tiebeam_turned_away_total"
"""Tries of network addresses that are shut out already: of each such time one audit row is written, with the first."""
REFUSED_AGAIN: Final = "tiebeam_refused_again_total"
"""Calls of clients that did not wait as their 429 said: of each such time one audit row is written, with the first."""
SHADOW_FAILURES: Final = "tiebeam_shadow_failures_total"
"""Calls that could not be compared with the candidate set of policies; they were answered all the same."""
SHADOW_BEYOND: Final = "tiebeam_shadow_uncounted_total"
"""Calls that were compared and stand in no row: too many clients and operations were new within one flush."""
DEPRECATED_CALLS: Final = "tiebeam_deprecated_calls_total"
"""Calls of a version or an operation that is to go, by contract, client and issuer; refused ones too."""
DEPRECATED_FIELDS: Final = "tiebeam_deprecated_fields_total"
"""Uses of a field or query parameter that is to go; who used it, `tiebeam lifecycle` says."""
SUNSET: Final = "tiebeam_sunset_seconds"
"""How long until a version's sunset; negative after it."""
USAGE_BEYOND: Final = "tiebeam_usage_uncounted_total"
"""Calls that stand in no row of usage: too many clients and operations were new within one flush."""

FROM_ZERO: Final = (COUNTERS_AWAY, COUNTERS_LOST, TURNED_AWAY, REFUSED_AGAIN, SHADOW_FAILURES)
"""They are shown before anything was counted, too: whoever watches for growth has to see the first one."""

MONITORS: Final = (FAILED, RETRIES, QUEUE_AGE, ONBOARDING_ITEMS, POSTING_DELAY, INVOICE_FAILURES, BREAKS)
"""The seven questions whether money comes through: see `docs/operations/watch.md`."""

Labels = tuple[tuple[str, str], ...]
Figures = Mapping[str, int | Decimal]
"""Values by their series; amounts are exact."""


class Metrics:
    """Counts that only grow while the process lives, and figures that others keep."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, Labels]] = Counter()
        self._kept_elsewhere: list[Callable[[], Figures]] = []

    def read_from(self, figures: Callable[[], Figures]) -> None:
        """Show these too: what is counted where it happens, because it happens too often to be told, or shrinks."""
        self._kept_elsewhere.append(figures)

    def count(self, name: str, **labels: str) -> None:
        """Add one."""
        self._counts[name, tuple(sorted(labels.items()))] += 1

    def total(self, name: str, **labels: str) -> int:
        """Return the sum over every series of the name that has these labels."""
        asked = labels.items()
        return sum(n for (named, has), n in self._counts.items() if named == name and asked <= dict(has).items())

    def snapshot(self) -> Figures:
        """Return every series as Prometheus writes its name: `name{label="value"}`."""
        counted: dict[str, int | Decimal] = {
            _written(name, labels): count for (name, labels), count in sorted(self._counts.items())
        }
        for figures in self._kept_elsewhere:
            counted |= figures()
        return counted


def series(name: str, **labels: str) -> str:
    """Return the name of a series as Prometheus writes it, for figures that are kept elsewhere."""
    return _written(name, tuple(sorted(labels.items())))


def _written(name: str, labels: Labels) -> str:
    return f"{name}{{{','.join(f'{label}={_quoted(value)}' for label, value in labels)}}}" if labels else name


def _quoted(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'
