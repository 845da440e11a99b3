"""Invoices: drafts are found and made, posted with the version that was compared, or cancelled; payments are read."""

from functools import partial
from typing import Final

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.errors import Refused
from gateway.listing import Listing
from gateway.writes import BoundWrites
from openapi.common.types import Code, Violation
from openapi.system.erp.v1 import Invoice, InvoicePage, InvoiceState, NewInvoice, PaymentPage
from system_apis.access import not_there, require, require_entity, sees_entity, there
from system_apis.erp.agreement import agreeing_invoice
from system_apis.ports import Erp, posting_slot

NO_PAYMENTS: Final = "This ERP does not tell what was paid."
POSTED: Final = frozenset({InvoiceState.posted, InvoiceState.paid})


async def find_invoices(*, erp: Erp, caller: Caller, business_key: str) -> InvoicePage:
    """Return the invoice that carries the key, where the caller may see its entity; a cancelled draft is none."""
    one = await erp.find_invoice(business_key)
    seen = [one] if one and sees_entity(caller, erp.capabilities, one.legal_entity) else []
    return InvoicePage(items=seen, next_cursor=None)


async def create_invoice(*, erp: Erp, writes: BoundWrites, caller: Caller, body: NewInvoice) -> Invoice:
    """Return the invoice that carries the key, a draft where it is made now."""
    require_entity(caller, erp.capabilities, body.legal_entity)
    _refuse_lines(erp, body)
    return await writes.once(
        operation="create_invoice",
        key=body.business_key,
        payload=body,
        look=partial(erp.find_invoice, body.business_key),
        act=partial(erp.create_invoice, body),
        agree=agreeing_invoice(body),
    )


async def get_invoice(*, erp: Erp, caller: Caller, invoice_id: str) -> Invoice:
    """Return the invoice; one of another entity is not there."""
    invoice = await there(erp.get_invoice(invoice_id))
    if not sees_entity(caller, erp.capabilities, invoice.legal_entity):
        raise not_there()
    return invoice


async def post_invoice(*, erp: Erp, writes: BoundWrites, caller: Caller, invoice_id: str, if_match: str) -> Invoice:
    """Return the invoice, posted. One that is posted already is answered, whatever the version."""
    invoice = await get_invoice(erp=erp, caller=caller, invoice_id=invoice_id)
    return await writes.change(
        operation="post_invoice",
        object_id=invoice_id,
        look=partial(_in_state, erp, invoice_id, POSTED),
        act=partial(erp.post_invoice, invoice_id, if_match),
        serial=posting_slot(erp, invoice.legal_entity),
    )


async def cancel_invoice(*, erp: Erp, writes: BoundWrites, caller: Caller, invoice_id: str) -> Invoice:
    """Return the draft, cancelled."""
    await get_invoice(erp=erp, caller=caller, invoice_id=invoice_id)
    return await writes.change(
        operation="cancel_invoice",
        object_id=invoice_id,
        look=partial(_in_state, erp, invoice_id, frozenset({InvoiceState.cancelled})),
        act=partial(erp.cancel_invoice, invoice_id),
    )


async def list_payments(
    *, erp: Erp, caller: Caller, cursors: Cursors, invoice_id: str, limit: int, cursor: str | None
) -> PaymentPage:
    """Return what was paid on the invoice, the earliest first."""
    require(capability=erp.capabilities.payments, advice=NO_PAYMENTS)
    filters = {"connection": erp.connection, "invoice_id": invoice_id}
    listing = Listing(cursors, "system/erp/v1:list_payments", caller, **filters)
    after = listing.after(cursor)
    await get_invoice(erp=erp, caller=caller, invoice_id=invoice_id)
    found = await erp.list_payments(invoice_id, after=after, limit=limit)
    return PaymentPage(items=found.items, next_cursor=listing.next_cursor(found.after))


async def _in_state(erp: Erp, invoice_id: str, states: frozenset[InvoiceState]) -> Invoice | None:
    invoice = await there(erp.get_invoice(invoice_id))
    return invoice if invoice.state in states else None


def _refuse_lines(erp: Erp, new: NewInvoice) -> None:
    """Return where the ERP takes so many lines, and all are in the invoice's currency."""
    most = erp.capabilities.max_invoice_lines
    if len(new.lines) > most:
        detail = f"This ERP takes {most} lines. Release a shorter period."
        violation = Violation(code=Code.invoice_line_limit_exceeded, pointer="#/lines", detail=detail)
        raise Refused(Code.invoice_line_limit_exceeded, detail, violation)
    others = [number for number, line in enumerate(new.lines) if line.net.currency != new.currency]
    if others:
        detail = "Put each currency on an invoice of its own."
        pointers = (f"#/lines/{number}/net/currency" for number in others)
        violations = (Violation(code=Code.currency_mismatch, pointer=pointer, detail=detail) for pointer in pointers)
        raise Refused(Code.currency_mismatch, detail, *violations)
