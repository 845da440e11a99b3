"""What a contract becomes: a mounted API and its operations, as plain data for the edge, the portal and routers."""

from collections.abc import Awaitable, Callable, Mapping
from types import ModuleType
from typing import Literal

from msgspec import Struct

from gateway.contract.document import Document
from gateway.contract.reply import Reply
from gateway.contract.request import Request
from gateway.lifecycle.addresses import base_of
from openapi.common.types import Code

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Endpoint = Callable[[Request], Awaitable[Reply]]

CALLER = "tiebeam.caller"
CORRELATION_ID = "tiebeam.correlation_id"
DECISION_ID = "tiebeam.decision_id_of"
"""A function: most calls are never asked for it."""
RESOURCE_METADATA = "tiebeam.resource_metadata"
"""Keys of `scope["state"]`, which the edge fills in."""


class ContractError(Exception):
    """Contract and module do not fit; the text names every mismatch, and the start ends with it."""


class PerRequest(Struct, frozen=True):
    """A provided value that differs from request to request."""

    make: Callable[[Request], object]


class Mount(Struct, frozen=True, kw_only=True):
    """A contract, the module that serves it, and what its handlers may name besides the contract's parameters."""

    contract: str
    """Its path without `.yaml`: `process/status/v1`."""
    module: ModuleType
    provided: Mapping[str, object] = {}
    """By parameter name; a `PerRequest` is made for each request."""
    connection: str | None = None
    """A system contract is mounted once for each connection."""

    @property
    def base(self) -> str:
        """Return the path that the API is served at."""
        return base_of(self.contract, self.connection)


class Operation(Struct, frozen=True, kw_only=True):
    """One operation as it is served."""

    name: str
    """The one name of policies, audit and spans: `system/erp/v1:create_customer`."""
    operation_id: str
    contract: str
    connection: str | None
    method: Method
    path: str
    """The whole template: `/system/books/erp/v1/customers/{customer_id}`."""
    summary: str
    scopes: tuple[str, ...]
    """All of them are needed."""
    further_scopes: tuple[str, ...] = ()
    """`x-further-scopes`: with one of them, the operation shows or allows more."""
    public: bool
    """Served without a token, since the contract says `x-public: true`."""
    problems: tuple[Code, ...]
    statuses: frozenset[int]
    query: tuple[str, ...]
    """Names of the query parameters, in the contract's order."""
    headers: tuple[str, ...]
    """Names of the header parameters, lower case."""
    max_body: int
    """Bytes; 0 where the operation takes no body."""
    idempotency_key: bool
    """Whether the contract wants `Idempotency-Key`, which is the edge's."""
    stale_at: tuple[str, ...]
    """Where its answer says that it is out of date: `stale`, `items/*/stale`, or nowhere."""
    endpoint: Endpoint


class Api(Struct, frozen=True, kw_only=True):
    """One mounted contract."""

    contract: str
    connection: str | None
    base: str
    document: Document
    operations: tuple[Operation, ...]

    @property
    def title(self) -> str:
        """Return the contract's title."""
        return str(self.document.info["title"])
