"""What policies know of an operation: its name, its place, what the contract asks for; never what a body means."""

from typing import Final, Literal

from msgspec import Struct

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Operation(Struct, frozen=True, kw_only=True):
    """One operation at one place: an operation of a system contract is there once for each connection."""

    name: str
    """`<contract>:<operationId>`, as in `process/status/v1:get_project_status`."""
    method: str
    path: str
    """The whole template, mount included: `/system/books/erp/v1/customers/{customer_id}`."""
    connection: str | None = None
    scopes: frozenset[str] = frozenset()
    """All of them are needed; from the contract, never from a policy."""
    further_scopes: frozenset[str] = frozenset()
    """With one of them, it shows or allows more."""
    public: bool = False
    """`x-public: true`: open to strangers, hence without a plan."""
    takes_idempotency_key: bool = False
    max_body_bytes: int = 65_536
    stale_at: tuple[str, ...] = ()
    """Where an answer says of itself that it is out of date, as in `stale` or `items/*/stale`; from the contract."""

    @property
    def place(self) -> str:
        """Return the name, with the connection where there are several such places."""
        return f"{self.name}@{self.connection}" if self.connection else self.name

    @property
    def api(self) -> str:
        """Return the API version at its place: what a write may change, and what a generation belongs to."""
        contract = self.name.partition(":")[0]
        return f"{contract}@{self.connection}" if self.connection else contract

    @property
    def effect(self) -> Literal["read", "write"]:
        """Return the class of the operation, as rows match it."""
        return "read" if self.is_safe else "write"

    @property
    def is_safe(self) -> bool:
        """Tell whether the method only reads (RFC 9110 §9.2.1)."""
        return self.method in SAFE


UNMATCHED: Final = Operation(name="unmatched", method="GET", path="", max_body_bytes=0)
"""Stands for every governed path that is no operation: a stranger learns nothing there either."""
