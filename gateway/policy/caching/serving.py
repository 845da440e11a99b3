"""Answers on their way to a caller: with Age and Cache-Status (RFC 9211), as 304, or marked as stale."""

import math

from gateway.policy.caching.conditions import UNCHANGED, conditional, has_it
from gateway.policy.caching.keeping import OK, is_json, tag_of
from gateway.policy.caching.stored import HIT, TO_CALLERS, Stored
from gateway.policy.call import Answer, Call

OF_THE_CALLER = frozenset({b"cache-control", b"if-modified-since", b"if-none-match", b"pragma", b"range"})
"""What a request says of its caller's own copy; nobody has one of an answer that is fetched for later."""


def found(call: Call, stored: Stored, age_s: float, fresh_s: float) -> Answer:
    """Return the kept answer as a hit."""
    return _repeated(call, stored, age_s, HIT % math.floor(fresh_s - age_s), stale=age_s >= fresh_s)


def forwarded(call: Call, stored: Stored, age_s: float, what: bytes, *, stale: bool) -> Answer:
    """Return the kept answer after something was asked of the framework, for this call or for another."""
    return _repeated(call, stored, age_s, b'"tiebeam"; ' + what, stale=stale)


def passed(call: Call, answer: Answer, what: bytes, view: str) -> Answer:
    """Return what the framework answered just now; others may keep it for themselves, but must ask each time."""
    if answer.status == OK and answer.header(b"etag") is None and is_json(answer):
        answer.add(b"etag", tag_of(view, answer.body))
    if answer.header(b"cache-control") is None:
        answer.add(*TO_CALLERS if answer.status == OK else (b"cache-control", b"no-store"))
    answer.add(b"cache-status", b'"tiebeam"; ' + what)
    return conditional(call, answer) if answer.status == OK else answer


def detached(call: Call) -> Call:
    """Return the same request as one that nobody waits for: its connection may be gone when it is read."""
    headers = [field for field in call.headers if field[0] not in OF_THE_CALLER]
    alone = Call(call.operation, {**call.scope, "headers": headers}, _nothing)
    alone.correlation_id, alone.path, alone.known_caller = call.correlation_id, call.path, call.caller
    alone.generations, alone.looked = call.generations, call.looked
    alone.partition, alone.visibility = call.partition, call.visibility
    return alone


def _repeated(call: Call, stored: Stored, age_s: float, status: bytes, *, stale: bool) -> Answer:
    if stale and call.operation.stale_at:
        answer = conditional(call, stored.marked(call.operation.stale_at))
    elif has_it(call, stored.tag, stored.last_modified):
        answer = Answer(UNCHANGED, stored.unchanged, b"")
    else:
        answer = Answer(OK, stored.fields, stored.body)
    answer.headers += ((b"age", b"%d" % age_s), (b"cache-status", status))
    return answer


async def _nothing(_call: Call) -> bytes:
    return b""
