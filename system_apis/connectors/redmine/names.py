"""What people named in Redmine, as ids: asked for at the first use, remembered."""

from collections.abc import Mapping
from typing import TypeVar

from gateway.errors import Refused, Unavailable
from openapi.common.types import Code
from system_apis.connectors.redmine import mapping, wire
from system_apis.connectors.redmine.client import RedmineClient

R = TypeVar("R", wire.Project, wire.Issue, wire.Version)


class Names:
    """The ids of one Redmine. Only what was found is remembered, so that what somebody mends is seen at once.

    What is missing is `Unavailable`: nothing was sent, and once it is mended the same call succeeds.
    """

    def __init__(self, client: RedmineClient) -> None:
        self._client = client
        self._fields: dict[str, Mapping[str, int]] = {}
        self._roles: dict[str, int] = {}
        self._trackers: dict[str, int] = {}

    async def fields(self, of: str) -> Mapping[str, int]:
        """Return the ids of all our custom fields of projects, issues, versions or time, by name."""
        if of not in self._fields:
            there = {
                field.name: field.id for field in await self._client.custom_fields() if field.customized_type == of
            }
            self._fields[of] = {
                name: _id(there, name, f"custom field of {mapping.PLURALS[of]}") for name in mapping.FIELDS[of]
            }
        return self._fields[of]

    async def key_field(self, of: str) -> int:
        """Return the id of the custom field with the business key."""
        return (await self.fields(of))[mapping.KEY]

    async def role(self, name: str) -> int:
        """Return the id of a role."""
        if name not in self._roles:
            self._roles[name] = _id(_by_name(await self._client.roles()), name, "role")
        return self._roles[name]

    async def tracker(self, name: str) -> int:
        """Return the id of a tracker; Redmine takes its first one for an id that it does not know."""
        if name not in self._trackers:
            self._trackers[name] = _id(_by_name(await self._client.trackers()), name, "tracker")
        return self._trackers[name]

    def forget(self) -> None:
        """Ask for the ids of custom fields anew."""
        self._fields.clear()

    def checked(self, row: R, business_key: str) -> R:
        """Return what was made. Redmine passes over custom fields that it does not know there, and makes the rest."""
        if mapping.key_of(row) == business_key:
            return row
        self.forget()  # Somebody may have made the field anew.
        detail = (
            f"Redmine made {row.id} without its key. Open {mapping.KEY!r} to all projects, then see to what was made."
        )
        raise Refused(Code.upstream_conflict_stale, detail)


def _by_name(rows: list[wire.Named]) -> dict[str, int]:
    return {row.name: row.id for row in rows}


def _id(there: Mapping[str, int], name: str, what: str) -> int:
    if name not in there:
        detail = f"Redmine has no {what} called {name!r}. Make one; `tiebeam check --connections` names all that lack."
        raise Unavailable(Code.upstream_contract_violation, detail)
    return there[name]
