"""Time of one Redmine: windows of days, entries by id, sums, and what they are told of their billing."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from gateway.errors import Refused, Unavailable, Uncertain
from openapi.common.types import Code
from openapi.system.psa.v1 import ApprovalState, NewEntryFeedback, TimeEntry, TimeFeedback, TimeTotal
from system_apis.connectors.redmine import mapping, time_mapping
from system_apis.connectors.redmine import time_wire as wire
from system_apis.connectors.redmine.client import PAGE, RedmineClient
from system_apis.connectors.redmine.ids import number_of
from system_apis.connectors.redmine.names import Names
from system_apis.connectors.redmine.people import People
from system_apis.connectors.redmine.settings import Settings
from system_apis.connectors.redmine.time_mapping import Place, Surroundings
from system_apis.ports import Found

AT_ONCE: Final = 4
"""Entries are asked for one by one, so many at a time."""


class Timesheets:
    """The time on the projects that carry a key; that on others is nobody's here."""

    def __init__(self, client: RedmineClient, names: Names, people: People, settings: Settings) -> None:
        self._client, self._names, self._people, self._settings = client, names, people, settings

    async def changed(
        self, since: datetime, approval: ApprovalState | None, after: str | None, limit: int
    ) -> Found[TimeEntry]:
        """Return a page of the time of that day, of the days before it that may still change, and of all later ones."""
        first = since.astimezone(UTC).date() - timedelta(days=self._settings.time_window_days)
        place = time_mapping.place_of(after) if after else Place(day=first, behind=0)
        page = await self._page(place, None, approval, limit)
        entries = await self._entries(page.time_entries)
        wanted = [entry for entry in entries if approval in {None, entry.approval.state}]
        more = page.time_entries and place.behind + len(page.time_entries) < page.total_count
        return Found(items=wanted, after=str(time_mapping.place_behind(place, page.time_entries)) if more else None)

    async def entries(self, numbers: Sequence[int]) -> Mapping[str, TimeEntry]:
        """Return those of the entries that there are, by id."""
        return {entry.id: entry for entry in await self._entries(await self._rows(numbers))}

    async def totals(self, first: date, last: date) -> list[TimeTotal]:
        """Return the sums of approved time, a row for each project and day."""
        rows: list[wire.TimeEntry] = []
        place = Place(day=first, behind=0)
        while True:
            page = await self._page(place, last, ApprovalState.approved, PAGE)
            rows += page.time_entries
            if not page.time_entries or place.behind + len(page.time_entries) >= page.total_count:
                return time_mapping.to_totals(rows)
            place = time_mapping.place_behind(place, page.time_entries)

    async def feedback(self, numbers: Sequence[int]) -> Mapping[str, TimeFeedback]:
        """Return what the entries show of their billing, by id."""
        shown = [time_mapping.to_feedback(row) for row in await self._rows(numbers)]
        return {feedback.entry_id: feedback for feedback in shown if feedback}

    async def write_feedback(self, feedback: Sequence[NewEntryFeedback]) -> Mapping[str, TimeFeedback | Refused]:
        """Change the entries one by one; return what each shows now, or why it cannot."""
        ids = await self._names.fields("time_entry")
        outcomes: dict[str, TimeFeedback | Refused] = {}
        for new in feedback:
            try:
                outcomes[new.entry_id] = await self._told(new, ids)
            except Refused as error:
                outcomes[new.entry_id] = error
            except Unavailable as error:
                if any(isinstance(outcome, TimeFeedback) for outcome in outcomes.values()):
                    detail = "Redmine has changed some of the entries, and cannot be asked for the others."
                    raise Uncertain(Code.upstream_timeout_uncertain, detail) from error
                raise
        await self._checked([outcome for outcome in outcomes.values() if isinstance(outcome, TimeFeedback)])
        return outcomes

    async def _checked(self, told: Sequence[TimeFeedback]) -> None:
        """Look at one of those that were told: custom fields that Redmine does not know it passes over, all alike."""
        for feedback in told[:1]:
            rows = await self._rows([int(feedback.entry_id)])
            if rows and time_mapping.to_feedback(rows[0]) != feedback:
                self._names.forget()  # Somebody may have made the fields anew.
                detail = f"Redmine does not show what it was told. See to the custom field {mapping.FEEDBACK!r}."
                raise Refused(Code.upstream_conflict_stale, detail)

    async def _told(self, new: NewEntryFeedback, ids: Mapping[str, int]) -> TimeFeedback:
        fields = wire.TimeEntryFields(custom_fields=mapping.from_values(time_mapping.from_feedback(new), ids))
        await self._client.change_time_entry(number_of(new.entry_id), fields)
        return time_mapping.shown(new)

    async def _page(
        self, place: Place, last: date | None, approval: ApprovalState | None, limit: int
    ) -> wire.TimeEntries:
        """Return a page of the window, the earliest day first, and within a day as it was entered."""
        key_field = await self._names.key_field("project")
        query: dict[str, str | int] = {"from": place.day.isoformat(), f"project.cf_{key_field}": "*"}
        if last:
            query["to"] = last.isoformat()
        if approval is not ApprovalState.approved:
            return await self._client.time_entries(query, offset=place.behind, limit=limit)
        approved = [said for said, state in self._settings.approvals.items() if state is approval]
        query[f"cf_{(await self._names.fields('time_entry'))[mapping.APPROVAL]}"] = "|".join(approved)
        page = await self._client.time_entries(query, offset=place.behind, limit=limit)
        if any(time_mapping.approval_of(row, self._settings.approvals) is not approval for row in page.time_entries):
            detail = f"Mark the custom field {mapping.APPROVAL!r} as used as a filter, in Redmine's administration."
            raise Unavailable(Code.upstream_contract_violation, detail)
        return page

    async def _rows(self, numbers: Sequence[int]) -> list[wire.TimeEntry]:
        """Return those of the entries that there are: none is found by its id but one by one."""
        rows: list[wire.TimeEntry | None] = []
        for start in range(0, len(numbers), AT_ONCE):
            rows += await asyncio.gather(*map(self._row, numbers[start : start + AT_ONCE]))
        return [row for row in rows if row]

    async def _row(self, number: int) -> wire.TimeEntry | None:
        try:
            return await self._client.time_entry(number)
        except Refused as error:
            if error.code is not Code.resource_not_found:
                raise
            return None

    async def _entries(self, rows: Sequence[wire.TimeEntry]) -> list[TimeEntry]:
        """Return the entries, with what Redmine tells of them by number only."""
        if not rows:
            return []
        issues = sorted({row.issue.id for row in rows if row.issue})
        key_field = await self._names.key_field("project")
        around = Surroundings(
            addresses=await self._people.addresses({row.user.id for row in rows}),
            subjects={issue.id: issue.subject for issue in await self._client.issues_of(issues)},
            entities={row.id: mapping.entity_of(row) for row in await self._client.projects_of_ours(key_field)},
        )
        return [time_mapping.to_entry(row, around, self._settings.approvals) for row in rows]
