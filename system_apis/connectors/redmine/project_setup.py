"""How a project comes to be: three calls, any of which may be the last one before a crash.

It is marked as being set up in the call that makes it, and the mark is taken off last. Until then no look finds it; the
next try meets its identifier, knows its own key in it, and goes on from there. After a refusal it waits closed.
"""

from msgspec import UNSET
from msgspec.structs import replace

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.psa.v1 import NewProject, State
from system_apis.connectors.redmine import mapping, wire
from system_apis.connectors.redmine.client import RedmineClient
from system_apis.connectors.redmine.names import Names
from system_apis.connectors.redmine.people import People


class ProjectSetup:
    """Makes the projects of one Redmine."""

    def __init__(self, client: RedmineClient, names: Names, people: People, manager_role: str) -> None:
        self._client, self._names, self._people, self._manager_role = client, names, people, manager_role

    async def make(self, new: NewProject) -> int:
        """Return the id of the project with the key, complete, made now or by earlier tries."""
        manager = await self._manager(new)
        ids = await self._names.fields("project")
        row = await self._begun(new, mapping.from_new_project(new, ids))
        if manager and mapping.is_begun_only(row):
            await self._finish(row.id, manager, mapping.from_values({mapping.STATE: mapping.SETTLED}, ids))
        return row.id

    async def project_with(self, identifier: str) -> wire.Project | None:
        """Return the project with the identifier, if it can be seen."""
        try:
            return await self._client.project(identifier)
        except Refused as error:
            if error.code is not Code.resource_not_found:
                raise
            return None

    async def _manager(self, new: NewProject) -> wire.MembershipFields | None:
        """Return the manager as a member. Looked up before anything is made, so that nothing begins in vain."""
        if new.manager is UNSET:
            return None
        person = await self._people.find(new.manager)
        if person is None or person.state is not State.active:
            detail = "The manager is nobody who is active in Redmine. Name somebody who is, by the address there."
            raise Refused(Code.resource_not_mapped, detail)
        role_id = await self._names.role(self._manager_role)
        return wire.MembershipFields(user_id=int(person.id), role_ids=[role_id])

    async def _begun(self, new: NewProject, fields: wire.ProjectFields) -> wire.Project:
        """Return the project, made now, or by an earlier try that may not have come to its end."""
        try:
            made = await self._client.create_project(fields)
        except Refused as error:
            return await self._met(new, fields, error)
        return self._names.checked(made, new.business_key)

    async def _met(self, new: NewProject, fields: wire.ProjectFields, error: Refused) -> wire.Project:
        """Return the project that has the identifier already, if it is ours, and as it is wanted now."""
        row = await self.project_with(mapping.identifier_of(new.code))
        if row is None:
            raise error
        if mapping.key_of(row) != new.business_key:
            detail = "A project of Redmine has this code, or one that differs in its case only. Take another."
            raise Refused(Code.project_code_collision, detail) from error
        if mapping.is_begun_only(row):  # The payload may have been corrected since.
            if row.status == wire.CLOSED:
                await self._client.reopen("create_project", row.id)
            wanted = replace(fields, identifier=UNSET, enabled_module_names=UNSET)
            await self._client.change_project("create_project", row.id, wanted)
        return row

    async def _finish(self, project_id: int, manager: wire.MembershipFields, settled: list[wire.NewValue]) -> None:
        try:
            await self._join(project_id, manager)
            await self._client.change_project("create_project", project_id, wire.ProjectFields(custom_fields=settled))
        except Refused:
            await self._client.close("create_project", project_id)  # Out of people's way, until the next try.
            raise

    async def _join(self, project_id: int, manager: wire.MembershipFields) -> None:
        try:
            await self._client.add_member(project_id, manager)
        except Refused:
            if await self._people.manager_of(project_id) != manager.user_id:  # An earlier try may have come so far.
                raise
