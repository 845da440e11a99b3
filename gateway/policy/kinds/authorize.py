"""The kind `authorize`: what a known caller may do here. Which objects they see is decided where objects are read."""

from gateway.errors import Refused
from gateway.policy.call import Call
from gateway.policy.kinds.base import Kit, Policy
from openapi.common.types import Code


class Authorize(Policy, tag="authorize", frozen=True, kw_only=True):
    """The token carries every scope that the contract names; a portal's token has no access to system APIs."""

    async def admit(self, call: Call, kit: Kit) -> None:  # noqa: ARG002 — the same for every kind.
        """Return when the caller may use the operation; raises Refused."""
        caller, operation = call.caller, call.operation
        if caller.is_limited and operation.name.startswith("system/"):
            raise Refused(Code.auth_system_api_closed, "Use the process and status APIs.")
        missing = operation.scopes - caller.scopes
        if missing:
            raise Refused(Code.auth_scope_missing, f"Ask for the scope {' '.join(sorted(missing))}.")
