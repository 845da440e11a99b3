"""Handlers of `openapi/system/erp/v1.yaml`, the same for every vendor: capability, caller, guarded write.

They stand by topic in the modules beside this one; the binder looks for them here.
"""

from system_apis.erp.accounting_projects import (
    activate_accounting_project,
    create_accounting_project,
    deactivate_accounting_project,
    get_accounting_project,
    search_accounting_projects,
)
from system_apis.erp.books import list_items, list_periods, list_tax_codes
from system_apis.erp.connection import get_capabilities, list_legal_entities
from system_apis.erp.customers import create_customer, get_customer, search_customers, update_customer
from system_apis.erp.invoices import (
    cancel_invoice,
    create_invoice,
    find_invoices,
    get_invoice,
    list_payments,
    post_invoice,
)
from system_apis.erp.postings import find_billable_transactions, post_billable_transactions

__all__ = [
    "activate_accounting_project",
    "cancel_invoice",
    "create_accounting_project",
    "create_customer",
    "create_invoice",
    "deactivate_accounting_project",
    "find_billable_transactions",
    "find_invoices",
    "get_accounting_project",
    "get_capabilities",
    "get_customer",
    "get_invoice",
    "list_items",
    "list_legal_entities",
    "list_payments",
    "list_periods",
    "list_tax_codes",
    "post_billable_transactions",
    "post_invoice",
    "search_accounting_projects",
    "search_customers",
    "update_customer",
]
