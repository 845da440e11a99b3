"""What every kind is: a struct whose fields are the schema, and one method that says what it does to a call."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct, to_builtins

from gateway.counters import Counters
from gateway.identity import Verifier
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.operation import Operation
from gateway.policy.responses import Responses
from gateway.store.audit import Auditor
from gateway.store.idempotency_records import IdempotencyRecords

Globs = tuple[Annotated[str, Meta(min_length=1)], ...]


class Kit(Struct, frozen=True, kw_only=True):
    """What policies work with; one for each process."""

    verifier: Verifier
    counters: Counters
    records: IdempotencyRecords
    auditor: Auditor
    responses: Responses
    problem: Callable[[Call, Exception], Answer]


class Match(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which operations a row is for: names, or globs in which `*` stands for anything. Left out, all of them."""

    operations: Globs = ()
    connections: Globs = ()


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", dict=True):
    """One row."""

    match: Match = Match()

    belongs_to: ClassVar[Literal["operation", "connection"]] = "operation"
    """What a row of the kind is planned for."""

    @property
    def kind(self) -> str:
        """Return the kind's name, as rows write it."""
        return str(self.__struct_config__.tag)

    @property
    def slot(self) -> str:
        """Return what only one row can hold in a plan; the most specific one does."""
        return self.kind

    def concerns(self, operation: Operation) -> bool:  # noqa: ARG002 — kinds that choose say so.
        """Tell whether the kind has something to do for the operation."""
        return True

    def unknown_names(self, operations: frozenset[str], issuers: frozenset[str]) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return each field with a name in it that nothing has."""
        return []

    async def admit(self, call: Call, kit: Kit) -> None:
        """Return when the call may go on; raises Refused or Unavailable."""

    async def apply(self, call: Call, kit: Kit, proceed: Proceed) -> Answer:
        """Return the answer: what the rest of the plan says, or our own."""
        await self.admit(call, kit)
        return await proceed(call)


def fields_of(policy: Policy) -> dict[str, Any]:
    """Return the row as it is written, without its match: what `tiebeam plan` and golden files show."""
    row: dict[str, Any] = to_builtins(policy)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in row.items() if name != "match"}
