"""What is there already, as the guard asks it before a write: the same for handlers and for processes."""

from collections.abc import Mapping, Sequence

from msgspec import UNSET

from openapi.system.erp.v1 import BillableTransaction, TransactionState
from openapi.system.psa.v1 import NewEntryFeedback, TimeFeedback
from system_apis.ports import Erp, Psa


async def posted_transactions(erp: Erp, keys: Sequence[str]) -> Mapping[str, BillableTransaction]:
    """Return what of the keys is in the books; a draft is not there yet, and the post finishes it."""
    found = await erp.find_billable_transactions(keys)
    return {key: one for key, one in found.items() if one.state is TransactionState.posted}


async def feedback_shown(
    psa: Psa, wanted: Mapping[str, NewEntryFeedback], entry_ids: Sequence[str]
) -> Mapping[str, TimeFeedback]:
    """Return those of the time entries that show already what they are to show."""
    found = await psa.find_time_feedback(entry_ids)
    return {entry_id: one for entry_id, one in found.items() if shows(one, wanted[entry_id])}


def shows(found: TimeFeedback, wanted: NewEntryFeedback) -> bool:
    """Tell whether it is the word that is wanted; what is left out is to be absent, since a new word replaces all."""
    pairs = ((getattr(wanted, name), getattr(found, name)) for name in ("state", "reference", "amount", "reason"))
    return all((None if asked is UNSET else asked) == shown for asked, shown in pairs)
