"""What the benchmark says of load: rates, CPU, latencies and overload must be what was asked and answered."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import json

from bench import cached, overload, paced, scaling
from bench.contenders.applications import Plain
from bench.echo import Answers
from bench.paced import Shot
from bench.processes import cpu_s, running
from bench.profiled import shares
from bench.wrk import Load, counted

SAID = """
  2 threads and 32 connections
  20000 requests in 2.00s, 17.00MB read
{wrong}Requests/sec:  10000.00
"""
HEAD = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0"


def test_rate_and_cpu_are_those_of_answers_with_success() -> None:
    said = SAID.format(wrong="  Non-2xx or 3xx responses: 5000\n")

    load = counted(said, cpu_s=1.5, name="x")

    assert load == Load(requests=15_000, per_s=7_500, failed=0.25, cpu_us=100)


@pytest.mark.parametrize(
    "said",
    [
        "unable to connect",
        SAID.format(wrong="  Non-2xx or 3xx responses: 20000\n"),
        SAID.format(wrong="  Socket errors: connect 0, read 3, write 0, timeout 0\n"),
    ],
)
def test_server_that_does_not_answer_is_no_figure(said: str) -> None:
    with pytest.raises(RuntimeError, match="x "):
        counted(said, cpu_s=1.5, name="x")


def test_ratios_are_ours_over_theirs_and_left_out_where_one_is_missing() -> None:
    loads = {"gateway": Load(1, 700, 0, 50), "bare": Load(1, 1_000, 0, 25)}

    assert cached.ratios(loads) == {"cached_vs_bare": 0.7, "cached_vs_bare_cpu": 0.5}


def test_cpu_time_counts_what_is_below_a_process_too() -> None:
    burn = "import time\nwhile time.process_time() < 0.6: pass\nprint(flush=True)\ninput()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    command = [sys.executable, "-c", parent]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()

        took = cpu_s(process.pid)

        process.stdin.close()
    assert 0.5 <= took < 10  # The kernel accounts by ticks, and a busy machine by fewer than there were.


def test_server_that_ends_at_once_is_shown_with_what_it_said(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such policy')"]

    with (
        pytest.raises(RuntimeError, match="no such policy"),
        running(command, ready="http://127.0.0.1:9/", log=tmp_path / "log"),
    ):
        pytest.fail("It is not there.")


def test_echo_answers_a_file_that_came_later_and_anything_else_briefly(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    early = answers.to(b"GET /users.json?limit=3 HTTP/1.1\r\n\r\n")
    Path(tmp_path, "users.json").write_text('{"users":[]}')

    late = answers.to(b"GET /users.json?limit=3 HTTP/1.1\r\n\r\n")

    assert early.endswith(b'{"id":4711}')
    assert late.endswith(b'Content-Length: 12\r\n\r\n{"users":[]}')


@pytest.fixture
async def slow_server() -> AsyncIterator[str]:
    """Answer 200, each request 20 ms after it came; every connection is read to the end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            await asyncio.sleep(0.02)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"


async def test_paced_requests_are_all_answered_and_timed_from_when_they_were_due(slow_server: str) -> None:
    shots = await asyncio.to_thread(paced.fired, slow_server, {}, 200, 0.25)

    assert [round(shot.due_s * 200) for shot in sorted(shots)] == list(range(50))
    assert {shot.status for shot in shots} == {200}
    assert min(shot.took_s for shot in shots) >= 0.02


async def test_waiting_for_a_connection_counts(slow_server: str) -> None:
    shots = await asyncio.to_thread(paced.fired, slow_server, {}, 1_000, 0.01, 1)

    assert max(shot.took_s for shot in shots) >= 10 * 0.02 - 0.01


async def test_paced_request_that_is_refused_is_no_latency() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(HEAD + b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(RuntimeError, match="answered 503"):
            await paced.latencies(url, {}, 100, 0.02)


def test_overload_tells_shed_from_served_from_anything_else() -> None:
    under = [Shot(0, 0.1, 200, b""), Shot(0, 0.002, 503, HEAD), Shot(0, 0.5, 503, b""), Shot(0, 1, 500, b"")]
    after = [Shot(0, 0.4, 200, b""), Shot(0.5, 0.01, 503, HEAD), Shot(1, 0.01, 200, b"")]

    found = overload.figures(under, after)

    assert found == {
        "shed_share": 0.25,
        "shed_p99_ms": 2,
        "shed_served_p99_ms": 100,
        "shed_otherwise": 0.5,
        "recovered_s": 0.5,
    }


def test_plain_application_is_served_from_what_its_variable_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.contenders import applications  # noqa: PLC0415 - reads the variable when it builds

    plain = Plain(headers=[("age", "0")], body="{}", upstream="http://127.0.0.1:1/", path="/x")
    monkeypatch.setitem(os.environ, applications.VARIABLE, json.encode(plain).decode())
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    asyncio.run(applications.bare()({}, None, send))  # type: ignore[arg-type]

    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"age", b"0")]},
        {"type": "http.response.body", "body": b"{}", "more_body": False},
    ]


def test_profile_counts_the_thread_that_serves_and_nothing_else() -> None:
    stacks = [
        "main (cli.py:3);_spawn_asgi_worker (mp.py:9);edge (application.py:5);send (answers.py:7) 6",
        "main (cli.py:3);_spawn_asgi_lifespan_worker (mp.py:9);edge (application.py:6) 3",
        "main (cli.py:3);_spawn_asgi_worker (mp.py:9) 1",
        "thread (77);wait (pool.py:1) 400",
    ]

    alone, whole = shares(stacks)

    assert alone == {"send (answers.py)": 0.6, "edge (application.py)": 0.3, "loop": 0.1}
    assert whole == {"send (answers.py)": 0.6, "edge (application.py)": 0.9, "loop": 1.0}


def test_second_web_process_is_compared_by_rate_and_by_what_a_request_costs() -> None:
    alone = [Load(2000, 1000.0, 0.0, 900.0)]
    both = [Load(1400, 700.0, 0.0, 1000.0), Load(1600, 800.0, 0.1, 1000.0)]

    found = scaling.figures(alone, both)

    assert found["two_webs_vs_one"] == pytest.approx(1.5)
    assert found["two_webs_vs_one_by_cpu"] == pytest.approx(1.8)
    assert (found["scaling_one_cores"], found["scaling_two_cores"]) == (pytest.approx(0.9), pytest.approx(1.5))
    assert found["scaling_two_failed"] == 0.1
