"""Tryton as delivery: `project` and `timesheet`."""
