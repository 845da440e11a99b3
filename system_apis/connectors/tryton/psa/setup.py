"""What people have set up in delivery: statuses and employees."""

from functools import partial

from gateway.errors import Refused
from openapi.common.types import Code
from system_apis.connectors.tryton import wire
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.records import one, refused
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import Domain, escaped


class DeliverySetup:
    """The set-up of one database. What a write refers to is known for a while; what a port is asked for is not."""

    def __init__(self, client: TrytonClient, settings: Settings) -> None:
        self._client, self._known = client, client.known
        self._companies = sorted(settings.companies.values())

    async def status(self, name: str) -> int:
        """Return Tryton's status of projects."""
        return await self._known.get("status", name, partial(self._status, name))

    async def _status(self, name: str) -> int:
        found = await self._client.ids("project.work.status", [["name", "=", name], ["types", "in", "project"]])
        if not found:
            raise Refused(Code.mapping_missing, f"Tryton has no status {name} for projects. Have it made there.")
        return found[0]

    async def manager(self, email: str) -> wire.Employee:
        """Return the employee with the address; the days of employment are those of a while ago."""
        return await self._known.get("employee", email, partial(self._manager, email))

    async def _manager(self, email: str) -> wire.Employee:
        employee = await self.employee(email)
        if employee is None:
            raise no_manager()
        return employee

    async def employee(self, email: str) -> wire.Employee | None:
        """Return the employee with the address, asked now, or None."""
        found = await self.employees([["party.contact_mechanisms.value", "ilike", escaped(email)]], None)
        return one([each for each in found if (each.party.email or "").casefold() == email.casefold()])

    async def employees(self, domain: Domain, limit: int | None) -> list[wire.Employee]:
        """Return the employees of our companies, asked now."""
        here = ["company", "in", self._companies]
        return await self._client.search("company.employee", [here, *domain], wire.Employee, wire.EMPLOYEE, limit=limit)


def no_manager() -> Refused:
    """Return the refusal of an address that nobody has who could lead a project."""
    return refused(Code.resource_not_mapped, "#/manager", "No employee who is active in Tryton has this address.")
