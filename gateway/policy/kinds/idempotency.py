"""The kind `idempotency`: how long a creating call's answer is kept for its repetitions."""

from typing import Annotated, Final

from msgspec import Meta

from gateway.idempotency import Request, Terms, fingerprint_of, key_of, once
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.kinds.base import Kit, Policy
from gateway.policy.operation import Operation
from gateway.store.idempotency_records import Kept, RecordKey

REPLAYED: Final = (b"content-type", b"location", b"etag", b"content-language", b"link")
"""The fields that belong to the answer. The others belong to one exchange: dates, quotas, correlation."""
DAY_S: Final = 86_400.0


class Idempotency(Policy, tag="idempotency", frozen=True, kw_only=True):
    """Where the contract takes `Idempotency-Key`: the first answer is kept and replayed, another request is refused."""

    keep_days: Annotated[int, Meta(ge=7, le=365)]
    """Callers are promised seven days."""
    lease_s: Annotated[int, Meta(ge=3, le=300)] = 30
    """How long a key stays taken by a process that died; a living one renews it."""

    def concerns(self, operation: Operation) -> bool:
        """Tell whether the contract takes the key."""
        return operation.takes_idempotency_key

    async def apply(self, call: Call, kit: Kit, proceed: Proceed) -> Answer:
        """Return the answer, kept under its key; or the one that was kept."""
        given: list[Answer] = []

        async def run() -> Kept:
            given.append(await proceed(call))
            return _kept(given[0])

        terms = Terms(keep_s=self.keep_days * DAY_S, lease_s=float(self.lease_s))
        kept, replayed = await once(await _request(call), kit.records, terms, run)
        return _replay(kept) if replayed else given[0]


async def _request(call: Call) -> Request:
    key = RecordKey(
        issuer=call.caller.issuer,
        client_id=call.caller.client_id,
        operation=call.operation.place,
        idempotency_key=key_of(call.all(b"idempotency-key")),
    )
    parts = (call.path.encode(), call.query, await call.body(), call.partition.encode())
    return Request(key=key, fingerprint=fingerprint_of(*parts))


def _kept(answer: Answer) -> Kept:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers if name in REPLAYED]
    return Kept(status=answer.status, headers=tuple(headers), body=answer.body)


def _replay(kept: Kept) -> Answer:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept.headers]
    return Answer(kept.status, [*headers, (b"idempotency-replayed", b"true")], kept.body)
