"""The parameters of lists: which filter, from where. Shared by the handlers of all families."""

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.errors import Refused
from openapi.common.types import Code, Violation


class Listing:
    """One list as one caller filters it: what its cursors are bound to."""

    def __init__(self, cursors: Cursors, operation: str, caller: Caller, **filters: str | None) -> None:
        self._cursors, self._operation, self._caller = cursors, operation, caller
        self._filters = {name: value for name, value in filters.items() if value is not None}

    def after(self, cursor: str | None) -> str | None:
        """Return where the page begins, in the connector's words."""
        return None if cursor is None else self._cursors.open(self._operation, self._caller, self._filters, cursor)

    def next_cursor(self, after: str | None) -> str | None:
        """Return the cursor of the page that follows."""
        return None if after is None else self._cursors.seal(self._operation, self._caller, self._filters, after)


def require_exactly_one(**given: str | None) -> None:
    """Return where exactly one of the query parameters was given."""
    if sum(value is not None for value in given.values()) != 1:
        detail = f"Give exactly one of {', '.join(given)}."
        violations = (
            Violation(code=Code.request_parameter_invalid, pointer=f"#query/{name}", detail=detail) for name in given
        )
        raise Refused(Code.request_malformed, detail, *violations)
