"""A real Redmine for tests, and its own books: read past our connector, in its database and by its own users."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from httpx import AsyncClient, Response

from examples.servers.start_redmine import is_installed, redmine
from system_apis.conformance.target import Booking

CREATED = 201


class RedmineBooks:
    """The `PsaBooks` of the conformance suite; `ready` is what the server said of itself."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self._url, self._database = ready["base_url"], f"file:{ready['database']}?mode=ro"
        self._keys = ready["user_api_keys"]

    async def count_projects(self, business_key: str) -> int:
        """Return how many projects carry the key, those that are half made included."""
        return self._count("Project", business_key)

    async def count_tasks(self, business_key: str) -> int:
        """Return how many issues carry the key."""
        return self._count("Issue", business_key)

    async def plant_project(self, business_key: str) -> bool:
        """Make one more project with the key, as an administrator could."""
        ((field_id,),) = self._rows(
            "SELECT id FROM custom_fields WHERE name = 'Tiebeam key' AND type = 'ProjectCustomField'"
        )
        fields = [{"id": field_id, "value": business_key}]
        project = {"name": "Planted", "identifier": f"planted-{uuid4().hex}", "custom_fields": fields}
        return await self._post("/projects.json", {"project": project}, "admin")

    async def book(self, project_id: str, day: date) -> bool:
        """Book an hour as Ana, who leads the project."""
        entry = {"project_id": project_id, "spent_on": day.isoformat(), "hours": 1, "activity_id": self._activity()}
        return await self._post("/time_entries.json", {"time_entry": entry}, "ana.ruiz")

    async def book_time(self, time: Booking) -> str:
        """Return the entry that the person booked with a key of their own."""
        entry = {
            "issue_id": time.task_id,
            "spent_on": time.day.isoformat(),
            "hours": f"{time.minutes // 60}:{time.minutes % 60:02}",
            "activity_id": self._activity(),
            "comments": time.description,
        }
        made = await self._send("POST", "/time_entries.json", time.person.partition("@")[0], {"time_entry": entry})
        return str(made.raise_for_status().json()["time_entry"]["id"])

    async def approve(self, entry_id: str) -> None:
        """Say so in the list, as an administrator."""
        await self._say(entry_id, "Approved", "admin")

    async def recall(self, entry_id: str) -> None:
        """Take it back."""
        await self._say(entry_id, "Open", "admin")

    async def correct(self, entry_id: str, minutes: int) -> None:
        """Change the hours, as an administrator."""
        hours = f"{minutes // 60}:{minutes % 60:02}"
        path, body = f"/time_entries/{entry_id}.json", {"time_entry": {"hours": hours}}
        (await self._send("PUT", path, "admin", body)).raise_for_status()

    async def delete_time(self, entry_id: str) -> None:
        """Delete the entry, as an administrator."""
        (await self._send("DELETE", f"/time_entries/{entry_id}.json", "admin")).raise_for_status()

    async def approve_own(self, entry_id: str) -> bool:
        """Try to say so as Ana; Redmine answers that all is well, and leaves out what she may not set."""
        await self._say(entry_id, "Approved", "ana.ruiz")
        query = """
            SELECT v.value FROM custom_values v JOIN custom_fields f ON f.id = v.custom_field_id
            WHERE f.name = 'Approval' AND v.customized_type = 'TimeEntry' AND v.customized_id = ?
        """
        return ("Approved",) in self._rows(query, int(entry_id))

    async def count_notes(self, project_id: str, business_key: str) -> int:
        """Return how many pages of the project's wiki begin with the key."""
        query = """
            SELECT count(*) FROM wikis w JOIN wiki_pages p ON p.wiki_id = w.id JOIN wiki_contents c ON c.page_id = p.id
            WHERE w.project_id = ? AND c.text LIKE ?
        """
        return int(self._rows(query, int(project_id), f"key: {business_key}\n%")[0][0])

    async def put_on_hold(self, project_id: str) -> None:
        """Tick the project as held, as an administrator."""
        fields = [{"id": self._field("Billing hold"), "value": "1"}]
        path, body = f"/projects/{project_id}.json", {"project": {"custom_fields": fields}}
        (await self._send("PUT", path, "admin", body)).raise_for_status()

    async def _say(self, entry_id: str, approval: str, login: str) -> None:
        fields = [{"id": self._field("Approval"), "value": approval}]
        path, body = f"/time_entries/{entry_id}.json", {"time_entry": {"custom_fields": fields}}
        (await self._send("PUT", path, login, body)).raise_for_status()

    def _activity(self) -> int:
        query = "SELECT id FROM enumerations WHERE name = 'Development' AND type = 'TimeEntryActivity'"
        return int(self._rows(query)[0][0])

    def _field(self, name: str) -> int:
        return int(self._rows("SELECT id FROM custom_fields WHERE name = ?", name)[0][0])

    def _count(self, of: str, business_key: str) -> int:
        query = """
            SELECT count(*) FROM custom_values v JOIN custom_fields f ON f.id = v.custom_field_id
            WHERE f.name = 'Tiebeam key' AND v.customized_type = ? AND v.value = ?
        """
        return int(self._rows(query, of, business_key)[0][0])

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._database, uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    async def _post(self, path: str, body: dict[str, Any], login: str) -> bool:
        return (await self._send("POST", path, login, body)).status_code == CREATED

    async def _send(self, method: str, path: str, login: str, body: dict[str, Any] | None = None) -> Response:
        async with AsyncClient(timeout=60) as client:
            headers = {"X-Redmine-API-Key": self._keys[login]}
            return await client.request(method, f"{self._url}{path}", json=body, headers=headers)


@contextmanager
def redmine_server() -> Iterator[dict[str, Any]]:
    """Start a Redmine of its own on a free port, and stop it; yields what it said when it answered.

    Where it is not installed the test is skipped, or fails if TIEBEAM_REQUIRE names it: that stage was to have it.
    """
    if not is_installed():
        required = "redmine" in os.environ.get("TIEBEAM_REQUIRE", "")
        (pytest.fail if required else pytest.skip)("Run examples/servers/install_redmine.sh, as root.")
    with tempfile.TemporaryDirectory(prefix="tiebeam-redmine-") as directory, redmine(Path(directory)) as ready:
        yield ready
