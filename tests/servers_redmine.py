"""A real Redmine for tests, and its own books: what its database holds, read past its interface and ours."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from examples.servers.start_redmine import redmine


class RedmineBooks:
    """The SQLite file of a running Redmine, opened for reading only."""

    def __init__(self, database: str) -> None:
        self._url = f"file:{database}?mode=ro"

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what the query finds."""
        with closing(sqlite3.connect(self._url, uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    def count(self, of: str, business_key: str) -> int:
        """Return how many projects, issues or versions carry the key: `of` is Project, Issue or Version."""
        query = """
            SELECT count(*) FROM custom_values v JOIN custom_fields f ON f.id = v.custom_field_id
            WHERE f.name = 'Tiebeam key' AND v.customized_type = ? AND v.value = ?
        """
        return int(self.rows(query, of, business_key)[0][0])

    def modules(self, identifier: str) -> set[str]:
        """Return what a project can be used for."""
        query = "SELECT m.name FROM enabled_modules m JOIN projects p ON p.id = m.project_id WHERE p.identifier = ?"
        return {str(name) for (name,) in self.rows(query, identifier)}

    def members(self, identifier: str) -> list[tuple[str, str]]:
        """Return who is in a project, as what."""
        query = """
            SELECT u.login, r.name FROM members m JOIN projects p ON p.id = m.project_id
            JOIN users u ON u.id = m.user_id JOIN member_roles x ON x.member_id = m.id
            JOIN roles r ON r.id = x.role_id WHERE p.identifier = ? ORDER BY u.login
        """
        return [(str(login), str(role)) for login, role in self.rows(query, identifier)]


@contextmanager
def redmine_server() -> Iterator[dict[str, Any]]:
    """Start a Redmine of its own on a free port, and stop it; yields what it said when it answered."""
    with tempfile.TemporaryDirectory(prefix="tiebeam-redmine-") as directory, redmine(Path(directory)) as ready:
        yield ready
