"""Time of one delivery database: what has changed, entries by id, sums. Read only."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final

from openapi.system.psa.v1 import ApprovalState, TimeEntry, TimeTotal
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.psa import time_mapping as mapping
from system_apis.connectors.tryton.psa import wire
from system_apis.connectors.tryton.psa.time_mapping import Whereabouts
from system_apis.connectors.tryton.records import record_ids
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import Domain
from system_apis.ports import Found

LINE: Final = "timesheet.line"
BY_CHANGE: Final = [["last_modified_at", "ASC"], ["id", "ASC"]]
TAGGED: Final = ["description", "like", f"{mapping.TAG}%"]
KEPT: Final = (None, ApprovalState.open, ApprovalState.approved)
"""What can be asked for; the other states are none of Tryton's."""
BATCH: Final = 1000


class Timesheets:
    """The time on the projects of the connection's companies."""

    def __init__(self, client: TrytonClient, settings: Settings) -> None:
        self._client, self._settings = client, settings
        self._here = ["company", "in", sorted(settings.companies.values())]

    async def changed(
        self, since: datetime, approval: ApprovalState | None, after: str | None, limit: int
    ) -> Found[TimeEntry]:
        """Return a page of what was written since, in the order in which it was."""
        if approval not in KEPT:
            return Found(items=[])
        domain: Domain = [self._here, ["last_modified_at", ">=", since], *_behind(after)]
        if approval is ApprovalState.approved:
            domain.append(TAGGED)
        lines = await self._client.search(LINE, domain, wire.Line, wire.LINE, limit=limit + 1, order=BY_CHANGE)
        entries = [self._to_entry(*pair) for pair in await self._placed(lines[:limit])]
        wanted = [entry for entry in entries if approval in {None, entry.approval.state}]
        return Found(items=wanted, after=mapping.place_of(lines[limit - 1]) if lines[limit:] else None)

    async def entries(self, entry_ids: Sequence[str]) -> Mapping[str, TimeEntry]:
        """Return those of the entries that there are, by id."""
        domain = [self._here, ["id", "in", record_ids(entry_ids)]]
        lines = await self._client.search(LINE, domain, wire.Line, wire.LINE)
        return {str(line.id): self._to_entry(line, where) for line, where in await self._placed(lines)}

    async def ids(self, entry_ids: Sequence[str]) -> list[int]:
        """Return the ids of those of the entries that there are."""
        return await self._client.ids(LINE, [self._here, ["id", "in", record_ids(entry_ids)]])

    async def totals(self, first: date, last: date) -> list[TimeTotal]:
        """Return the sums of approved time, a row for each project and day."""
        lines: list[wire.Line] = []
        window = [self._here, TAGGED, ["date", ">=", first], ["date", "<=", last]]
        while True:
            rest = [["id", ">", lines[-1].id]] if lines else []
            found = await self._client.search(LINE, [*window, *rest], wire.Line, wire.LINE, limit=BATCH)
            lines += found
            if len(found) < BATCH:
                break
        approved = [line for line in lines if mapping.approval_of(line).state is ApprovalState.approved]
        return mapping.to_totals(await self._placed(approved))

    async def _placed(self, lines: Sequence[wire.Line]) -> list[tuple[wire.Line, Whereabouts]]:
        """Return the lines that are on projects, each with where it is; one call for all of them."""
        origins = {origin for line in lines if (origin := mapping.origin_of(line)) is not None}
        if not origins:
            return []
        above = [["parent", "parent_of", sorted(origins)]]  # The works themselves, and all that they stand below.
        found = await self._client.search("project.work", above, wire.Place, wire.PLACE)
        places = {place.id: place for place in found}
        placed = [(line, mapping.whereabouts(places, mapping.origin_of(line) or 0)) for line in lines]
        return [(line, where) for line, where in placed if where is not None]

    def _to_entry(self, line: wire.Line, where: Whereabouts) -> TimeEntry:
        return mapping.to_entry(line, where, self._settings)


def _behind(after: str | None) -> Domain:
    """Return the clause of the page after a line, by when it was written and, of those written at once, by id."""
    if after is None:
        return []
    moment, line = mapping.place_behind(after)
    same = [["last_modified_at", "=", moment], ["id", ">", line]]
    return [["OR", ["last_modified_at", ">", moment], same]]
