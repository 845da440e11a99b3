"""Counters of one process."""

from gateway.telemetry.metrics import RETRIES, UPSTREAM_CALLS, Metrics
from tests.egress_world import BOOKS, upstreams
from tests.scripted_server import answer, close, scripted_server


def test_snapshot_writes_series_as_prometheus_does() -> None:
    metrics = Metrics()
    metrics.count("starts")
    for _ in range(2):
        metrics.count(UPSTREAM_CALLS, operation="find", connection='a"b\\c\nd')

    assert metrics.snapshot() == {
        "starts": 1,
        'tiebeam_upstream_calls_total{connection="a\\"b\\\\c\\nd",operation="find"}': 2,
    }


def test_total_adds_up_the_series_with_the_labels_asked_for() -> None:
    metrics = Metrics()
    metrics.count(UPSTREAM_CALLS, connection="books", operation="find")
    metrics.count(UPSTREAM_CALLS, connection="books", operation="create")
    metrics.count(UPSTREAM_CALLS, connection="delivery", operation="find")

    assert metrics.total(UPSTREAM_CALLS) == 3
    assert metrics.total(UPSTREAM_CALLS, connection="books") == 2
    assert metrics.total(UPSTREAM_CALLS, connection="books", operation="find") == 1


async def test_calls_are_counted_by_what_became_of_them() -> None:
    async with scripted_server() as server, upstreams(max_answer_bytes=9) as egress:
        server.then(close, answer(503), answer(404))
        await egress.http(BOOKS).call("GET", server.url, operation="find", write=False)

        series = f'{UPSTREAM_CALLS}{{connection="books",operation="find",outcome="%s"}}'
        assert egress.metrics.snapshot() == {
            f'{RETRIES}{{connection="books",operation="find"}}': 2,
            series % "404": 1,
            series % "503": 1,
            series % "lost": 1,
        }
