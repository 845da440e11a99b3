"""Logs as one JSON object a line, each with what the work belongs to, and without secrets."""

import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TextIO

import msgspec

from gateway.correlation import current_process_id, current_step
from gateway.secret import Secret
from gateway.trace import current_correlation_id, current_trace

HIDDEN: Final = "…"
SECRET_NAME: Final = re.compile(
    r"authorization|cookie|password|passwd|secret|token|api[_-]?key|credential", re.IGNORECASE
)
SECRETS: Final = (
    (re.compile(r"(?i)\b(bearer|basic|digest|session)\s+[A-Za-z0-9._~+/=:-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), HIDDEN),  # A JWT, wherever it comes from.
    (re.compile(r"(?i)([a-z][a-z0-9+.-]*://)[^/\s@]*@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^\s?#\"']*\?)[^\s#\"']+"), rf"\1{HIDDEN}"),
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

_OF_EVERY_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_BELONGINGS: Final = (
    ("correlation_id", current_correlation_id),
    ("process_id", current_process_id),
    ("step", current_step),
)


class JsonLines(logging.Formatter):
    """Writes a record as one line; what `extra` names becomes a field."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
            **belongings(),
        }
        for name, value in vars(record).items():
            if name not in _OF_EVERY_RECORD:
                line[name] = shown(name, value)
        if record.exc_info and record.exc_info[1]:
            line["exception"] = redacted("".join(traceback.format_exception(record.exc_info[1])))
        return msgspec.json.encode(line, enc_hook=str).decode()


def start_logging(level: str, stream: TextIO | None = None) -> None:
    """Let every logger of this process write JSON lines to the stream (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
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
    if (PLAIN(text) and "eyJ" not in text) or not SUSPECT(text):
        return text
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text


@lru_cache(maxsize=1_000)
def is_secret(name: str) -> bool:
    """Tell whether a field of the name is never shown; fields have few names."""
    return SECRET_NAME.search(name) is not None


def shown(name: str, value: object) -> object:
    """Return the value of a field as a log may show it."""
    if is_secret(name) or isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {str(key): shown(str(key), inner) for key, inner in value.items()}
    return [shown(name, inner) for inner in value] if isinstance(value, list | tuple | set | frozenset) else value
