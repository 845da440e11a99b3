"""What is connected: capabilities and people."""

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.listing import Listing
from openapi.system.psa.v1 import Capabilities, ResourcePage
from system_apis.access import sees_connection
from system_apis.ports import Psa


async def get_capabilities(*, psa: Psa) -> Capabilities:
    """Return what the connection declares."""
    return psa.capabilities


async def list_resources(*, psa: Psa, caller: Caller, cursors: Cursors, limit: int, cursor: str | None) -> ResourcePage:
    """Return the people that the PSA plans with."""
    listing = Listing(cursors, "system/psa/v1:list_resources", caller, connection=psa.connection)
    after = listing.after(cursor)
    if not sees_connection(caller, psa.capabilities):
        return ResourcePage(items=[], next_cursor=None)
    found = await psa.list_resources(after=after, limit=limit)
    return ResourcePage(items=found.items, next_cursor=listing.next_cursor(found.after))
