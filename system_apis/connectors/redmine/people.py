"""People in Redmine: all of them, the one with an address, and who leads a project."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.psa.v1 import Resource
from system_apis.connectors.redmine import mapping
from system_apis.connectors.redmine.client import RedmineClient
from system_apis.ports import Found

ANY_STATUS: Final = ""
"""Left out, it would stand for the active ones."""


class People:
    """The people of one Redmine. It lists them by status, and only so tells who is active."""

    def __init__(self, client: RedmineClient, manager_role: str) -> None:
        self._client, self._manager_role = client, manager_role

    async def page(self, after: str | None, limit: int) -> Found[Resource]:
        """Return a page of everybody, the active first."""
        people: list[Resource] = []
        statuses, offset = _place_of(after)
        while statuses and len(people) < limit:
            page = await self._client.users(status=statuses[0], offset=offset, limit=limit - len(people))
            people += [mapping.to_resource(user, statuses[0]) for user in page.users]
            offset += len(page.users)
            if offset >= page.total_count or not page.users:
                statuses, offset = statuses[1:], 0
        return Found(items=people, after=f"{statuses[0]}:{offset}" if statuses else None)

    async def find(self, email: str) -> Resource | None:
        """Return the person with the address, active or not."""
        for status in mapping.USER_STATES:
            # Redmine looks for it as a part of names and further addresses too.
            users = (await self._client.users(status=status, name=email)).users
            found = [user for user in users if (user.mail or "").casefold() == email.casefold()]
            if found:
                return mapping.to_resource(found[0], status)
        return None

    async def addresses(self, numbers: AbstractSet[int]) -> Mapping[int, str]:
        """Return the e-mail addresses of people, by their numbers; whoever has none, or is gone, is left out."""
        found: dict[int, str] = {}
        offset, total = 0, 1
        while offset < total and not numbers <= found.keys():
            page = await self._client.users(status=ANY_STATUS, offset=offset)
            found |= {user.id: user.mail for user in page.users if user.mail}
            offset, total = offset + max(len(page.users), 1), page.total_count
        return found

    async def manager_of(self, project_id: int) -> int | None:
        """Return who has led the project for longest; Redmine does not keep a role to one person."""
        offset, total = 0, 1
        while offset < total:
            page = await self._client.memberships(project_id, offset=offset)
            for member in page.memberships:
                if member.user and any(role.name == self._manager_role for role in member.roles):
                    return member.user.id
            offset, total = offset + max(len(page.memberships), 1), page.total_count
        return None


def _place_of(after: str | None) -> tuple[list[int], int]:
    """Return which statuses are still to be listed, and where in the first of them."""
    statuses = list(mapping.USER_STATES)
    if after is None:
        return statuses, 0
    status, _, offset = after.partition(":")
    if not (status.isdecimal() and int(status) in statuses and offset.isdecimal()):
        raise Refused(Code.request_cursor_invalid, "The cursor is of another list. Start again without `cursor`.")
    return statuses[statuses.index(int(status)) :], int(offset)
