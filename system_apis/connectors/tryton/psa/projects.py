"""Projects of delivery as Tryton's trees of works: found, moved, and what a new one is made from."""

from datetime import date
from typing import Final

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.psa.v1 import ProjectCustomer
from system_apis.connectors.tryton import wire
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.psa import mapping
from system_apis.connectors.tryton.psa.mapping import Tree
from system_apis.connectors.tryton.psa.setup import DeliverySetup
from system_apis.connectors.tryton.records import not_found, record_id, refused
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import Domain, Values, escaped

WORK: Final = "project.work"


class Projects:
    """The works of the connection's companies."""

    def __init__(self, client: TrytonClient, settings: Settings, setup: DeliverySetup) -> None:
        self._client, self._setup = client, setup
        self._here = ["company", "in", sorted(settings.companies.values())]

    async def works(self, domain: Domain, limit: int | None) -> list[wire.Work]:
        """Return the works of a domain, the oldest first."""
        return await self._client.search(WORK, [self._here, *domain], wire.Work, wire.WORK, limit=limit)

    async def roots(self, domain: Domain, limit: int | None) -> list[wire.Work]:
        """Return the projects of a domain, the oldest first."""
        return await self.works([["type", "=", "project"], *domain], limit)

    async def root(self, project_id: str) -> wire.Work:
        """Return a project without its tasks."""
        found = await self.roots([["id", "=", record_id(project_id)]], 1)
        if not found:
            raise not_found()
        return found[0]

    async def trees(self, roots: list[int]) -> list[Tree]:
        """Return the projects with their tasks."""
        if not roots:
            return []
        return mapping.trees(await self.works([["parent", "child_of", roots]], None), roots)

    async def tree(self, project: int) -> Tree:
        """Return a project with its tasks."""
        found = [tree for tree in await self.trees([project]) if tree.root.type == "project"]
        if not found:
            raise not_found()
        return found[0]

    async def put(self, tree: Tree, first_day: date | None, status: str) -> None:
        """Give a project its first day of time, and its status: one transaction, but where somebody set a last day."""
        ended = [work for work in tree.timed if work.timesheet_end_date is not None]
        if ended:  # Both days at once are taken on `timesheet.work` alone, and a last day before the first nowhere.
            works = [each for work in ended for each in work.timesheet_works]
            await self._client.write(
                "timesheet.work", works, {"timesheet_start_date": first_day, "timesheet_end_date": None}
            )
        changes = _days([work for work in tree.timed if work not in ended], first_day)
        if status != tree.root.status.name:
            changes += [[tree.root.id], {"status": await self._setup.status(status)}]
        if changes:
            await self._client.write(WORK, *changes)

    async def template(self, name: str, company: int) -> Tree:
        """Return the template with the name."""
        # By a text `child_of` goes by number or name, in any case: one question for the project and what hangs on it.
        works = await self.works([["company", "=", company], ["parent", "child_of", escaped(name)]], None)
        roots = [work.id for work in works if work.type == "project" and work.name == name]
        if len(roots) != 1:
            detail = f"Tryton has {len(roots) or 'no'} template projects with this name. Have one made, or named so."
            raise refused(Code.template_unknown, "#/native_template", detail)
        (tree,) = mapping.trees(works, roots)
        return tree

    async def party(self, customer: ProjectCustomer, company: int) -> int:
        """Return the customer's party; made where there is none. Its code is unique: of two makers one is refused."""
        found = await self._parties(customer.business_key)
        if found:
            return found[0]
        values = {"code": customer.business_key, "name": customer.name}
        try:
            return await self._client.create("party.party", values, company=company)
        except Refused:
            found = await self._parties(customer.business_key)
            if not found:
                raise
            return found[0]

    async def _parties(self, code: str) -> list[int]:
        return await self._client.ids("party.party", [["code", "=", code], wire.ANY_STATE])


def _days(works: list[wire.Work], first_day: date | None) -> list[list[int] | Values]:
    other = [work.id for work in works if work.timesheet_start_date != first_day]
    return [other, {"timesheet_start_date": first_day}] if other else []
