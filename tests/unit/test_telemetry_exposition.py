"""Series as OpenMetrics writes them."""

from gateway.telemetry.exposition import text_of


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
