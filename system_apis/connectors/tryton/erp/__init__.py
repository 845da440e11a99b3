"""Tryton as a ledger: `account_invoice` and `analytic_account`."""
