"""What the edge tells in `scope["state"]`, and what stands there when it said nothing."""

from uuid import uuid4

from litestar.types import HTTPScope

from gateway.caller import Caller
from gateway.contract.model import CALLER, CORRELATION_ID, DECISION_ID, RESOURCE_METADATA
from gateway.errors import Refused
from gateway.problems import Context
from openapi.common.types import Code


def caller_in(scope: HTTPScope) -> Caller:
    """Return who calls; a call that nobody has authenticated is refused here too."""
    caller = scope["state"].get(CALLER)
    if not isinstance(caller, Caller):
        raise Refused(Code.auth_token_missing, "Send Authorization: Bearer <access token>.")
    return caller


def correlation_id_in(scope: HTTPScope) -> str:
    """Return the correlation id; one that is made up here stays for the rest of the call."""
    return str(scope["state"].setdefault(CORRELATION_ID, str(uuid4())))


def context_in(scope: HTTPScope, scopes: tuple[str, ...] = ()) -> Context:
    """Return what a problem says of the call."""
    decision_id_of = scope["state"].get(DECISION_ID)
    metadata_of = scope["state"].get(RESOURCE_METADATA)
    return Context(
        correlation_id=correlation_id_in(scope),
        decision_id=decision_id_of() if decision_id_of else None,
        scopes=scopes,
        resource_metadata=metadata_of(scope["path"]) if metadata_of else None,
    )
