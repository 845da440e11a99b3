"""The kind `consumer`: a client that is known by name, who answers for it, and what it may do at most."""

from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Literal

from msgspec import Meta
from msgspec.structs import replace

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.policy.kinds.base import Globs, Policy
from gateway.policy.operation import Operation
from openapi.common.types import Code

Tier = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Names = tuple[Annotated[str, Meta(pattern=r"^[^*?\[\]]+$")], ...]
"""Whole names: a glob here would narrow to nothing, and nobody would see why."""


class Consumer(Policy, tag="consumer", frozen=True, kw_only=True):
    """One client, or by a glob all that have no row of their own. The row narrows a token, and never widens it."""

    belongs_to: ClassVar[Literal["operation", "connection", "consumer"]] = "consumer"

    client_id: Annotated[str, Meta(min_length=1, max_length=200)]
    issuers: Annotated[Globs, Meta(min_length=1)] = ("*",)
    """Who may vouch for it, by name or glob. Issuers name clients as they like: name yours where there are several."""
    owner: Annotated[str, Meta(min_length=1)]
    """The team that answers for the client, in words that somebody finds in a hurry."""
    tier: Tier = "standard"
    """What rows match with `tiers`."""
    apis: Annotated[Globs, Meta(min_length=1)] = ("*",)
    """The operations that it may call, by name or glob."""
    scopes: Names | None = None
    """At most these scopes; left out, those of the token."""
    legal_entities: Names | None = None
    """At most these legal entities; left out, those of the token."""

    def unknown_names(self, operations: frozenset[str], issuers: frozenset[str]) -> list[tuple[str, str]]:
        """Return the globs of `apis` that match no operation, and the issuers that are not configured."""
        asked = [("apis", self.apis, operations), ("issuers", self.issuers, issuers)]
        return [
            (field, glob)
            for field, globs, names in asked
            for glob in globs
            if not any(name == glob or fnmatchcase(name, glob) for name in names)
        ]

    def judge(self, caller: Caller, operation: Operation) -> Refused | None:
        """Return the refusal of an API that is not among the consumer's; paths that are no operation are."""
        if not operation.path or any(fnmatchcase(operation.name, glob) for glob in self.apis):
            return None
        return Refused(Code.auth_api_not_allowed, "Ask the gateway's team to open this API for your client.")

    def narrowed(self, caller: Caller) -> Caller:
        """Return the caller with at most the row's scopes and legal entities."""
        scopes, entities = caller.scopes, caller.legal_entities
        if self.scopes is not None:
            scopes = scopes.intersection(self.scopes)
        if self.legal_entities is not None:
            own = frozenset(self.legal_entities)
            entities = own if entities == "*" else entities & own
        return replace(caller, scopes=scopes, legal_entities=entities)
