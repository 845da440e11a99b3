"""What every kind is: a struct whose fields are the schema, and hooks that say what it does to a call.

A kind overrides what it needs. What hangs on the caller and the operation alone (`judge`, `drawn`, `held`) is pure and
asked once for both; `find` answers at once and without waiting; `apply` stands around the rest of the plan.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct, to_builtins

from gateway.caller import Caller
from gateway.counters import Counters, Limit, Places
from gateway.counters.memory import MemoryCounters
from gateway.errors import Refused
from gateway.identity import Verifier
from gateway.lifecycle import Known
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.operation import Operation
from gateway.policy.responses import Responses
from gateway.store.audit import Auditor
from gateway.store.database import Clock
from gateway.store.idempotency_records import IdempotencyRecords
from gateway.telemetry.metrics import Metrics
from gateway.usage import Usage

Globs = tuple[Annotated[str, Meta(min_length=1)], ...]


class Kit(Struct, frozen=True, kw_only=True):
    """What policies work with; one for each process."""

    verifier: Verifier
    counters: Counters
    alone: MemoryCounters
    """Where this process counts by itself while the shared counters are away."""
    records: IdempotencyRecords
    auditor: Auditor
    responses: Responses
    usage: Usage
    metrics: Metrics
    problem: Callable[[Call, Exception], Answer]
    tell: Callable[..., Awaitable[bool]]
    """Tells every process that topics moved: at once, or as soon as the counters are back."""
    now: Clock
    """By which versions end."""
    known: Known
    """Who has called what before."""
    resource_metadata: Callable[[str], str] | None = None
    """Where the metadata of RFC 9728 lie for a path; challenges name it."""


class Match(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which calls a row is for: names, or globs in which `*` stands for anything. Left out, all of them."""

    operations: Globs = ()
    connections: Globs = ()
    classes: tuple[Literal["read", "write"], ...] = ()
    tiers: Globs = ()
    """Of consumers; such a row stands before every row that asks for none."""
    clients: Globs = ()


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", dict=True):
    """One row."""

    match: Match = Match()

    belongs_to: ClassVar[Literal["operation", "connection", "consumer"]] = "operation"
    """What a row of the kind is planned for."""

    @property
    def kind(self) -> str:
        """Return the kind's name, as rows write it."""
        return str(self.__struct_config__.tag)

    @property
    def slot(self) -> str:
        """Return what only one row can hold in a plan; the most specific one does."""
        return self.kind

    @property
    def before_caller(self) -> bool:
        """Tell whether the row is chosen before anybody knows who calls, hence cannot match tiers or clients."""
        return False

    def concerns(self, operation: Operation) -> bool:
        """Tell whether the kind has something to do for the operation."""
        return True

    def unknown_names(self, operations: frozenset[str], issuers: frozenset[str]) -> list[tuple[str, str]]:
        """Return each field with a name in it that nothing has."""
        return []

    def judge(self, caller: Caller, operation: Operation) -> Refused | None:
        """Return the refusal of this caller here, whatever is asked; None where the call may go on."""
        return None

    def drawn(self, caller: Caller, tier: str, operation: Operation) -> Limit | None:
        """Return the bucket that the call draws on."""
        return None

    def held(self, caller: Caller, tier: str, operation: Operation) -> Places | None:
        """Return the places of which the call holds one while it is under way."""
        return None

    def topics(self, operation: Operation) -> tuple[str, ...]:
        """Return the names whose generations the kind wants to know of."""
        return ()

    def find(self, call: Call, kit: Kit, proceed: Proceed) -> Answer | None:
        """Return an answer that is here already; `proceed` is for who refreshes it meanwhile."""
        return None

    async def apply(self, call: Call, kit: Kit, proceed: Proceed) -> Answer:
        """Return the answer: what the rest of the plan says, or our own."""
        return await proceed(call)

    @classmethod
    def stands_around(cls) -> bool:
        """Tell whether the kind has something to do around the rest of the plan."""
        return cls.apply is not Policy.apply

    @classmethod
    def finds(cls) -> bool:
        """Tell whether the kind may have an answer by itself."""
        return cls.find is not Policy.find


def fields_of(policy: Policy) -> dict[str, Any]:
    """Return the row as it is written, without its match: what `tiebeam plan` and golden files show."""
    row: dict[str, Any] = to_builtins(policy)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in row.items()
        if name != "match" and value not in (None, {})
    }
