"""What delivery has to have before the gateway works with it."""

import json
from functools import partial
from typing import Final

from openapi.system.psa.v1 import Capabilities
from system_apis.connectors.tryton import examination, wire
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.psa.time_mapping import TAG
from system_apis.connectors.tryton.psa.wire import RuleGroup
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import NEVER, Domain
from system_apis.ports import Finding

RIGHTS: Final = {
    "project.work": ("read", "write", "create"),
    "timesheet.work": ("read", "write", "create"),
    "timesheet.line": ("read", "write"),
    "ir.note": ("read", "create"),
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
                "approvals": partial(_approvals, client),
            }
        ),
    ]


async def _statuses(client: TrytonClient, settings: Settings) -> Finding:
    wanted = [settings.status_open, settings.status_cancelled, settings.status_on_hold]
    statuses = await client.search("project.work.status", [["types", "in", "project"]], wire.Named, ["name"])
    lacks = [name for name in wanted if name not in {status.name for status in statuses}]
    mend = (
        "Make these statuses for projects in Tryton, or correct `status_open`, `status_cancelled` and `status_on_hold`."
    )
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


async def _approvals(client: TrytonClient) -> Finding:
    """Return whether a rule for everybody keeps the tag from those who may not approve.

    The gateway's user may approve itself, so that it cannot try the rule; it can read it.
    """
    everywhere: Domain = [[right, "=", True] for right in ("global_p", "perm_write", "perm_create", "perm_delete")]
    domain = [["model", "=", "timesheet.line"], *everywhere]
    groups = await client.search("ir.rule.group", domain, RuleGroup, ["rules.domain"])
    rules = [json.loads(rule.domain) for group in groups for rule in group.rules]
    lacks = [] if any(_keeps_the_tag(rule) for rule in rules) else [f"the rule that keeps the tag {TAG.strip()}"]
    mend = "Make the rule of approvals in Tryton as the how-to says: without it people approve their own time."
    return examination.found("approvals", f"A rule keeps the tag {TAG.strip()}.", lacks=lacks, mend=mend)


def _keeps_the_tag(rule: object) -> bool:
    """Tell whether the clause stands anywhere in a rule, which is a tree of lists and conditions."""
    if rule == ["description", "not like", f"{TAG}%"]:
        return True
    parts = rule.values() if isinstance(rule, dict) else rule if isinstance(rule, list) else ()
    return any(_keeps_the_tag(part) for part in parts)
