"""Every metric that there is, with what it says and by what: dashboards and alerts name no others."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

HELP: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tiebeam_failed_transactions_total": "What was refused or parked and asks for somebody.",
        "tiebeam_retries_total": "Tries beyond the first.",
        "tiebeam_queue_age_seconds": "How long the oldest has waited that nobody has begun with.",
        "tiebeam_onboarding_work_items": "Work items of onboardings that are not resolved.",
        "tiebeam_posting_delay_seconds": "How long ago the oldest entry was approved that is not posted.",
        "tiebeam_invoice_failures_total": "Requests for an invoice that were refused or held.",
        "tiebeam_reconciliation_breaks_amount": "The money that stands in open breaks, in the currency of the series.",
        "tiebeam_reconciliation_breaks": "How many breaks are open, those of unknown amount too.",
        "tiebeam_monitor_failures_total": "Readings of a monitor that failed; its series are left out then.",
        "tiebeam_reviews_overdue": "Things that should have been reviewed by today.",
        "tiebeam_upstream_calls_total": "Requests that were sent to a connected system.",
        "tiebeam_answers_total": "Answers to callers.",
        "tiebeam_late_answers_total": "Answers that took longer than 300 ms, or 1.5 s of what writes.",
        "tiebeam_counters_away_total": "Calls that met no shared counters.",
        "tiebeam_counters_lost_total": "How often the shared counters stopped answering.",
        "tiebeam_turned_away_total": "Tries of network addresses that are shut out already.",
        "tiebeam_refused_again_total": "Calls of clients that did not wait as their 429 said.",
        "tiebeam_shadow_failures_total": "Calls that could not be compared with the candidate policies.",
        "tiebeam_shadow_uncounted_total": "Calls that were compared and stand in no row.",
        "tiebeam_deprecated_calls_total": "Calls of a version or an operation that is to go.",
        "tiebeam_deprecated_fields_total": "Uses of a field or parameter that is to go.",
        "tiebeam_sunset_seconds": "How long until a version's sunset; negative after it.",
        "tiebeam_usage_uncounted_total": "Calls that stand in no row of usage.",
        "tiebeam_reads_total": "Reads that were answered.",
        "tiebeam_audit_unwritable": "1 while audit rows cannot be written.",
        "tiebeam_audit_rows_waiting": "Audit rows that are not written yet.",
        "tiebeam_cache_hits_total": "Answers that were kept.",
        "tiebeam_cache_stale_hits_total": "Answers that were kept and are old.",
        "tiebeam_cache_misses_total": "Answers that were not kept.",
        "tiebeam_cache_collapsed_total": "Answers that somebody else had asked for already.",
        "tiebeam_cache_evicted_total": "Answers that were let go of before their time.",
        "tiebeam_cache_entries": "Answers that are kept.",
        "tiebeam_cache_bytes": "How large the answers are that are kept.",
        "tiebeam_calls_shed_total": "Calls that were sent away because too many were under way.",
        "tiebeam_calls_under_way": "Calls that somebody works on.",
        "tiebeam_issuer_keys_fault": "1 where the issuer's keys could not be read the last time.",
        "tiebeam_news_untold": "Topics that other processes have not heard of yet.",
    }
)
"""What each says; scrapers are told."""

LABELS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "tiebeam_failed_transactions_total": ("process", "system", "code"),
        "tiebeam_retries_total": ("connection", "operation"),
        "tiebeam_queue_age_seconds": ("queue",),
        "tiebeam_onboarding_work_items": ("owner_queue", "code"),
        "tiebeam_posting_delay_seconds": ("legal_entity",),
        "tiebeam_invoice_failures_total": ("legal_entity", "code"),
        "tiebeam_reconciliation_breaks_amount": ("legal_entity", "currency", "category"),
        "tiebeam_reconciliation_breaks": ("legal_entity", "category"),
        "tiebeam_monitor_failures_total": ("monitor",),
        "tiebeam_reviews_overdue": ("kind",),
        "tiebeam_upstream_calls_total": ("connection", "operation", "outcome"),
        "tiebeam_answers_total": ("api", "status"),
        "tiebeam_late_answers_total": ("api",),
        "tiebeam_deprecated_calls_total": ("contract", "client", "issuer"),
        "tiebeam_deprecated_fields_total": ("contract", "operation", "place", "pointer"),
        "tiebeam_sunset_seconds": ("contract",),
        "tiebeam_reads_total": ("operation",),
        "tiebeam_issuer_keys_fault": ("issuer",),
    }
)
"""What tells the series of a metric apart; one that is not here has a single series in each process."""
