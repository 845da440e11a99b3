"""What a line of the log tells, and what it never does."""

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.correlation import belonging
from gateway.secret import Secret
from gateway.telemetry.logs import TOGETHER, JsonLines, Note, line_of, redacted, start_logging
from gateway.trace import Trace
from tests.egress_world import BOOKS, upstreams
from tests.scripted_server import scripted_server


class Lines(logging.Handler):
    """Keeps lines as the log would have them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(line_of(record).decode())

    @property
    def last(self) -> dict[str, Any]:
        """Return the newest line, read back."""
        line: dict[str, Any] = json.loads(self.lines[-1])
        return line


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel("INFO")
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def test_line_says_what_the_work_belongs_to(lines: Lines) -> None:
    trace = Trace(trace_id="a" * 32, span_id="b" * 16, flags=1)

    with belonging(correlation_id="cor_12345678", trace=trace, process_id="prc_1", step="check_customer"):
        logging.getLogger("tiebeam").info("%d done", 3, extra={"connection": BOOKS})

    time = lines.last.pop("time")
    assert time.endswith("+00:00")
    assert lines.last | {"time": ""} == {
        "time": "",
        "level": "info",
        "logger": "tiebeam",
        "message": "3 done",
        "correlation_id": "cor_12345678",
        "trace_id": "a" * 32,
        "process_id": "prc_1",
        "step": "check_customer",
        "connection": BOOKS,
    }


def test_line_of_work_that_belongs_nowhere_has_no_empty_fields(lines: Lines) -> None:
    logging.getLogger("tiebeam").warning("started")

    assert set(lines.last) == {"time", "level", "logger", "message"}


@pytest.mark.parametrize("hostile", ["a", "a://", "token", "eyJa.", "password=", "bearer ", "a" * 20 + "://"])
def test_text_is_searched_for_secrets_at_once_whatever_strangers_wrote(hostile: str) -> None:
    text = hostile * (16_000 // len(hostile)) + "="
    began = time.process_time()

    redacted(text)

    assert time.process_time() - began < 3  # Some 100 ms; once it was 8 s, and grew with the square of the length.


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer …"),
        ("sent Session YWRtaW46MTphYmM=", "sent Session …"),
        ("got eyJhbGciOi.eyJzdWIi.c2ln here", "got … here"),
        ("at https://user:pw@erp.example/a", "at https://…@erp.example/a"),
        ("GET https://erp.example/a?key=1&name=Alpha HTTP", "GET https://erp.example/a?… HTTP"),
        ('{"password": "hunter2", "id": 1}', '{"password": "…", "id": 1}'),
        ("api_key=abc123&x=1", "api_key=…&x=1"),
        ("nothing to hide: 3 tokens left", "nothing to hide: 3 tokens left"),
    ],
)
def test_text_that_somebody_wrote_a_secret_into_is_redacted(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_fields_that_are_or_name_secrets_are_hidden_at_any_depth(lines: Lines) -> None:
    extra = {
        "api_key": "abc",
        "held": Secret("def"),
        "settings": {"user": "gateway", "password": "ghi", "others": [{"token": "jkl"}, 7]},
        "day": object,
    }

    logging.getLogger("tiebeam").info("connected", extra=extra)

    line = lines.last
    assert (line["api_key"], line["held"]) == ("…", "…")
    assert line["settings"] == {"user": "gateway", "password": "…", "others": [{"token": "…"}, 7]}


def test_exception_is_told_with_its_stack_and_without_its_secrets(lines: Lines) -> None:
    try:
        raise ValueError("Bearer abcdefghijk was refused")  # noqa: TRY301
    except ValueError:
        logging.getLogger("tiebeam").exception("failed")

    assert "test_telemetry_logs.py" in lines.last["exception"]
    assert "ValueError: Bearer … was refused" in lines.last["exception"]


async def test_call_to_a_vendor_is_told_without_values_headers_and_bodies(lines: Lines) -> None:
    async with scripted_server() as server, upstreams() as egress:
        await egress.http(BOOKS).call(
            "POST",
            f"{server.url}/customers?name=hush1&sort=hush1&Bearer%20hush12=1",
            operation="find_customer",
            write=False,
            content=b"hush2",
            headers={"X-Redmine-API-Key": "hush3"},
        )

    told = {name: lines.last[name] for name in ("connection", "operation", "method", "host", "path", "parameters")}
    assert told == {
        "connection": BOOKS,
        "operation": "find_customer",
        "method": "POST",
        "host": "127.0.0.1",
        "path": "/customers",
        "parameters": ["Bearer …", "name", "sort"],
    }
    assert lines.last["outcome"] == "200"
    assert "hush" not in "".join(lines.lines)


def test_started_logging_writes_lines_from_its_level_on() -> None:
    root, stream = logging.getLogger(), io.BytesIO()
    before, level = root.handlers[:], root.level
    root.handlers.clear()  # `force` would close pytest's.
    try:
        start_logging("warning", stream)
        logging.getLogger("tiebeam").info("not told")
        logging.getLogger("tiebeam").warning("told")
    finally:
        root.handlers[:] = before
        root.setLevel(level)

    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["told"]


def test_line_that_cannot_be_written_fails_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(io.BytesIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    JsonLines(Full()).handle(Note("tiebeam", "told", {}))

    assert "No space left on device" in capsys.readouterr().err


class Written(io.BytesIO):
    """Keeps what each write held."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[list[str]] = []

    def write(self, lines: Any) -> int:  # noqa: ANN401 - whatever has bytes.
        self.writes.append([json.loads(line)["message"] for line in bytes(lines).splitlines()])
        return len(lines)


def told(level: str, message: str) -> logging.LogRecord:
    return logging.makeLogRecord({"levelname": level, "msg": message})


async def test_notes_of_one_turn_are_written_together() -> None:
    stream = Written()
    log = JsonLines(stream)

    for message in ("first", "second"):
        log.handle(Note("tiebeam", message, {}))
    before = stream.writes[:]
    await asyncio.sleep(0)
    log.handle(Note("tiebeam", "third", {}))
    await asyncio.sleep(0)

    assert before == []
    assert stream.writes == [["first", "second"], ["third"]]


async def test_any_other_line_takes_the_notes_before_it_along() -> None:
    stream = Written()
    log = JsonLines(stream)

    log.handle(Note("tiebeam", "first", {}))
    log.handle(told("ERROR", "second"))
    await asyncio.sleep(0)

    assert stream.writes == [["first", "second"]]


async def test_notes_do_not_wait_where_there_are_many_or_the_process_ends() -> None:
    stream = Written()
    log = JsonLines(stream)

    for number in range(TOGETHER + 1):
        log.handle(Note("tiebeam", str(number), {}))
    log.flush()  # As `logging.shutdown` does.

    assert [len(lines) for lines in stream.writes] == [TOGETHER, 1]


def test_note_of_a_loop_that_ended_goes_with_the_next_one() -> None:
    stream = Written()
    log = JsonLines(stream)
    ended = asyncio.new_event_loop()
    ended.call_soon(log.handle, Note("tiebeam", "first", {}))
    ended.call_soon(ended.stop)
    ended.run_forever()
    ended.close()

    async def go_on() -> None:
        log.handle(Note("tiebeam", "second", {}))

    asyncio.run(go_on())

    assert stream.writes == [["first", "second"]]


async def test_notes_that_cannot_be_written_fail_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(io.BytesIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    JsonLines(Full()).handle(Note("tiebeam", "told", {}))
    await asyncio.sleep(0)

    assert "No space left on device" in capsys.readouterr().err


def test_line_has_the_moment_to_the_millisecond(lines: Lines) -> None:
    record = logging.makeLogRecord({"created": 1_795_000_000.0625, "msg": "told"})

    lines.handle(record)

    assert lines.last["time"] == "2026-11-18T11:06:40.062+00:00"


def test_note_reads_as_other_records_do_for_other_handlers() -> None:
    wanted = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(filename)s:%(lineno)d %(message)s")

    assert wanted.format(Note("tiebeam", "told", {"connection": BOOKS})).endswith(" INFO tiebeam :0 told")
