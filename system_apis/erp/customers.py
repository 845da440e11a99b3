"""Who is invoiced: customers are found, made, read and changed."""

from functools import partial
from typing import Final

from msgspec import UNSET

from gateway.agreement import agreeing
from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.errors import Refused
from gateway.listing import Listing, require_exactly_one
from gateway.writes import BoundWrites
from openapi.common.types import Code, Violation
from openapi.system.erp.v1 import Customer, CustomerChange, CustomerPage, NewCustomer, SearchCustomer
from system_apis.access import not_there, require, require_entity, sees_connection, there
from system_apis.ports import Erp

NO_CUSTOMERS: Final = "Customers are made in this ERP by hand. Have it made, then look it up."
NO_CHANGES: Final = "Customers are changed in this ERP by hand."


async def search_customers(  # noqa: PLR0913 - the contract's parameters
    *,
    erp: Erp,
    caller: Caller,
    cursors: Cursors,
    tax_id: str | None,
    name: str | None,
    business_key: str | None,
    limit: int,
    cursor: str | None,
) -> CustomerPage:
    """Return the customers found, the oldest first."""
    require_exactly_one(tax_id=tax_id, name=name, business_key=business_key)
    filters = {"connection": erp.connection, "tax_id": tax_id, "name": name, "business_key": business_key}
    listing = Listing(cursors, "system/erp/v1:search_customers", caller, **filters)
    after = listing.after(cursor)
    if not sees_connection(caller, erp.capabilities):
        return CustomerPage(items=[], next_cursor=None)
    if business_key is not None:
        one = await erp.find_customer(business_key)
        return CustomerPage(items=[one] if one else [], next_cursor=None)

    by = SearchCustomer.name if tax_id is None else SearchCustomer.tax_id
    require(capability=by in erp.capabilities.search_customers, advice=f"This ERP cannot search by {by}.")
    found = await erp.search_customers(tax_id=tax_id, name=name, after=after, limit=limit)
    return CustomerPage(items=found.items, next_cursor=listing.next_cursor(found.after))


async def create_customer(*, erp: Erp, writes: BoundWrites, caller: Caller, body: NewCustomer) -> Customer:
    """Return the customer that carries the key, created now or earlier."""
    require(capability=erp.capabilities.create_customers, advice=NO_CUSTOMERS)
    require_entity(caller, erp.capabilities, body.legal_entity)
    return await writes.once(
        operation="create_customer",
        key=body.business_key,
        payload=body,
        look=partial(erp.find_customer, body.business_key),
        act=partial(erp.create_customer, body),
        agree=agreeing(body, "tax_id", "name"),
    )


async def get_customer(*, erp: Erp, caller: Caller, customer_id: str) -> Customer:
    """Return the customer."""
    if not sees_connection(caller, erp.capabilities):
        raise not_there()
    return await there(erp.get_customer(customer_id))


async def update_customer(
    *, erp: Erp, writes: BoundWrites, caller: Caller, customer_id: str, body: CustomerChange, if_match: str
) -> Customer:
    """Return the customer as it is now. One that is already as wanted is answered, whatever the version."""
    asked = [field for field in body.__struct_fields__ if getattr(body, field) is not UNSET]
    if not asked:
        violation = Violation(code=Code.request_body_invalid, pointer="#", detail="Give at least one field.")
        raise Refused(Code.request_malformed, "Say what is to be otherwise.", violation)
    require(capability=erp.capabilities.update_customers, advice=NO_CHANGES)
    await get_customer(erp=erp, caller=caller, customer_id=customer_id)
    differences = agreeing(body, *asked)

    async def look() -> Customer | None:
        customer = await there(erp.get_customer(customer_id))
        return None if differences(customer) else customer

    return await writes.change(
        operation="update_customer",
        object_id=customer_id,
        payload=body,
        look=look,
        act=partial(erp.update_customer, customer_id, body, if_match),
    )
