"""The path of money as campaigns play it: projects in stock, people who book and approve time, and calls of finance.

Each project has a customer and a contract of its own, so that one that went wrong disturbs no other.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import uuid4

from examples.demo import orders
from examples.demo.people import TrytonDesks, Work
from tests.e2e.test_story import keys_of, signed
from tests.faults.mortal import Document, Mortal

TRANSFER: Final = "/process/time-transfer/v1"
RELEASE: Final = "/process/invoice-release/v1"
HOLDS: Final = "/process/billing-holds/v1/holds"
STATUSES: Final = "/process/status/v1/project-statuses"
PSA: Final = "delivery"
MILESTONE: Final = "Design accepted"
TOO_LONG: Final = 1500
"""In minutes: nobody works for 25 hours a day."""


class Job(NamedTuple):
    """A project, and what finance has to know of it."""

    id: str
    code: str
    customer: str
    contract: str
    milestone: str
    keys: dict[str, str]
    body: Document


class Case(NamedTuple):
    """A project with the time that was booked on it."""

    job: Job
    entries: list[str]


class Money:
    """Everybody who moves money: the product's callers, and people at their desks in the PSA."""

    def __init__(self, product: Mortal, desks: TrytonDesks) -> None:
        self.product, self._desks = product, desks
        self._booked = 0

    async def jobs(self, count: int) -> list[Job]:
        """Return so many projects that are active, each signed by a customer of its own."""
        bodies = [signed() for _ in range(count)]
        for body in bodies:
            body["customer"]["confirmed_new"] = True
        onboardings = [await self.product.ask(body, str(uuid4())) for body in bodies]
        return [await self._active(one, body) for one, body in zip(onboardings, bodies, strict=True)]

    async def _active(self, onboarding: str, body: Document) -> Job:
        process = await self.product.ended(onboarding)
        assert (process.state, process.project is None, process.customer is None) == ("active", False, False)
        found = await self.product.call("GET", f"{RELEASE}/milestones?project={process.project}")
        milestone = next(one for one in found["items"] if one["name"] == MILESTONE)
        status = await self.product.call("GET", f"{STATUSES}/{process.project}")
        return Job(
            id=str(process.project),
            code=status["code"],
            customer=str(process.customer),
            contract=milestone["contract"],
            milestone=milestone["id"],
            keys=keys_of(body),
            body=body,
        )

    def works(self) -> list[Work]:
        """Return what people did: an hour of a consultant, twenty minutes of a lead, and more than a day has."""
        day = self._next_day()
        last = orders.last_month()[1]
        return [
            Work("Ana Ruiz", "Build", day, 60, "Interface of the loader"),
            Work("Ben Okafor", "Build", day, 20, "Call about the cut-over"),
            Work("Ben Okafor", "Build", last, TOO_LONG, "Forgot to stop the clock"),
        ]

    def _next_day(self) -> dt.date:
        """Return a day of last month on which people have time still; the last one is for mistakes."""
        first, last = orders.last_month()
        self._booked += 1
        return first + dt.timedelta(days=self._booked % (last - first).days)

    async def book(self, job: Job, works: Sequence[Work]) -> list[str]:
        """Return the PSA's ids of time that was booked on the project, and approved."""
        return await asyncio.to_thread(self._book, job, works)

    def _book(self, job: Job, works: Sequence[Work]) -> list[str]:
        entries = [self._desks.book(job.code, work) for work in works]
        self._desks.approve(entries)
        return entries

    async def transfer(self) -> Document:
        """Return the run that has taken over what has changed."""
        run = await self.product.call("POST", f"{TRANSFER}/runs", {"connection": PSA})
        await self.product.everything_ended()
        return await self.product.call("GET", f"{TRANSFER}/runs/{run['id']}")

    async def projects(self, count: int) -> list[Case]:
        """Return so many projects on which nobody has worked."""
        return [Case(job, []) for job in await self.jobs(count)]

    async def delivered(self, count: int) -> list[Case]:
        """Return so many projects with work that is in the books."""
        cases = [Case(job, await self.book(job, self.works()[:2])) for job in await self.jobs(count)]
        while (await self.transfer())["more"]:
            pass
        return cases

    async def recall(self, entry: str) -> Document:
        """Return the recall that was carried out."""
        body = {"connection": PSA, "entry_id": entry, "reason": "Booked on the wrong task."}
        recall = await self.product.call("POST", f"{TRANSFER}/recalls", body)
        await self.product.everything_ended()
        return await self.product.call("GET", f"{TRANSFER}/recalls/{recall['id']}")

    async def approve_milestone(self, job: Job) -> None:
        """Say that the design is accepted."""
        body = {"achieved_on": str(orders.last_month()[1]), "evidence": "Protocol of acceptance"}
        await self.product.call("POST", f"{RELEASE}/milestones/{job.milestone}/approve", body)

    async def start_release(self, job: Job) -> Document:
        """Return the release of the project's last month, under way."""
        body = {"legal_entity": "ES01", "projects": [job.id], "through": str(orders.last_month()[1])}
        return await self.product.call("POST", f"{RELEASE}/releases", body)

    async def release(self, job: Job) -> Document:
        """Return the release once it rests."""
        release = await self.start_release(job)
        await self.product.everything_ended()
        return await self.released(release)

    async def released(self, release: Document) -> Document:
        """Return the release as it is now."""
        return await self.product.call("GET", f"{RELEASE}/releases/{release['id']}")

    async def hold(self, scope_type: str, scope_id: str) -> Document:
        """Return a hold that is in force."""
        scope = {"type": scope_type, "id": scope_id}
        return await self.product.call(
            "POST", HOLDS, {"scope": scope, "reason_code": "dispute", "reference": str(uuid4())}
        )

    async def lift(self, hold: Document) -> Document:
        """Return the hold, in force no longer."""
        return await self.product.call("POST", f"{HOLDS}/{hold['id']}/lift", {"reason": "Answered."})
