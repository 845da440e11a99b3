"""Billing holds: placed and lifted under the locks of the ledger, shown in every system that has a flag for them."""
