"""What postings need: accounting periods, items and taxes, as the ERP has them."""

from datetime import date
from typing import Final

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.listing import Listing
from openapi.system.erp.v1 import ItemPage, PeriodPage, TaxCodePage
from system_apis.access import require, require_entity, sees_connection
from system_apis.ports import Erp

NO_ITEMS: Final = "This ERP does not list what can be sold."
ASKED_FOR: Final = "#query/legal_entity"


async def list_periods(
    *, erp: Erp, caller: Caller, cursors: Cursors, legal_entity: str, on: date | None, limit: int, cursor: str | None
) -> PeriodPage:
    """Return the entity's periods, the earliest first."""
    filters = {"connection": erp.connection, "legal_entity": legal_entity, "on": on.isoformat() if on else None}
    listing = Listing(cursors, "system/erp/v1:list_periods", caller, **filters)
    after = listing.after(cursor)
    require_entity(caller, erp.capabilities, legal_entity, ASKED_FOR)
    found = await erp.list_periods(legal_entity, on=on, after=after, limit=limit)
    return PeriodPage(items=found.items, next_cursor=listing.next_cursor(found.after))


async def list_items(
    *, erp: Erp, caller: Caller, cursors: Cursors, code: str | None, limit: int, cursor: str | None
) -> ItemPage:
    """Return what can be sold, the oldest first; it belongs to no single entity."""
    require(capability=erp.capabilities.items, advice=NO_ITEMS)
    listing = Listing(cursors, "system/erp/v1:list_items", caller, connection=erp.connection, code=code)
    after = listing.after(cursor)
    if not sees_connection(caller, erp.capabilities):
        return ItemPage(items=[], next_cursor=None)
    found = await erp.list_items(code=code, after=after, limit=limit)
    return ItemPage(items=found.items, next_cursor=listing.next_cursor(found.after))


async def list_tax_codes(
    *, erp: Erp, caller: Caller, cursors: Cursors, legal_entity: str, limit: int, cursor: str | None
) -> TaxCodePage:
    """Return the taxes that the entity charges, the oldest first."""
    filters = {"connection": erp.connection, "legal_entity": legal_entity}
    listing = Listing(cursors, "system/erp/v1:list_tax_codes", caller, **filters)
    after = listing.after(cursor)
    require_entity(caller, erp.capabilities, legal_entity, ASKED_FOR)
    found = await erp.list_tax_codes(legal_entity, after=after, limit=limit)
    return TaxCodePage(items=found.items, next_cursor=listing.next_cursor(found.after))
