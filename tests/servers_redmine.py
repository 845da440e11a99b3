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
from httpx import AsyncClient

from examples.servers.start_redmine import is_installed, redmine

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
        ((activity_id,),) = self._rows(
            "SELECT id FROM enumerations WHERE name = 'Development' AND type = 'TimeEntryActivity'"
        )
        entry = {"project_id": project_id, "spent_on": day.isoformat(), "hours": 1, "activity_id": activity_id}
        return await self._post("/time_entries.json", {"time_entry": entry}, "ana.ruiz")

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
        async with AsyncClient(timeout=60) as client:
            headers = {"X-Redmine-API-Key": self._keys[login]}
            answer = await client.post(f"{self._url}{path}", json=body, headers=headers)
        return answer.status_code == CREATED


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
