"""The only writer of refusals and failures: RFC 9457, in the catalogue's words; no vendor's text, secret or stack."""

import logging
import traceback
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Annotated
from uuid import uuid4

import msgspec
from msgspec import UNSET, Meta, Struct

from gateway.errors import ApiError, Uncertain
from gateway.yaml_text import loaded
from openapi.common.types import Code, Outcome, OwnerQueue, Problem

MEDIA_TYPE = "application/problem+json"
REALM = "tiebeam"
RETRY_AFTER_S = 5  # Where nobody knows better: long enough for a restart, short enough for a waiting person.
WAITING = frozenset({429, 503})
"""Statuses that always say when to come back."""

_log = logging.getLogger(__name__)


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `openapi/problems.yaml`, which explains the fields."""

    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    caller: str
    retryable: bool = False
    outcome: Outcome = Outcome.none
    owner: OwnerQueue | None = None
    type: str | None = None


class Context(Struct, frozen=True, kw_only=True):
    """What a problem says of the call that it answers."""

    correlation_id: str
    decision_id: str | None = None
    """The occurrence: the id of the edge's audit row; a fresh one where there is none."""
    scopes: tuple[str, ...] = ()
    """What the operation asks for, for the challenge of a 403."""
    resource_metadata: str | None = None
    """Where a client reads how it gets a token (RFC 9728), for every challenge."""


Rendered = tuple[int, list[tuple[str, str]], bytes]
"""Status, header fields, body."""


@cache
def catalogue() -> dict[Code, Entry]:
    """Return every code's entry, in the order of `openapi/problems.yaml`."""
    raw = loaded(files("openapi").joinpath("problems.yaml").read_text("utf-8"))
    return msgspec.convert(raw, dict[Code, Entry])


def render(error: BaseException, context: Context) -> Rendered:
    """Return the answer that tells the caller; what was not raised on purpose is logged and answered as `internal`."""
    if not isinstance(error, ApiError):
        _log.error("%s [correlation_id=%s]", "\n".join(_stack(error)), context.correlation_id)
        error = ApiError(Code.internal, "Report the correlation id; nothing more is known here.")
    entry = catalogue()[error.code]
    headers = [
        ("content-type", MEDIA_TYPE),
        ("cache-control", "no-store"),
        *_retry_after(error, entry),
        *_challenge(error.code, context),
        *_accepted(error.code),
    ]
    return entry.status, headers, msgspec.json.encode(_problem(error, entry, context))


def _problem(error: ApiError, entry: Entry, context: Context) -> Problem:
    return Problem(
        type=entry.type or f"/problems/{error.code}",
        title=entry.title,
        status=entry.status,
        detail=error.detail,
        instance=f"urn:tiebeam:decision:{context.decision_id or uuid4()}",
        code=error.code,
        retryable=entry.retryable,
        outcome=Outcome.uncertain if isinstance(error, Uncertain) else entry.outcome,
        correlation_id=context.correlation_id,
        process_id=error.process_id or UNSET,
        owner_queue=entry.owner or UNSET,
        errors=list(error.violations) or UNSET,
        candidates=list(error.candidates) or UNSET,
        violated_policies=list(error.violated_policies) or UNSET,
    )


def _retry_after(error: ApiError, entry: Entry) -> Iterable[tuple[str, str]]:
    if error.retry_after_s is not None:
        yield "retry-after", str(max(0, error.retry_after_s))
    elif entry.retryable or entry.status in WAITING:
        yield "retry-after", str(RETRY_AFTER_S)


def _challenge(code: Code, context: Context) -> Iterable[tuple[str, str]]:
    """Yield the challenge of RFC 6750 §3: without an error where no token came."""
    told = {
        Code.auth_token_missing: "",
        Code.auth_malformed: ', error="invalid_request"',
        Code.auth_invalid_token: ', error="invalid_token"',
        Code.auth_scope_missing: f', error="insufficient_scope", scope="{" ".join(context.scopes)}"',
    }
    if code in told:
        where = f', resource_metadata="{context.resource_metadata}"' if context.resource_metadata else ""
        yield "www-authenticate", f'Bearer realm="{REALM}"{told[code]}{where}'


def _accepted(code: Code) -> Iterable[tuple[str, str]]:
    """Yield what a body may be, to who sent another one (RFC 9110 §12.5.1)."""
    if code is Code.request_media_type:
        yield "accept", "application/json"


def _stack(error: BaseException) -> Iterable[str]:
    """Yield types and places along the chain; messages are left out, since they may hold what nobody should read."""
    seen: BaseException | None = error
    while seen is not None:
        yield f"{type(seen).__module__}.{type(seen).__qualname__}"
        yield from (line.rstrip() for line in traceback.format_tb(seen.__traceback__))
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
