"""Logs as one JSON object a line, each with what the work belongs to, and without secrets.

A line is written before whoever tells it goes on. Notes alone, which are told often, wait for the end of the event
loop's turn and leave together: who is killed in between loses those of one turn.
"""

import asyncio
import logging
import re
import sys
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO, Final

import msgspec

from gateway.correlation import current_process_id, current_step
from gateway.secret import Secret
from gateway.trace import current_correlation_id, current_trace

HIDDEN: Final = "…"
SECRET_NAME: Final = re.compile(
    r"authorization|cookie|password|passwd|secret|token|api[_-]?key|credential", re.IGNORECASE
)
SCHEME: Final = r"(?i:[a-z][a-z0-9+.-]{0,31})"
"""Of an address. With an end: looked for in 8 kB of letters, which strangers may write, one without it took seconds."""
SECRETS: Final = (
    (re.compile(r"(?i)\b(bearer|basic|digest|session)\s+[A-Za-z0-9._~+/=:-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), HIDDEN),  # A JWT, wherever it comes from.
    (re.compile(rf"({SCHEME}://)[^/\s@]*@"), rf"\1{HIDDEN}@"),
    (re.compile(rf"({SCHEME}://(?:(?!://)[^\s?#\"'])*\?)[^\s#\"']+"), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"(?i)((?:password|passwd|secret|token|api[_-]?key|credential)s?[\"']?\s*[=:]\s*[\"']?)[^\s,;&\"'}]+"
        ),
        rf"\1{HIDDEN}",
    ),
)
"""What must not be read in a log, where somebody wrote it into a text: the last line of defence, not the first."""

SUSPECT: Final = re.compile(r"[=:]|eyJ|(?i:bearer|basic|digest|session)\s").search
"""What every text has that one of SECRETS matches: most have nothing of it, and cost one look instead of five."""
PLAIN: Final = re.compile(r"[\w./-]*").fullmatch
"""What most fields are, names and numbers and paths: of what SUSPECT looks for they can only have the second."""

TOGETHER: Final = 100
"""So many lines do not wait any longer."""

_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)
_BLANK: Final = vars(logging.makeLogRecord({"levelno": logging.INFO, "levelname": "INFO"}))
_OF_EVERY_RECORD: Final = frozenset(_BLANK) | {"message", "asctime", "taskName"}
_BELONGINGS: Final = (
    ("correlation_id", current_correlation_id),
    ("process_id", current_process_id),
    ("step", current_step),
)


class Note(logging.LogRecord):
    """A record that is made often: looks up no thread, process and file, and is not searched for secrets."""

    def __init__(self, name: str, message: str, fields: Mapping[str, object]) -> None:
        self.__dict__.update(_BLANK, name=name, msg=message, created=time.time())
        self.fields = fields


def note(log: logging.Logger, message: str, fields: Mapping[str, object]) -> None:
    """Log a line for information with fields that are as a log may show them: see `shown`."""
    log.handle(Note(log.name, message, fields))


class JsonLines(logging.Handler):
    """Writes each record as one line, in the order in which they are told; what `extra` names becomes a field."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream, self._lines = stream, list[bytes]()
        self._written_by: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, a note with others of this turn."""
        try:
            self._lines.append(line_of(record))
            if not isinstance(record, Note) or len(self._lines) >= TOGETHER or not self._is_written_soon(record):
                self.flush()
        except Exception:  # noqa: BLE001 - as every handler does: nobody fails because a line cannot be written.
            self.handleError(record)

    def flush(self) -> None:
        """Write what waits; logging asks for it too, when the process ends."""
        self.acquire()
        try:
            lines, self._lines, self._written_by = self._lines, [], None
            if lines:
                self._stream.write(b"".join(lines))
                self._stream.flush()
        finally:
            self.release()

    def _is_written_soon(self, record: logging.LogRecord) -> bool:
        """Tell whether a loop runs here that will write what waits; it is asked once a turn."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        if loop is not self._written_by:
            self._written_by = loop
            loop.call_soon(self._write, record)
        return True

    def _write(self, record: logging.LogRecord) -> None:
        try:
            self.flush()
        except Exception:  # noqa: BLE001 - as above.
            self.handleError(record)


def line_of(record: logging.LogRecord) -> bytes:
    """Return the record as a line."""
    line = {
        "time": _time_of(record.created),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.msg if isinstance(record, Note) else redacted(record.getMessage()),
        **belongings(),
        **(record.fields if isinstance(record, Note) else _extra_of(record)),
    }
    return _ENCODER.encode(line) + b"\n"


def _extra_of(record: logging.LogRecord) -> dict[str, object]:
    extra = {name: shown(name, value) for name, value in vars(record).items() if name not in _OF_EVERY_RECORD}
    if record.exc_info and record.exc_info[1]:
        extra["exception"] = redacted("".join(traceback.format_exception(record.exc_info[1])))
    return extra


def _time_of(created: float) -> str:
    seconds = int(created)
    return f"{_second(seconds)}.{int((created - seconds) * 1000):03d}+00:00"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    """Return the date and time; whatever is told within a second has them in common."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def start_logging(level: str, stream: BinaryIO | None = None) -> None:
    """Let every logger of this process write JSON lines to the stream (standard error)."""
    handler = JsonLines(stream or sys.stderr.buffer)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # No line tells of them.
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def belongings() -> dict[str, str]:
    """Return what the work at hand belongs to, as far as it is known."""
    found = {name: value for name, variable in _BELONGINGS if (value := variable.get())}
    if trace := current_trace.get():
        found["trace_id"] = trace.trace_id
    return found


def redacted(text: str) -> str:
    """Return the text without what looks like a secret, a query, or a user in an address."""
    if text.isidentifier() or (PLAIN(text) and "eyJ" not in text) or not SUSPECT(text):
        return text  # A single word has nothing of what the patterns ask for.
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text


@lru_cache(maxsize=1_000)
def is_secret(name: str) -> bool:
    """Tell whether a field of the name is never shown; fields have few names."""
    return SECRET_NAME.search(name) is not None


def shown(name: str, value: object) -> object:
    """Return the value of a field as a log may show it."""
    if is_secret(name):
        return HIDDEN
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, float | int):
        return value
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, dict):
        return {str(key): shown(str(key), inner) for key, inner in value.items()}
    return [shown(name, inner) for inner in value] if isinstance(value, list | tuple | set | frozenset) else value
