"""What an onboarding left in the systems' own books, read past our connectors, and what it should have left."""

import json
import sqlite3
from contextlib import closing
from typing import Any, Final, Protocol

from examples.demo import orders
from examples.demo.books import Tryton
from examples.demo.stage import Ready
from tests.servers_tryton import ANY

Found = dict[str, Any]
Keys = dict[str, str]

NATIVE: Final = "delivery_standard"
"""The sample's template; Tryton copies one of its own in its place, which has three tasks."""
PLAIN: Final = "plain"
"""The same without: the gateway makes its five tasks itself."""
NEVER: Final = (9999, 12, 31)
REDMINE_OPEN, REDMINE_CLOSED = 1, 5


class Delivery(Protocol):
    """The books of a delivery system."""

    def found(self, keys: Keys) -> Found:
        """Return what there is of an onboarding."""

    def wanted(self, template: str, *, active: bool) -> Found:
        """Return what there has to be of one that went well, or was undone."""


class TrytonLedger:
    """The ledger, and the parties beside it."""

    def __init__(self, tryton: Tryton) -> None:
        self._tryton = tryton

    def found(self, keys: Keys) -> Found:
        account = ["note", "like", f"%key: {keys['erp']}%"]
        ledger = self._tryton.find("analytic_account.account", [account, ANY], "state")
        return {"customers": _parties(self._tryton, keys), "ledger": [one["state"] for one in ledger]}

    def wanted(self, _template: str, *, active: bool) -> Found:
        return {"customers": [active], "ledger": ["opened" if active else "closed"]}


class TrytonDelivery:
    """Projects, and their tasks with the first day on which people book time."""

    TASKS: Final = {NATIVE: 3, PLAIN: 5}

    def __init__(self, tryton: Tryton) -> None:
        self._tryton = tryton

    def found(self, keys: Keys) -> Found:
        project = ["comment", "like", f"%key: {keys['psa']}%"]
        roots = self._tryton.find("project.work", [project, ["type", "=", "project"]], "status.name")
        below = ["parent", "child_of", [root["id"] for root in roots], "parent"]
        tasks = self._tryton.find("project.work", [below, ["type", "=", "task"]], "timesheet_start_date")
        days = [task["timesheet_start_date"] for task in tasks]
        return {
            "payers": _parties(self._tryton, keys),
            "delivery": [root["status."]["name"] for root in roots],
            "tasks": [(day["year"], day["month"], day["day"]) for day in days],
        }

    def wanted(self, template: str, *, active: bool) -> Found:
        first = orders.last_month()[0]
        opens_on = (first.year, first.month, first.day)
        return {
            "payers": [True],
            "delivery": ["Open" if active else "Cancelled"],
            "tasks": [opens_on if active else NEVER] * self.TASKS[template],
        }


class RedmineDelivery:
    """Projects, whether they take time, and what stands below them, as Redmine's own database has it."""

    PROJECTS: Final = """
        SELECT p.id, p.status, EXISTS (
            SELECT 1 FROM enabled_modules m WHERE m.project_id = p.id AND m.name = 'time_tracking'
        ) FROM projects p
        JOIN custom_values v ON v.customized_type = 'Project' AND v.customized_id = p.id AND v.value = ?
        JOIN custom_fields f ON f.id = v.custom_field_id AND f.name = 'Tiebeam key'
    """

    def __init__(self, ready: Ready) -> None:
        self._database = f"file:{ready['database']}?mode=ro"

    def found(self, keys: Keys) -> Found:
        projects = self._rows(self.PROJECTS, keys["psa"])
        return {
            "delivery": [(status, bool(takes_time)) for _, status, takes_time in projects],
            "tasks": [self._below("issues", project) for project, *_ in projects],
            "milestones": [self._below("versions", project) for project, *_ in projects],
        }

    def wanted(self, _template: str, *, active: bool) -> Found:
        state = REDMINE_OPEN if active else REDMINE_CLOSED
        return {"delivery": [(state, active)], "tasks": [5], "milestones": [3]}

    def _below(self, table: str, project: int) -> int:
        return int(self._rows(f"SELECT count(*) FROM {table} WHERE project_id = ?", project)[0][0])  # noqa: S608 - ours

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._database, uri=True)) as connection:
            return connection.execute(query, values).fetchall()


class Refusing:
    """A rule of access in Tryton that refuses all writes to a model, while it is switched on."""

    def __init__(self, tryton: Tryton, model: str) -> None:
        self._tryton = tryton
        nothing = json.dumps([["id", "<", 0]])
        rule = {
            "name": "Nobody writes",
            "model": model,
            "global_p": True,
            "default_p": False,
            "rules": [["create", [{"domain": nothing}]]],
            **{f"perm_{what}": what == "delete" for what in ("read", "write", "create", "delete")},
        }
        self._rule = tryton.model("ir.rule.group", "create", [rule])

    def switch(self, *, on: bool) -> None:
        """Refuse, or take writes again."""
        self._tryton.model("ir.rule.group", "write", self._rule, {"perm_write": on})


def _parties(tryton: Tryton, keys: Keys) -> list[bool]:
    return [bool(one["active"]) for one in tryton.find("party.party", [["code", "=", keys["customer"]], ANY], "active")]
