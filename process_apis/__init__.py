"""Process APIs: rules, order, compensation and money over several systems. They know ports, never vendors."""

from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Final

from gateway.durable import Workflows
from gateway.platform.monitors import Reader
from process_apis.billing_holds import v1 as billing_holds_v1
from process_apis.billing_holds import v2 as billing_holds_v2
from process_apis.billing_holds.workflow import push_hold
from process_apis.invoice_release import monitors as invoice_release_monitors
from process_apis.invoice_release import v1 as invoice_release_v1
from process_apis.invoice_release.approvals import APPROVED
from process_apis.invoice_release.closing import EVENT_TYPES as RELEASE_EVENTS
from process_apis.invoice_release.workflow import release_invoice
from process_apis.ledger.hold_requests import EVENT_TYPES as HOLD_EVENTS
from process_apis.project_onboarding import monitors as project_onboarding_monitors
from process_apis.project_onboarding import v1 as project_onboarding_v1
from process_apis.project_onboarding.steps import ACTIVATED
from process_apis.project_onboarding.workflow import onboard_project
from process_apis.status import v1 as status_v1
from process_apis.time_transfer import monitors as time_transfer_monitors
from process_apis.time_transfer import v1 as time_transfer_v1
from process_apis.time_transfer.settling import POSTED
from process_apis.time_transfer.workflow import recall_time, transfer_time

APIS: Final[Mapping[str, ModuleType]] = MappingProxyType(
    {
        "process/project_onboarding/v1": project_onboarding_v1,
        "process/billing_holds/v1": billing_holds_v1,
        "process/billing_holds/v2": billing_holds_v2,
        "process/invoice_release/v1": invoice_release_v1,
        "process/status/v1": status_v1,
        "process/time_transfer/v1": time_transfer_v1,
    }
)
"""One line a live version: its contract, and the module that serves it."""

WORKFLOWS: Final[Workflows] = MappingProxyType(
    {workflow.kind: workflow for workflow in (onboard_project, push_hold, release_invoice, recall_time, transfer_time)}
)
"""One name a process, whose newest version what was decided is read by."""

EVENT_TYPES: Final = frozenset().union(
    *(workflow.event_types for workflow in WORKFLOWS.values()),
    HOLD_EVENTS,
    RELEASE_EVENTS,
    {ACTIVATED, APPROVED, POSTED},
)
"""What may be told: the store refuses an event of any other type, and each of these has an owner."""

MONITORS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "onboarding_work_items": project_onboarding_monitors.work_items,
        "posting_delay": time_transfer_monitors.posting_delay,
        "time_breaks": time_transfer_monitors.breaks,
        "invoice_failures": invoice_release_monitors.failures,
        "invoice_breaks": invoice_release_monitors.mismatches,
    }
)
"""What is watched of processes, each by one small query."""
