"""Tryton's own books, read over Tryton's own interface: what the gateway says is not believed, it is compared."""

import base64
from typing import Any

import httpx

Record = dict[str, Any]


class Tryton:
    """One database of a running Tryton, as an administrator of it sees it."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"Accept-Encoding": "gzip"}, timeout=30)
        user_id, session, *_ = self._call("common.db.login", user, {"password": password}, "en")
        token = base64.b64encode(f"{user}:{user_id}:{session}".encode()).decode()
        self._http.headers["Authorization"] = f"Session {token}"
        preferences = self._call("model.res.user.get_preferences", True, {})  # noqa: FBT003  # The call's own form.
        self._context = {key: preferences.get(key) for key in ("company", "companies", "employee", "groups")}
        self._context["language"] = "en"

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _call(self, method: str, *params: object) -> Any:  # noqa: ANN401  # What a vendor answers is anything.
        answer = self._http.post("", json={"id": 1, "method": method, "params": list(params)}).raise_for_status().json()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error'][0]}: {answer['error'][1]}")
        return answer["result"]

    def model(self, model: str, method: str, *params: object) -> Any:  # noqa: ANN401 - as it was told
        """Return what a method of a model answers."""
        return self._call(f"model.{model}.{method}", *params, self._context)

    def find(self, model: str, domain: list[Any], *fields: str) -> list[Record]:
        """Return the records of a search, the oldest first."""
        found: list[Record] = self.model(model, "search_read", domain, 0, 100, [["id", "ASC"]], list(fields))
        return found


class Redmine:
    """A running Redmine, as its administrator sees it over its own REST interface."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"X-Redmine-API-Key": key}, timeout=30)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def projects(self) -> list[Record]:
        """Return the projects that are not closed, each with its modules, in the order of their identifiers."""
        answer = self._http.get("/projects.json", params={"include": "enabled_modules", "limit": 100})
        found: list[Record] = answer.raise_for_status().json()["projects"]
        return sorted(found, key=lambda project: project["identifier"])

    def issues(self, project: Record) -> list[Record]:
        """Return the project's issues."""
        answer = self._http.get("/issues.json", params={"project_id": project["id"], "status_id": "*", "limit": 100})
        found: list[Record] = answer.raise_for_status().json()["issues"]
        return found

    def versions(self, project: Record) -> list[Record]:
        """Return the project's versions, which are its milestones."""
        answer = self._http.get(f"/projects/{project['id']}/versions.json")
        found: list[Record] = answer.raise_for_status().json()["versions"]
        return found
