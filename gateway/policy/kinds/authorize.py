"""The kind `authorize`: what a known caller may do here. Which objects they see is decided where objects are read."""

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.policy.kinds.base import Policy
from gateway.policy.operation import Operation
from openapi.common.types import Code


class Authorize(Policy, tag="authorize", frozen=True, kw_only=True):
    """The token carries every scope that the contract names; a portal's token has no access to system APIs."""

    def judge(self, caller: Caller, operation: Operation) -> Refused | None:
        """Return the refusal of a caller who may not use the operation."""
        if caller.is_limited and operation.name.startswith("system/"):
            return Refused(Code.auth_system_api_closed, "Use the process and status APIs.")
        missing = operation.scopes - caller.scopes
        if missing:
            return Refused(Code.auth_scope_missing, f"Ask for the scope {' '.join(sorted(missing))}.")
        return None
