"""Who calls, and what they may see. Row-level visibility is decided here and nowhere else."""

from typing import Literal, NamedTuple

from msgspec import Struct, json

Claim = frozenset[str] | Literal["*"]


class Client(NamedTuple):
    """Whom calls are counted for: a client id is one of its issuer's, and another issuer's of that name is another."""

    issuer: str
    client_id: str


class Caller(Struct, frozen=True, kw_only=True):
    """A verified identity. A claim is a set of ids, or "*" for all; an empty set lets nothing through."""

    client_id: str
    subject: str
    scopes: frozenset[str]
    legal_entities: Claim
    customers: Claim
    projects: Claim
    issuer: str = ""
    """Who vouches for client and subject: another issuer's of the same names are others. Empty: the installation."""

    @property
    def client(self) -> Client:
        """Return the client, by whoever vouches for it."""
        return Client(self.issuer, self.client_id)

    def has(self, scope: str) -> bool:
        """Tell whether the token carries the scope."""
        return scope in self.scopes

    def may_see(
        self, *, legal_entity: str | None = None, customer: str | None = None, project: str | None = None
    ) -> bool:
        """Tell whether an object with these owners is visible; an owner that is not given is not asked."""
        asked = ((self.legal_entities, legal_entity), (self.customers, customer), (self.projects, project))
        return all(claim == "*" or owner is None or owner in claim for claim, owner in asked)

    @property
    def is_limited(self) -> bool:
        """Tell whether the caller is a portal: limited to customers or projects, hence without system APIs."""
        return self.customers != "*" or self.projects != "*"

    @property
    def visibility(self) -> str:
        """Return what tells this caller's view from another's: callers of one class are shown the same."""
        return json.encode(self._view()).decode()  # JSON, so that no two views collide.

    @property
    def partition(self) -> str:
        """Return what tells this caller from every other, and from itself with other rights."""
        return json.encode([self.issuer, self.client_id, self.subject, *self._view()]).decode()

    def _view(self) -> list[object]:
        claims = (self.scopes, self.legal_entities, self.customers, self.projects)
        return [claim if claim == "*" else sorted(claim) for claim in claims]


INSTALLATION = Caller(
    client_id="tiebeam",
    subject="tiebeam",
    scopes=frozenset(),
    legal_entities="*",
    customers="*",
    projects="*",
)
"""The installation itself: workflows act as it; the caller's rights were checked when the process was asked for."""
