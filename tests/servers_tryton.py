"""A real Tryton for tests, and its own books: read round the connector, over Tryton's own interface."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from examples.demo.books import Tryton
from examples.servers.start import Backend, tryton
from gateway.secret import Secret
from openapi.common.types import Dimension
from system_apis.conformance.target import Booking
from system_apis.connectors.tryton import Settings

ACCOUNT = "analytic_account.account"
LINE = "timesheet.line"
TAG = "[ok] "


@contextmanager
def tryton_server(backend: Backend = "sqlite", *options: str) -> Iterator[dict[str, Any]]:
    """Run Tryton with fresh databases `erp` and `psa` from the cache; yield what the server said of itself."""
    with tempfile.TemporaryDirectory(prefix="tiebeam-tryton-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # PostgreSQL runs as another user where root starts it.
        with tryton(Path(directory, "data"), backend=backend, options=options) as ready:
            yield ready


def settings_of(ready: dict[str, Any], database: str, **other: object) -> Settings:
    """Return the settings of a connection to one of the server's databases."""
    settings = Settings(
        base_url=ready["base_url"],
        database=database,
        user=ready["user"],
        password=Secret(ready["password"]),
        companies={"ES01": ready["company"]["id"]},
        payment_terms={"immediate": "Immediate", "net_30": "Net 30"},
        templates=("Delivery standard",),
        settle_s=0.2,
    )
    return replace(settings, **other)


class Desk:
    """Somebody at a desk: one user of one database, in Tryton itself."""

    def __init__(self, ready: dict[str, Any], database: str, user: str) -> None:
        self._url, self._user, self._password = f"{ready['base_url']}/{database}/rpc/", user, ready["password"]
        self._tryton: Tryton | None = None

    async def find(self, model: str, domain: list[Any], *fields: str) -> list[dict[str, Any]]:
        """Return the records of a search."""
        return await asyncio.to_thread(lambda: self._books().find(model, domain, *fields))

    async def do(self, model: str, method: str, *params: object) -> object:
        """Return what a method answers."""
        return await asyncio.to_thread(lambda: self._books().model(model, method, *params))

    async def tries(self, model: str, method: str, *params: object) -> bool:
        """Tell whether Tryton lets it happen."""
        try:
            await self.do(model, method, *params)
        except RuntimeError:
            return False
        return True

    def leave(self) -> None:
        """Hang up."""
        if self._tryton is not None:
            self._tryton.close()

    def _books(self) -> Tryton:
        if self._tryton is None:
            self._tryton = Tryton(self._url, self._user, self._password)
        return self._tryton


class TrytonDatabase:
    """One database of the server, as its administrator sees it."""

    def __init__(self, ready: dict[str, Any], database: str) -> None:
        self.admin = Desk(ready, database, ready["admin_user"])
        self.desks = [self.admin]
        self._user, self._password, self._company = ready["user"], ready["password"], ready["company"]["id"]

    def leave(self) -> None:
        """Hang up everywhere."""
        for desk in self.desks:
            desk.leave()

    async def lose_session(self) -> None:
        """End the sessions of the gateway's user: a password that is set again does."""
        (user,) = await self.admin.find("res.user", [["login", "=", self._user]])
        await self.admin.do("res.user", "write", [user["id"]], {"password": self._password})

    async def marked(self, model: str, field: str, business_key: str, *domain: object) -> int:
        """Return how many records have a line with the key."""
        found = await self.admin.find(model, [[field, "like", f"%{business_key}%"], *domain], field)
        return sum(f"key: {business_key}" in record[field].splitlines() for record in found)


class TrytonErpBooks(TrytonDatabase):
    """What the suite `system_apis.conformance.erp` asks an ERP's books for."""

    async def count_customers(self, business_key: str) -> int:
        """Return how many parties have the key as their code."""
        return len(await self.admin.find("party.party", [["code", "=", business_key], ANY]))

    async def count_projects(self, business_key: str) -> int:
        """Return how many analytic accounts have the key in their note."""
        return await self.marked(ACCOUNT, "note", business_key, ANY)

    async def plant_customer(self, business_key: str) -> bool:
        """Try to make one more party with the code; Tryton keeps it unique."""
        return await self.admin.tries("party.party", "create", [{"code": business_key, "name": "Planted"}])

    async def plant_project(self, business_key: str) -> bool:
        """Make one more analytic account with the key."""
        root = await self._root()
        values = {"name": "Planted", "root": root, "parent": root, "company": self._company}
        return await self.admin.tries(ACCOUNT, "create", [{**values, "note": f"key: {business_key}\ncustomer: 1"}])

    async def touch_customer(self, customer_id: str) -> None:
        """Change the city of the address: it leaves the party's own stamp alone."""
        (address,) = await self.admin.find("party.address", [["party", "=", int(customer_id)]])
        await self.admin.do("party.address", "write", [address["id"]], {"city": "Elsewhere"})

    async def open_dimension(self, dimension: Dimension) -> None:
        """Open a department, as finance would."""
        root = await self._root()
        values = {"name": dimension.code, "code": f"DEP-{dimension.code}", "type": "view", "state": "opened"}
        account = {**values, "root": root, "parent": root, "company": self._company}
        await self.admin.do(ACCOUNT, "create", [account])

    async def _root(self) -> int:
        (root,) = await self.admin.find(ACCOUNT, [["code", "=", "PRJ"], ["type", "=", "root"]])
        return int(root["id"])


class TrytonPsaBooks(TrytonDatabase):
    """What the suite `system_apis.conformance.psa` asks a PSA's books for."""

    def __init__(self, ready: dict[str, Any], database: str) -> None:
        super().__init__(ready, database)
        self.ana, self.chloe = Desk(ready, database, "ana"), Desk(ready, database, "chloe")
        self.desks += [self.ana, self.chloe]

    async def count_projects(self, business_key: str) -> int:
        """Return how many projects have the key in their comment."""
        return await self.marked("project.work", "comment", business_key, ["type", "=", "project"])

    async def count_tasks(self, business_key: str) -> int:
        """Return how many tasks have the key in their comment."""
        return await self.marked("project.work", "comment", business_key, ["type", "=", "task"])

    async def plant_project(self, business_key: str) -> bool:
        """Make one more project with the key."""
        values = {"name": "Planted", "type": "project", "comment": f"key: {business_key}", "company": self._company}
        return await self.admin.tries("project.work", "create", [values])

    async def book(self, project_id: str, day: date) -> bool:
        """Book an hour as Ana, on the first thing of the project that Tryton offers her."""
        domain = [["origin.parent", "child_of", [int(project_id)], "project.work"]]
        (ana,) = await self.ana.find("company.employee", [["party.name", "=", "Ana Ruiz"]])
        for work in await self.ana.find("timesheet.work", domain):
            line = {
                "employee": ana["id"],
                "work": work["id"],
                "date": tryton_day(day),
                "duration": tryton_minutes(60),
            }
            if await self.ana.tries(LINE, "create", [line]):
                return True
        return False

    async def book_time(self, time: Booking) -> str:
        """Return the line that the person booked; Ana at her own desk, everybody else through the approver's."""
        (employee,) = await self.admin.find("company.employee", [["party.contact_mechanisms.value", "=", time.person]])
        (work,) = await self.admin.find("timesheet.work", [["origin", "=", f"project.work,{time.task_id}"]])
        line = {
            "employee": employee["id"],
            "work": work["id"],
            "date": tryton_day(time.day),
            "duration": tryton_minutes(time.minutes),
            "description": time.description,
        }
        desk = self.ana if time.person.startswith("ana.") else self.chloe
        created: Any = await desk.do(LINE, "create", [line])
        return str(created[0])

    async def approve(self, entry_id: str) -> None:
        """Put the tag before the description, as Chloe does in the list of lines."""
        await self._describe(self.chloe, entry_id, f"{TAG}{await self._description(entry_id)}")

    async def recall(self, entry_id: str) -> None:
        """Take the tag off again."""
        await self._describe(self.chloe, entry_id, (await self._description(entry_id)).removeprefix(TAG))

    async def correct(self, entry_id: str, minutes: int) -> None:
        """Change the duration, as Chloe."""
        await self.chloe.do(LINE, "write", [int(entry_id)], {"duration": tryton_minutes(minutes)})

    async def delete_time(self, entry_id: str) -> None:
        """Delete the line, as Chloe."""
        await self.chloe.do(LINE, "delete", [int(entry_id)])

    async def approve_own(self, entry_id: str) -> bool:
        """Try to tag the line as Ana, whose it is."""
        text = f"{TAG}{await self._description(entry_id)}"
        return await self.ana.tries(LINE, "write", [int(entry_id)], {"description": text})

    async def count_notes(self, project_id: str, business_key: str) -> int:
        """Return how many notes on the project have the key in their first line."""
        notes = await self.admin.find("ir.note", [["resource", "=", f"project.work,{project_id}"]], "message")
        return sum(note["message"].splitlines()[0].endswith(f": {business_key}") for note in notes)

    async def put_on_hold(self, project_id: str) -> None:
        """Give the project the status, as the administrator."""
        (status,) = await self.admin.find("project.work.status", [["name", "=", "On hold"]])
        await self.admin.do("project.work", "write", [int(project_id)], {"status": status["id"]})

    async def _description(self, entry_id: str) -> str:
        (line,) = await self.admin.find(LINE, [["id", "=", int(entry_id)]], "description")
        return str(line["description"])

    @staticmethod
    async def _describe(desk: Desk, entry_id: str, text: str) -> None:
        await desk.do(LINE, "write", [int(entry_id)], {"description": text})


def tryton_day(day: date) -> dict[str, Any]:
    """Return a day as Tryton takes it."""
    return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}


def tryton_minutes(minutes: int) -> dict[str, Any]:
    """Return a duration as Tryton takes it."""
    return {"__class__": "timedelta", "seconds": minutes * 60.0}


ANY = ["active", "in", [True, False]]
