"""A creating call and its repetitions: one runs, the others come back later, get its answer, or learn that they differ.

The record is bound to the client, the operation and a fingerprint of the request. The fingerprint holds the caller's
view too: a kept answer is never shown to a token that sees something else. Below all this stands the business key,
which meets the same process instance: a call that is repeated after a crash goes on with what the first one began.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import uuid4

from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import Refused, Unavailable
from gateway.store.completed import completed
from gateway.store.idempotency_records import IdempotencyRecords, Kept, Record, RecordKey
from openapi.common.types import Code

log = logging.getLogger(__name__)

KEY: Final = re.compile(rb'"([\x21\x23-\x5b\x5d-\x7e]{8,128})"').fullmatch
"""A string of RFC 9651 without escapes or blanks."""
RETRY_S: Final = 1
AWAY_S: Final = 2
"""When somebody may come again who met no database."""
RENEWALS: Final = 3
"""So often a lease is renewed before it would end: one that fails is made up for."""
RELEASED: Final = frozenset({503})
"""With every 4xx: the answers that say that nothing happened."""


class Request(Struct, frozen=True, kw_only=True):
    """What makes two calls the same."""

    key: RecordKey
    fingerprint: str


class Terms(Struct, frozen=True, kw_only=True):
    """How long an answer is kept, and how soon a key is free after its process has died."""

    keep_s: float
    lease_s: float


def key_of(fields: Sequence[bytes]) -> str:
    """Return the key of the header's fields; raises Refused before anything is looked up."""
    if not fields:
        raise Refused(Code.idempotency_key_missing, 'Send Idempotency-Key: "<a fresh UUID>", in quotes.')
    match = KEY(fields[0].strip(b" \t")) if len(fields) == 1 else None
    if match is None:
        raise Refused(Code.idempotency_key_malformed, "Send one quoted string of 8 to 128 visible ASCII characters.")
    return match[1].decode("ascii")


def fingerprint_of(*parts: bytes) -> str:
    """Return what differs when any part does, wherever the parts are cut."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


async def once(
    request: Request, records: IdempotencyRecords, terms: Terms, run: Callable[[], Awaitable[Kept]]
) -> tuple[Kept, bool]:
    """Return the answer, and whether it was given earlier; raises Refused where another call has the key."""
    holder = uuid4().hex
    try:
        record = await _taken(request, holder, records, terms)
        if record is None:
            return await _carried_out(request.key, holder, records, terms.lease_s, run), False
    except BaseException:  # A caller who hangs up, too: the same request may try again at once.
        await completed(_left(request.key, holder, records))
        raise
    return _earlier(request, record), True


async def _taken(request: Request, holder: str, records: IdempotencyRecords, terms: Terms) -> Record | None:
    taking = records.take(request.key, request.fingerprint, holder, lease_s=terms.lease_s, keep_s=terms.keep_s)
    try:
        return await completed(taking)
    except SQLAlchemyError as error:
        detail = "Nobody can tell just now whether this call was made before. Nothing was done."
        raise Unavailable(Code.idempotency_unavailable, detail, retry_after_s=AWAY_S) from error


async def _left(key: RecordKey, holder: str, records: IdempotencyRecords) -> None:
    try:
        await records.leave(key, holder)
    except SQLAlchemyError:
        log.warning("An idempotency key could not be left; it is free when its lease is over.")


async def _carried_out(
    key: RecordKey, holder: str, records: IdempotencyRecords, lease_s: float, run: Callable[[], Awaitable[Kept]]
) -> Kept:
    renewal = asyncio.create_task(_renew(key, holder, records, lease_s))
    try:
        answer = await run()
        await completed(_settled(key, holder, records, answer))
    finally:
        renewal.cancel()
    return answer


async def _settled(key: RecordKey, holder: str, records: IdempotencyRecords, answer: Kept) -> None:
    """Settle the key as far as it can be: what came of the call is told all the same, and no error in its place."""
    try:
        await _settle(key, holder, records, answer)
    except SQLAlchemyError:
        log.exception("An answer could not be kept: once the lease is over, the same request goes on with its process.")


async def _settle(key: RecordKey, holder: str, records: IdempotencyRecords, answer: Kept) -> None:
    """Keep what is final, free the key where nothing happened, and leave it bound to the request where nobody knows."""
    if answer.status < 400:  # noqa: PLR2004 - a class of statuses
        await records.keep(key, holder, answer)
    elif answer.status < 500 or answer.status in RELEASED:  # noqa: PLR2004 - a class of statuses
        await records.release(key, holder)
    else:
        await records.leave(key, holder)


def _earlier(request: Request, record: Record) -> Kept:
    if record.fingerprint != request.fingerprint:
        detail = "Take a fresh key: this one was used for another request, or by a token that sees something else."
        raise Refused(Code.idempotency_key_reuse_mismatch, detail)
    if record.kept is None:
        detail = "The first call is still under way; send it again unchanged."
        raise Refused(Code.idempotency_in_progress, detail, retry_after_s=RETRY_S)
    return record.kept


async def _renew(key: RecordKey, holder: str, records: IdempotencyRecords, lease_s: float) -> None:
    while True:
        await asyncio.sleep(lease_s / RENEWALS)
        try:
            await records.renew(key, holder, lease_s=lease_s)
        except SQLAlchemyError:
            log.warning("The lease of an idempotency key could not be renewed; it is tried again.")
