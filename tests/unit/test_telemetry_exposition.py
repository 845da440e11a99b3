"""Series as OpenMetrics writes them."""

from decimal import Decimal

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from gateway.telemetry.catalogue import HELP
from gateway.telemetry.exposition import text_of
from gateway.telemetry.metrics import BREAKS, QUEUE_AGE, RETRIES, series


def test_series_of_a_family_stand_together_after_their_type() -> None:
    snapshot = {
        'calls_total{of="b"}': 2,
        "calls_total_more": 9,
        'calls_total{of="a {"}': 1,
        "entries": 0,
        "calls_total": 3,
    }

    assert text_of(snapshot).splitlines() == [
        "# TYPE calls counter",
        "calls_total 3",
        'calls_total{of="a {"} 1',
        'calls_total{of="b"} 2',
        "# TYPE calls_total_more gauge",
        "calls_total_more 9",
        "# TYPE entries gauge",
        "entries 0",
        "# EOF",
    ]


def test_nothing_to_tell_is_an_end() -> None:
    assert text_of({}) == "# EOF\n"


def test_family_says_what_it_is_in_what_unit_and_amounts_are_exact() -> None:
    figures = {series(QUEUE_AGE, queue="a"): 7, series(BREAKS, currency="EUR"): Decimal("1E+3"), RETRIES: 2}

    assert text_of(figures).splitlines() == [
        "# TYPE tiebeam_queue_age_seconds gauge",
        "# UNIT tiebeam_queue_age_seconds seconds",
        f"# HELP tiebeam_queue_age_seconds {HELP[QUEUE_AGE]}",
        'tiebeam_queue_age_seconds{queue="a"} 7',
        "# TYPE tiebeam_reconciliation_breaks_amount gauge",
        f"# HELP tiebeam_reconciliation_breaks_amount {HELP[BREAKS]}",
        'tiebeam_reconciliation_breaks_amount{currency="EUR"} 1000',
        "# TYPE tiebeam_retries counter",
        f"# HELP tiebeam_retries {HELP[RETRIES]}",
        "tiebeam_retries_total 2",
        "# EOF",
    ]


def test_every_metric_there_is_parses_with_labels_of_any_text() -> None:
    hard = 'a "b" \\ c\nd {e="f"}, 10%'
    figures = {series(name, of=hard): number for number, name in enumerate(HELP)}

    families = {family.name: family for family in text_string_to_metric_families(text_of(figures))}

    assert {*families} == {name.removesuffix("_total") for name in HELP}
    assert {family.documentation for family in families.values()} == {*HELP.values()}
    assert {sample.labels["of"] for family in families.values() for sample in family.samples} == {hard}
