"""Handlers of `openapi/system/psa/v1.yaml`, the same for every vendor: capability, caller, guarded write.

They stand by topic in the modules beside this one; the binder looks for them here.
"""

from system_apis.psa.billing import find_billing_notes, get_hold_flag, set_hold_flag, write_billing_note
from system_apis.psa.connection import get_capabilities, list_resources
from system_apis.psa.project_parts import create_milestone, create_task, list_milestones, list_tasks
from system_apis.psa.projects import (
    cancel_project,
    close_project,
    create_project,
    get_project,
    open_project,
    search_projects,
)
from system_apis.psa.time import get_time_entry, list_time_entries, list_time_totals
from system_apis.psa.time_feedback import find_time_feedback, write_time_feedback

__all__ = [
    "cancel_project",
    "close_project",
    "create_milestone",
    "create_project",
    "create_task",
    "find_billing_notes",
    "find_time_feedback",
    "get_capabilities",
    "get_hold_flag",
    "get_project",
    "get_time_entry",
    "list_milestones",
    "list_resources",
    "list_tasks",
    "list_time_entries",
    "list_time_totals",
    "open_project",
    "search_projects",
    "set_hold_flag",
    "write_billing_note",
    "write_time_feedback",
]
