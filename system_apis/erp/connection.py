"""What is connected: capabilities and legal entities."""

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.listing import Listing
from openapi.system.erp.v1 import Capabilities, LegalEntityPage
from system_apis.ports import Erp


async def get_capabilities(*, erp: Erp) -> Capabilities:
    """Return what the connection declares."""
    return erp.capabilities


async def list_legal_entities(
    *, erp: Erp, caller: Caller, cursors: Cursors, limit: int, cursor: str | None
) -> LegalEntityPage:
    """Return the entities that the caller may see; there are few, so they are paged here."""
    listing = Listing(cursors, "system/erp/v1:list_legal_entities", caller, connection=erp.connection)
    after = listing.after(cursor) or ""
    entities = sorted(await erp.list_legal_entities(), key=lambda entity: entity.code)
    rest = [entity for entity in entities if entity.code > after and caller.may_see(legal_entity=entity.code)]
    page = rest[:limit]
    return LegalEntityPage(items=page, next_cursor=listing.next_cursor(page[-1].code if rest[limit:] else None))
