"""Keeping an entry that breaks what looks at it from stopping the others of its batch, and so all time of its PSA."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import ApiError
from gateway.store.database import Store
from gateway.store.work_items import NewItem
from openapi.common.types import Code
from openapi.system.psa.v1 import TimeEntry as Theirs
from process_apis.time_transfer.asking import STEP, cut_off, trace_key
from process_apis.time_transfer.histories import lock_entries
from process_apis.time_transfer.looking_up import Around
from process_apis.time_transfer.order import TransferOrder

T = TypeVar("T")
OF_THE_ENTRY: Final = (IntegrityError, DataError)
"""What a database says of what it is given; all else that it says is its own trouble, and comes again."""
DETAIL: Final = "The entry broke what looks at it; the log says how. It is left out until it is looked at anew."

_log = logging.getLogger(__name__)


async def one_by_one(
    connection: AsyncConnection, decide: Callable[[Sequence[str]], Awaitable[T]], psa: str, ids: Sequence[str]
) -> tuple[list[T], list[str]]:
    """Return what was decided of all entries at once; where one breaks, of each by itself, and which ones break."""
    whole = await _tried(connection, decide, ids)
    if whole is not None:
        return [whole], []
    await lock_entries(connection, psa, ids)  # All of them, in the order that everybody takes.
    decided, broken = [], []
    for one in ids:
        mine = await _tried(connection, decide, [one])
        if mine is None:
            broken.append(one)
        else:
            decided.append(mine)
    return decided, broken


async def _tried(
    connection: AsyncConnection, decide: Callable[[Sequence[str]], Awaitable[T]], ids: Sequence[str]
) -> T | None:
    """Return what was decided, or None where that broke: then nothing of it is written."""
    try:
        async with connection.begin_nested():
            return await decide(ids)
    except ApiError:
        raise
    except Exception as error:
        if isinstance(error, SQLAlchemyError) and not isinstance(error, OF_THE_ENTRY):
            raise
        _log.exception("Looking at %d entries broke, among them %s.", len(ids), ids[0])
        return None


def item_of_broken(
    store: Store, around: Around, order: TransferOrder, external_id: str, theirs: Theirs | None
) -> NewItem:
    """Return what is asked about an entry of which nothing could be written."""
    now = store.now()
    day = theirs.work_date if theirs else now.date()
    return NewItem(
        step=STEP,
        trace_key=trace_key(order.connection, external_id),
        code=Code.internal,
        detail=DETAIL,
        facts={"connection": order.connection, "entry_id": external_id, "violations": []},
        deadline=cut_off(day, now, around.entities.get(order.legal_entity)),
        legal_entity=order.legal_entity,
    )
