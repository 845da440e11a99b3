"""The people of the story at their desks: who books time, and who approves it, in the PSA itself."""

import datetime as dt
from typing import NamedTuple, Protocol

import httpx

from examples.demo.books import Record, Tryton

APPROVED = "[ok] "
"""How approval is marked in this Tryton; only project managers can set it."""


class Work(NamedTuple):
    """What somebody did on a day."""

    person: str
    task: str
    day: dt.date
    minutes: int
    text: str


class Desks(Protocol):
    """Where people book and approve time."""

    def book(self, project_code: str, work: Work) -> str:
        """Book the work on the project; return the PSA's id of the entry."""

    def approve(self, entries: list[str]) -> None:
        """Approve time, as somebody else than those who booked it."""

    def recall(self, entry: str) -> None:
        """Take an approval back."""

    def shown(self, entry: str) -> str:
        """Return what the entry shows of its billing."""

    def held(self, project_code: str) -> bool:
        """Return whether the PSA shows the project as held."""

    def told(self, project_code: str) -> str:
        """Return all that the project was told about its billing."""

    def close(self) -> None:
        """Hang up."""


class TrytonDesks:
    """The delivery database of a Tryton."""

    def __init__(self, url: str, password: str) -> None:
        self._manager = Tryton(url, "chloe", password)
        self._reader = Tryton(url, "admin", password)

    def book(self, project_code: str, work: Work) -> str:
        """Book the work on the project; return the id of the line."""
        (employee,) = self._reader.find("company.employee", [["party.name", "=", work.person]], "company")
        wanted = [["name", "=", work.task], ["parent.name", "like", f"{project_code} %"]]
        (task,) = self._reader.find("project.work", wanted, "timesheet_works")
        line = {
            "employee": employee["id"],
            "company": employee["company"],
            "date": {"__class__": "date", "year": work.day.year, "month": work.day.month, "day": work.day.day},
            "work": task["timesheet_works"][0],
            "duration": {"__class__": "timedelta", "seconds": work.minutes * 60.0},
            "description": work.text,
        }
        return str(self._manager.model("timesheet.line", "create", [line])[0])

    def approve(self, entries: list[str]) -> None:
        """Tag each line as approved."""
        for line in self._lines(entries):
            self._manager.model(
                "timesheet.line", "write", [line["id"]], {"description": APPROVED + line["description"]}
            )

    def recall(self, entry: str) -> None:
        """Take the tag off."""
        (line,) = self._lines([entry])
        text = line["description"].removeprefix(APPROVED)
        self._manager.model("timesheet.line", "write", [line["id"]], {"description": text})

    def shown(self, entry: str) -> str:
        """Return what the notes on the line say to people."""
        return ", ".join(self._said(f"timesheet.line,{entry}").splitlines())

    def held(self, project_code: str) -> bool:
        """Return whether the project's status says so."""
        (project,) = self._project(project_code)
        return bool(project["status."]["name"] == "On hold")

    def told(self, project_code: str) -> str:
        """Return what the notes on the project say to people, the newest last."""
        (project,) = self._project(project_code)
        return self._said(f"project.work,{project['id']}")

    def close(self) -> None:
        """Hang up."""
        self._manager.close()
        self._reader.close()

    def _said(self, resource: str) -> str:
        notes = self._reader.find("ir.note", [["resource", "=", resource]], "message")
        # The first line is for the gateway to know its note by, the last one its signature.
        return "\n".join(line for note in notes for line in note["message"].splitlines()[1:-1])

    def _project(self, project_code: str) -> list[Record]:
        wanted = [["type", "=", "project"], ["name", "like", f"{project_code} %"]]
        return self._reader.find("project.work", wanted, "status.name")

    def _lines(self, entries: list[str]) -> list[Record]:
        return self._reader.find("timesheet.line", [["id", "in", [int(entry) for entry in entries]]], "description")


class RedmineDesks:
    """A Redmine, over its own REST interface; its administrator plays the project manager."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"X-Redmine-API-Key": key}, timeout=30)

    def book(self, project_code: str, work: Work) -> str:
        """Book the work on the project, whose team the person joins first; return the id of the entry."""
        project, person = project_code.lower(), self._person(work.person)
        role = next(one["id"] for one in self._get("/roles.json")["roles"] if one["name"] == "Developer")
        self._http.post(
            f"/projects/{project}/memberships.json", json={"membership": {"user_id": person, "role_ids": [role]}}
        )  # Whoever is in the team already is refused, and that is as well.
        issues = self._get("/issues.json", project_id=project, status_id="*", limit=100)["issues"]
        entry = {
            "issue_id": next(issue["id"] for issue in issues if issue["subject"] == work.task),
            "user_id": person,
            "spent_on": str(work.day),
            "hours": f"{work.minutes // 60}:{work.minutes % 60:02}",
            "activity_id": self._get("/enumerations/time_entry_activities.json")["time_entry_activities"][0]["id"],
            "comments": work.text,
        }
        answer = self._http.post("/time_entries.json", json={"time_entry": entry}).raise_for_status()
        return str(answer.json()["time_entry"]["id"])

    def approve(self, entries: list[str]) -> None:
        """Set each entry's field Approval."""
        for entry in entries:
            self._set(entry, "Approved")

    def recall(self, entry: str) -> None:
        """Set the field back."""
        self._set(entry, "Open")

    def shown(self, entry: str) -> str:
        """Return the entry's field Billing feedback."""
        fields = self._get(f"/time_entries/{entry}.json")["time_entry"]["custom_fields"]
        return ", ".join(_value(fields, "Billing feedback").splitlines())

    def held(self, project_code: str) -> bool:
        """Return whether the project's field says so."""
        fields = self._get(f"/projects/{project_code.lower()}.json")["project"]["custom_fields"]
        return _value(fields, "Billing hold") == "1"

    def told(self, project_code: str) -> str:
        """Return the pages of the project's wiki that tell of its billing, the oldest first."""
        wiki = f"/projects/{project_code.lower()}/wiki"
        pages = self._get(f"{wiki}/index.json")["wiki_pages"]
        notes = [page for page in pages if page["title"].startswith("Billing_")]
        texts = [
            self._get(f"{wiki}/{page['title']}.json")["wiki_page"]["text"]
            for page in sorted(notes, key=lambda page: str(page["created_on"]))
        ]
        return "\n".join(texts)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _set(self, entry: str, approval: str) -> None:
        fields = self._get("/custom_fields.json")["custom_fields"]
        (field,) = (one["id"] for one in fields if (one["customized_type"], one["name"]) == ("time_entry", "Approval"))
        change = {"time_entry": {"custom_fields": [{"id": field, "value": approval}]}}
        self._http.put(f"/time_entries/{entry}.json", json=change).raise_for_status()

    def _person(self, name: str) -> int:
        users = self._get("/users.json", limit=100)["users"]
        (found,) = (user["id"] for user in users if f"{user['firstname']} {user['lastname']}" == name)
        return int(found)

    def _get(self, path: str, **params: str | int) -> Record:
        found: Record = self._http.get(path, params=params).raise_for_status().json()
        return found


def _value(fields: list[Record], name: str) -> str:
    return next((str(field["value"]) for field in fields if field["name"] == name), "")
