"""What delivery has to have before the gateway works with it."""

from functools import partial
from typing import Final

from openapi.system.psa.v1 import Capabilities
from system_apis.connectors.tryton import examination, wire
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import NEVER
from system_apis.ports import Finding

RIGHTS: Final = {
    "project.work": ("read", "write", "create"),
    "timesheet.work": ("read", "write", "create"),
    "party.party": ("read", "create"),
    "company.employee": ("read",),
}
GROUPS: Final = ("Project Administration", "Timesheet Administration", "Party Administration")


async def examine(client: TrytonClient, settings: Settings, capabilities: Capabilities) -> list[Finding]:
    """Return a finding for each thing that delivery needs."""
    return [
        examination.environment(settings, capabilities.environment),
        *await examination.examined(
            {
                "server": partial(examination.server, client),
                "companies": partial(examination.companies, client, settings),
                "rights": partial(examination.rights, client, RIGHTS, GROUPS),
                "statuses": partial(_statuses, client, settings),
                "templates": partial(_templates, client, settings),
                "people": partial(_people, client, settings),
            }
        ),
    ]


async def _statuses(client: TrytonClient, settings: Settings) -> Finding:
    wanted = [settings.status_open, settings.status_cancelled]
    statuses = await client.search("project.work.status", [["types", "in", "project"]], wire.Named, ["name"])
    lacks = [name for name in wanted if name not in {status.name for status in statuses}]
    mend = "Make these statuses for projects in Tryton, or correct `status_open` and `status_cancelled`."
    return examination.found("statuses", f"{', '.join(wanted)} are there.", lacks=lacks, mend=mend)


async def _templates(client: TrytonClient, settings: Settings) -> Finding:
    lacks = []
    for name in settings.templates:
        roots = await client.ids("project.work", [["type", "=", "project"], ["name", "=", name]])
        domain = [["parent", "child_of", roots], ["type", "=", "task"]]
        tasks = await client.search("project.work", domain, wire.Work, wire.WORK) if roots else []
        if not any(task.timesheet_works for task in tasks):
            lacks.append(f"{name}, with tasks that are available on timesheets")
        elif any(task.timesheet_works and task.timesheet_start_date != NEVER for task in tasks):
            lacks.append(f"9999-12-31 as the first day of time of each task of {name}")
    detail = f"{', '.join(settings.templates) or 'None named'}: projects that are copied, closed for time."
    mend = "Set the template projects up in Tryton as the connector's README says, or correct `templates`."
    return examination.found("templates", detail, lacks=lacks, mend=mend)


async def _people(client: TrytonClient, settings: Settings) -> Finding:
    domain = [["company", "in", sorted(settings.companies.values())]]
    employees = await client.search("company.employee", domain, wire.Employee, wire.EMPLOYEE, limit=100)
    reachable = [employee for employee in employees if employee.party.email]
    lacks = [] if reachable else ["an employee with an e-mail address"]
    mend = "Enter the employees' e-mail addresses on their parties in Tryton: managers are found by them."
    return examination.found("people", f"{len(reachable)} employees have an address.", lacks=lacks, mend=mend)
