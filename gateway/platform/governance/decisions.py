"""What was decided of calls, as the audit has it."""

from datetime import datetime

from msgspec import structs

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.listing import Listing
from gateway.platform.governance.access import require_whole
from gateway.store import audit_entries
from gateway.store.audit_entries import Recorded
from gateway.store.database import Store
from gateway.store.pages import Window
from openapi.common.types import Outcome
from openapi.platform.governance.v1 import Decision, DecisionObject, DecisionPage


async def list_decisions(  # noqa: PLR0913 - the contract's parameters
    *,
    store: Store,
    caller: Caller,
    cursors: Cursors,
    client_id: str | None,
    code: str | None,
    since: datetime | None,
    limit: int,
    cursor: str | None,
) -> DecisionPage:
    """Return the decisions, the newest first."""
    require_whole(caller)
    filters = {"client_id": client_id, "code": code, "since": since.isoformat() if since else None}
    listing = Listing(cursors, "platform/governance/v1:list_decisions", caller, **filters)
    window = Window(after=listing.after(cursor), limit=limit)
    found = await audit_entries.list_entries(store, window, client_id=client_id, code=code, since=since)
    return DecisionPage(items=[_decision(one) for one in found.items], next_cursor=listing.next_cursor(found.after))


async def get_decision(*, store: Store, caller: Caller, decision_id: str) -> Decision:
    """Return the decision that a problem's `instance` names."""
    require_whole(caller)
    return _decision(await audit_entries.get_entry(store, decision_id))


def _decision(recorded: Recorded) -> Decision:
    values = structs.asdict(recorded) | {"object": DecisionObject.decision, "outcome": Outcome(recorded.outcome)}
    return Decision(**{name: values[name] for name in Decision.__struct_fields__})
