"""What a status is made of: a kept one is of no use once something of it was written."""

from typing import Final

from gateway.store.business_events import tb_business_event
from gateway.store.cross_references import tb_cross_reference
from gateway.store.processes import tb_process_instance
from gateway.store.work_items import tb_work_item
from process_apis.ledger.customers import tb_customer
from process_apis.ledger.entries import tb_time_entry
from process_apis.ledger.facts import tb_fact
from process_apis.ledger.holds import tb_billing_hold, tb_hold_scope
from process_apis.ledger.projects import tb_project
from process_apis.ledger.requests import tb_invoice_request, tb_invoice_request_fact

API: Final = "process/status/v1"
TABLES: Final = frozenset(
    table.name
    for table in (
        tb_billing_hold,
        tb_business_event,
        tb_cross_reference,
        tb_customer,
        tb_fact,
        tb_hold_scope,
        tb_invoice_request,
        tb_invoice_request_fact,
        tb_process_instance,
        tb_project,
        tb_time_entry,
        tb_work_item,
    )
)
"""Not what the systems said last (`tb_observation`): reading a status writes that, and would end what is kept of it."""
